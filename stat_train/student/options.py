"""What a recipe says about the student and how it answers."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from stat_train.options import Options


class StudentOptions(Options):
    """Which student, and with what it runs. `adapter` is a LoRA folder, merged on top of `model`."""

    model: str = "embedded"  # "embedded", a folder, or a hub id
    adapter: Path | None = None
    template: Path | None = None  # None: prompts/student.jinja
    plain: bool = False  # no chat template: for base models
    engine: Literal["auto", "transformers", "vllm", "server"] = "auto"
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"  # of the weights while answering
    threads: int | None = Field(default=None, ge=1)  # CPU threads; None: torch's own choice
    max_model_len: int | None = Field(default=None, ge=16)  # tokens of prompt and answer; None: the model's
    gpu_memory_utilization: float = Field(default=0.85, gt=0, le=1)  # vllm only
    base_url: str | None = None  # server only
    api_key_env: str = "OPENAI_API_KEY"  # server only: the name of the variable, never the key
    concurrency: int = Field(default=32, ge=1)  # server only: requests in flight


class Sampling(Options):
    """How the student answers: greedy at temperature 0; `n` answers a question; `max_tokens` each.

    `batch_size` prompts go through transformers at once (vLLM and servers batch by themselves).
    """

    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    n: int = Field(default=1, ge=1)
    max_tokens: int = Field(default=512, ge=1)
    batch_size: int = Field(default=32, ge=1)
    seed: int = 0
