"""What a recipe says about supervised fine-tuning."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from stat_train.options import Options
from stat_train.precision import training_in_keys, trains_in_bf16

LATER = frozenset({"packing", "attention", "use_kernels"})
"""Options younger than the first release: they count for what a training is where they are used."""
ELSEWHERE = frozenset({"accelerate", "save_steps"})
"""What does not change a training, but where it runs."""


class LoraOptions(Options):
    """Low-rank adapters (STAT, appendix: r 16, alpha 32, dropout .05, attention and MLP)."""

    r: int = Field(16, ge=1, description="rank")
    alpha: int = Field(32, ge=1, description="scale: alpha / r")
    dropout: float = Field(0.05, ge=0, lt=1, description="of the adapters' input")
    targets: str | tuple[str, ...] = Field("all-linear", description="or the names of the modules")


class SFTOptions(Options):
    """Supervised fine-tuning; the defaults suit a small model on a CPU.

    The effective batch is `batch_size * gradient_accumulation` examples, on however many processes; with
    `packing` it is as many packs. `bf16` is autocast around each step, where it is not said as the machine is
    faster (`precision.py`); `dtype` is what the weights are held in while training (float32: bf16 weights
    hardly learn at small learning rates), `save_dtype` what they are written in, and answer in.
    """

    method: Literal["full", "lora", "qlora"] = Field(
        "full", description="all weights, adapters, or adapters on 4-bit weights (a GPU)"
    )
    learning_rate: float | tuple[float, ...] = Field(
        2e-5, description="several: one training each, and the best on the development split is kept"
    )
    epochs: int = Field(1, ge=1, description="times that every pair is trained on")
    max_steps: int | None = Field(None, ge=1, description="stops earlier than `epochs` would")
    batch_size: int = Field(8, ge=1, description="examples at once, on all processes together")
    gradient_accumulation: int = Field(1, ge=1, description="such batches in one optimizer step")
    warmup_ratio: float = Field(0.03, ge=0, lt=1, description="share of the steps in which the rate rises")
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        "cosine", description="of the rate afterwards"
    )
    optimizer: Literal["adamw_torch_fused", "adamw_torch", "paged_adamw_8bit"] = Field(
        "adamw_torch_fused", description="as transformers names them"
    )
    weight_decay: float = Field(0.1, ge=0, description="AdamW's")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to it")
    lora: LoraOptions = LoraOptions()
    keep_adapter: bool = Field(
        False, description="write the adapter (bf16) into the folder `adapter` beside the weights"
    )
    bf16: bool | None = Field(None, description="autocast; none: as this machine is faster")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="of the weights while training (bfloat16 ones hardly learn at small rates)",
    )
    save_dtype: Literal["float32", "bfloat16"] = Field(
        "bfloat16", description="of the weights as they are written, and answer"
    )
    max_length: int = Field(1024, ge=8, description="tokens; longer examples are an error, never cut")
    group_by_length: bool = Field(False, description="examples of like length together: less padding")
    packing: bool = Field(
        False, description="several whole examples in a row of up to max_length tokens, no padding"
    )
    attention: str | None = Field(
        None, description="transformers' name of the attention; flash_attention_2 suits packing on a GPU"
    )
    use_kernels: bool = Field(
        False, description="fused layers from the hub's kernels (pip install kernels; a GPU)"
    )
    gradient_checkpointing: bool = Field(False, description="less memory, more time")
    accelerate: Path | None = Field(
        None, description="an accelerate config: the training runs in the processes it describes"
    )
    save_steps: int = Field(200, ge=1, description="optimizer steps between checkpoints")
    threads: int | None = Field(None, ge=1, description="CPU threads; none: torch's own choice")
    seed: int = Field(0, description="of the order and the dropout; default: the recipe's")

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates to try, lowest first."""
        rates = self.learning_rate
        return tuple(sorted(rates)) if isinstance(rates, tuple) else (rates,)

    @property
    def autocast(self) -> bool:
        """Whether this machine trains under bf16 autocast."""
        return trains_in_bf16(self.bf16)

    @property
    def effective_batch(self) -> int:
        """Examples (packs) in one optimizer step."""
        return self.batch_size * self.gradient_accumulation

    def identity(self) -> dict[str, Any]:
        """What a training with these options is; later options only where they are used."""
        fields = type(self).model_fields
        unused = {name for name in LATER if getattr(self, name) == fields[name].default}
        said = self.model_dump(mode="json", exclude=unused | ELSEWHERE)
        return said | {"bf16": training_in_keys(self.bf16)}

    @field_validator("learning_rate")
    @classmethod
    def _usable_rates(cls, given: float | tuple[float, ...]) -> float | tuple[float, ...]:
        rates = given if isinstance(given, tuple) else (given,)
        if not rates or any(rate <= 0 for rate in rates) or len(set(rates)) < len(rates):
            raise ValueError("give a rate above 0, or a list of different ones")
        return rates[0] if len(rates) == 1 else given

    @model_validator(mode="after")
    def _agree(self) -> "SFTOptions":
        if self.keep_adapter and self.method == "full":
            raise ValueError("keep_adapter needs method: lora or qlora")
        if self.packing and self.group_by_length:
            raise ValueError("packing leaves no padding for group_by_length to save; leave one of them out")
        return self
