"""LoRA under bf16 autocast without casting the same numbers again and again."""

from typing import Any

from stat_train.training.grpo_options import GRPOOptions
from stat_train.training.options import SFTOptions


def lighten(model: Any, options: SFTOptions | GRPOOptions, processes: int = 1) -> None:
    """Hold the frozen weights that LoRA layers wrap in bf16, and leave casting to autocast.

    Autocast would cast them at every step, and peft each layer's input to fp32 for autocast to cast it back:
    the same weights come out of the training bit for bit, with less traffic and memory. Nothing is changed
    in other trainings, nor in distributed ones, which want parameters of one dtype.
    """
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    if options.method != "lora" or not options.autocast or processes > 1:
        return
    embedded = model.get_input_embeddings().weight
    for layer in model.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.cast_input_dtype_enabled = False
            frozen = layer.get_base_layer()
            if isinstance(frozen, torch.nn.Linear) and frozen.weight is not embedded:
                frozen.weight.data = frozen.weight.data.to(torch.bfloat16)
