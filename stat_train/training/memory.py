"""How much memory a training will take: an estimate from config.json, before any weight is loaded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stat_train.training.layout import shares
from stat_train.training.options import SFTOptions

NF4 = 4.127 / 8
"""Bytes of a weight in NF4 with double quantization (Dettmers et al. 2023, arXiv 2305.14314)."""
RESIDUAL = {"float32": 32, "bfloat16": 22}
"""Bytes that autograd keeps for a token and layer, per unit of hidden_size, by the dtype of the weights."""
MLP = 8
"""The same per unit of intermediate_size, under bf16 autocast."""
DROPPED = 3
"""What LoRA's dropout adds per unit of each input of an adapted layer: the dropped input and its mask."""


@dataclass(frozen=True)
class Shape:
    """What config.json says: `linears` are (full name, inputs, outputs) of the layers that LoRA may adapt."""

    parameters: int
    linears: tuple[tuple[str, int, int], ...]
    hidden: int | None
    intermediate: int | None
    layers: int | None


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on each GPU (on a CPU: in each process), None where unknown; `tokens` are those of a micro-batch.

    `activations` are the most there can be: every row as long as `max_length`. Left out are the CUDA
    context (about 1 GB), fragmentation and the slice of logits that TRL holds at a time. `merging` is the
    main memory that merging an adapter takes when the training is done.
    """

    parameters: int | None
    trained: int | None
    tokens: int
    weights: float | None
    gradients: float | None
    optimizer: float | None
    activations: float | None
    merging: float | None

    @property
    def total(self) -> float | None:
        """All parts together; None where one is unknown."""
        parts = (self.weights, self.gradients, self.optimizer, self.activations)
        return None if None in parts else sum(part for part in parts if part is not None)

    @property
    def known(self) -> float:
        """The parts that are known: at least so much is needed."""
        parts = (self.weights, self.gradients, self.optimizer, self.activations)
        return sum(part for part in parts if part is not None)


def read_shape(folder: Path) -> Shape:
    """The shape of the model whose config.json stands in `folder`; no weights are read."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    head = model.get_output_embeddings()
    linears = tuple(
        (name, module.in_features, module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    )
    text = config.get_text_config()
    return Shape(
        sum(parameter.numel() for parameter in model.parameters()),
        linears,
        getattr(text, "hidden_size", None),
        getattr(text, "intermediate_size", None),
        getattr(text, "num_hidden_layers", None),
    )


def estimate_memory(
    options: SFTOptions,
    shape: Shape | None,
    parameters: int | None = None,
    processes: int = 1,
    spread: int = 1,
) -> MemoryEstimate:
    """What a training takes; without a shape, what the number of parameters alone tells.

    `spread` is over how many of the processes weights, gradients and optimizer are divided (FSDP, ZeRO-3).
    """
    parameters = shape.parameters if shape else parameters
    adapters = None if shape is None else _adapters(options, shape)
    trained = parameters if options.method == "full" else adapters
    tokens = shares(options, processes)[0] * options.max_length
    width = 4 if options.dtype == "float32" else 2
    trained_width = {"full": width, "lora": 4, "qlora": 2}[options.method]
    state = 2 if options.optimizer == "paged_adamw_8bit" else 2 * trained_width
    return MemoryEstimate(
        parameters,
        trained,
        tokens,
        _share(_weights(options, shape, parameters, width, adapters, processes), spread),
        _share(_times(trained, trained_width), spread),
        _share(_times(trained, state), spread),
        None if shape is None else _activations(options, shape, tokens),
        None if options.method == "full" else _times(parameters, 6),
    )


def _adapters(options: SFTOptions, shape: Shape) -> int:
    adapted = [(i, o) for name, i, o in shape.linears if _is_target(name, options.lora.targets)]
    return sum(options.lora.r * (inputs + outputs) for inputs, outputs in adapted)


def _is_target(name: str, targets: str | Sequence[str]) -> bool:
    """As PEFT matches: a text is a pattern of whole names, of a list each is the end of one."""
    if isinstance(targets, str):
        return targets == "all-linear" or re.fullmatch(targets, name) is not None
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _weights(
    options: SFTOptions,
    shape: Shape | None,
    parameters: int | None,
    width: int,
    adapters: int | None,
    processes: int,
) -> float | None:
    """The weights as they are loaded, the adapters on top, and the bf16 copies that autocast keeps until the
    backward pass; one process with LoRA keeps none of what its adapters wrap (light_lora.py)."""
    if options.method == "full" and shape is None:
        return _times(parameters, width)
    if shape is None or adapters is None:
        return _times(parameters, NF4 if options.method == "qlora" else width)
    linear = sum(inputs * outputs for _, inputs, outputs in shape.linears)
    if options.method == "qlora":
        return linear * NF4 + (shape.parameters - linear) * 2 + adapters * 2
    if options.method == "lora" and processes == 1:
        linear -= sum(i * o for name, i, o in shape.linears if _is_target(name, options.lora.targets))
    copies = 2 * linear if options.autocast and width == 4 and not options.gradient_checkpointing else 0
    return shape.parameters * width + copies + (adapters * 4 if options.method == "lora" else 0)


def _activations(options: SFTOptions, shape: Shape, tokens: int) -> float | None:
    if shape.hidden is None or shape.intermediate is None or shape.layers is None:
        return None
    dtype = "bfloat16" if options.method == "qlora" else options.dtype
    layer = RESIDUAL[dtype] * shape.hidden + MLP * shape.intermediate
    if not options.autocast and dtype == "float32":
        layer = 2 * layer
    if options.method != "full" and options.lora.dropout:
        layer += DROPPED * (6 * shape.hidden + shape.intermediate)
    if not options.gradient_checkpointing:
        return float(tokens * shape.layers * layer)
    kept = (4 if dtype == "float32" else 2) * shape.hidden
    return float(tokens * (shape.layers * kept + layer))


def _times(count: int | None, width: float) -> float | None:
    return None if count is None else count * width


def _share(size: float | None, spread: int) -> float | None:
    return None if size is None else size / spread


def processes(settings: dict[str, Any]) -> tuple[int, int]:
    """(processes, over how many of them the weights are divided) of an accelerate config."""
    number = int(settings.get("num_processes", 1))
    zero = (settings.get("deepspeed_config") or {}).get("zero_stage")
    divided = settings.get("distributed_type") == "FSDP" or zero == 3
    return number, number if divided else 1
