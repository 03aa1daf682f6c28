"""Which precision a training computes in, where the recipe leaves it open."""


def bf16_in_keys(bf16: bool | None) -> bool | str:
    """How the option stands in what a training is: left open as `True`, which it was before it could be, so
    that no finished run trains again."""
    if bf16 is None:
        return True
    return "always" if bf16 else False


def autocasts(bf16: bool | None) -> bool:
    """Whether a training with this option runs under bf16 autocast on this machine."""
    return bf16_is_faster() if bf16 is None else bf16


def bf16_is_faster() -> bool:
    """Whether bf16 autocast is taken to be faster than fp32 here: on a GPU, and on a CPU with units for it.

    Intel's AVX-512 BF16 without AMX is slower than fp32 (benchmarks/precision.py), and without any such
    instruction bf16 is emulated. It goes by the processor alone, so that weights repeat on a machine. Without
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
