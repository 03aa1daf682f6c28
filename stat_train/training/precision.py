"""Which precision a training computes in, where the recipe leaves it open."""


def bf16_in_keys(bf16: bool | None) -> bool | str:
    """How the option stands in what a training is: left open as `True`, which it was before it could be, so
    that no finished run trains again."""
    if bf16 is None:
        return True
    return "always" if bf16 else False


def bf16_is_faster() -> bool:
    """Whether bf16 autocast is faster than fp32 on this machine: on a GPU, and on a CPU with units for it.

    AMX, and AVX-512 BF16 as AMD builds it, double the speed of fp32. Intel's AVX-512 BF16 without AMX has
    half of it, and where there is no such instruction bf16 is emulated, many times slower
    (benchmarks/precision.py). The answer is the same each time, so that weights repeat on a machine. Without
    torch nothing trains here, and a forecast is of a GPU.
    """
    try:
        import torch
    except ImportError:
        return True
    if torch.cuda.is_available():
        return True
    cpu = torch.cpu.get_capabilities()
    if cpu.get("amx_bf16"):
        return True
    if cpu["architecture"] == "x86_64":
        return bool(cpu.get("avx512_bf16")) and "Intel" not in cpu["cpu_name"]
    return bool(cpu.get("bf16"))
