"""How much memory GRPO takes beside that of a training on pairs."""

from stat_train.training.grpo_options import GRPOOptions
from stat_train.training.memory import MemoryEstimate, Shape
from stat_train.training.options import SFTOptions

KEYS_AND_VALUES = ("k_proj", "v_proj")


def as_sft(options: GRPOOptions) -> SFTOptions:
    """A training on pairs whose update takes as much memory: as many rows of as many tokens."""
    return SFTOptions(
        method=options.method,
        lora=options.lora,
        optimizer=options.optimizer,
        bf16=options.bf16,
        dtype=options.dtype,
        gradient_checkpointing=options.gradient_checkpointing,
        batch_size=options.at_once,
        max_length=options.max_prompt + options.max_tokens,
    )


def cache_bytes(options: GRPOOptions, shape: Shape | None) -> float | None:
    """Keys and values of all answers of a batch at their longest, as transformers keeps them; None where
    the shape does not tell."""
    if shape is None:
        return None
    width = sum(outputs for name, _, outputs in shape.linears if name.rpartition(".")[2] in KEYS_AND_VALUES)
    each = 2 if options.autocast or options.dtype == "bfloat16" else 4
    return float(options.answers * (options.max_prompt + options.max_tokens) * width * each) or None


def reference_bytes(options: GRPOOptions, found: MemoryEstimate) -> float | None:
    """The copy of the starting weights that a KL penalty needs; adapters are switched off instead."""
    if not options.beta or options.method != "full" or found.parameters is None:
        return None
    return found.parameters * (4.0 if options.dtype == "float32" else 2.0)
