"""Which precision this machine computes in, where the recipe leaves it open.

It goes by the processor alone, so that weights and answers repeat on a machine. Without torch nothing is
computed here, and a forecast is of a GPU.
"""

from collections.abc import Mapping


def training_in_keys(bf16: bool | None) -> bool | str:
    """How the option stands in what a training is: left open as `True`, which it was before it could be, so
    that no finished run trains again."""
    if bf16 is None:
        return True
    return "always" if bf16 else False


def answering_in_keys(dtype: str | None) -> str:
    """How the option stands in what answers are; left open as the bfloat16 it was before it could be."""
    if dtype is None:
        return "bfloat16"
    return "always bfloat16" if dtype == "bfloat16" else dtype


def trains_in_bf16(bf16: bool | None) -> bool:
    """Whether a training with this option runs under bf16 autocast: by itself on a GPU, and on a CPU that has
    bf16 instructions that help. Intel's without AMX are slower than fp32 (benchmarks/precision.py)."""
    if bf16 is not None:
        return bf16
    cpu = _cpu()
    slow = "Intel" in str(cpu.get("cpu_name")) and not cpu.get("amx_bf16")
    return _has_bf16(cpu) and not slow


def answers_in(dtype: str | None) -> str:
    """The dtype of the weights while answering with this option: by itself bfloat16 where the processor has
    instructions for it, half the bytes to read for each token; float32 where they would be emulated."""
    return dtype or ("bfloat16" if _has_bf16(_cpu()) else "float32")


def _has_bf16(cpu: Mapping[str, object]) -> bool:
    return not cpu or any(cpu.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def _cpu() -> Mapping[str, object]:
    """What torch knows of the CPU; nothing where a GPU computes. A GPU is not asked: that would open it."""
    try:
        import torch
    except ImportError:
        return {}
    capabilities: Mapping[str, object] = {} if torch.cuda.is_available() else torch.cpu.get_capabilities()
    return capabilities
