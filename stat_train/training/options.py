"""What a recipe says about supervised fine-tuning."""

from typing import Literal

from pydantic import Field, model_validator

from stat_train.options import Options


class LoraOptions(Options):
    """Low-rank adapters (STAT, appendix: r 16, alpha 32, dropout .05, attention and MLP)."""

    r: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: str | tuple[str, ...] = "all-linear"  # or the names of the modules


class SFTOptions(Options):
    """Supervised fine-tuning; the defaults suit a small model on a CPU.

    The effective batch is `batch_size * gradient_accumulation` examples. `bf16` is autocast around
    each step; `dtype` is what the weights are held in while training (float32: bf16 weights hardly
    learn at small learning rates), `save_dtype` what they are written in, and answer in.
    """

    method: Literal["full", "lora", "qlora"] = "full"
    learning_rate: float = Field(2e-5, gt=0)
    epochs: int = Field(1, ge=1)
    max_steps: int | None = Field(None, ge=1)  # stops earlier than `epochs` would
    batch_size: int = Field(8, ge=1)
    gradient_accumulation: int = Field(1, ge=1)
    warmup_ratio: float = Field(0.03, ge=0, lt=1)
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    optimizer: Literal["adamw_torch_fused", "adamw_torch", "paged_adamw_8bit"] = "adamw_torch_fused"
    weight_decay: float = Field(0.1, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    lora: LoraOptions = LoraOptions()
    keep_adapter: bool = False  # writes the adapter (bf16) into the folder `adapter` beside the weights
    bf16: bool = True
    dtype: Literal["float32", "bfloat16"] = "float32"
    save_dtype: Literal["float32", "bfloat16"] = "bfloat16"
    max_length: int = Field(1024, ge=8)  # tokens; longer examples are an error, never cut
    group_by_length: bool = False
    gradient_checkpointing: bool = False
    save_steps: int = Field(200, ge=1)  # optimizer steps between checkpoints
    threads: int | None = Field(None, ge=1)  # CPU threads; None: torch's own choice
    seed: int = 0

    @model_validator(mode="after")
    def _adapter_needs_lora(self) -> "SFTOptions":
        if self.keep_adapter and self.method == "full":
            raise ValueError("keep_adapter needs method: lora or qlora")
        return self
