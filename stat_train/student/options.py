"""What a recipe says about the student and how it answers."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from stat_train.options import Options


class StudentOptions(Options):
    """Which student, and with what it runs."""

    model: str = Field(
        "embedded", description="`embedded`, a model folder, or a hub id; a server's model name"
    )
    adapter: Path | None = Field(None, description="a LoRA folder, merged on top of the model")
    adapter_sha256: str | None = Field(
        None, description="fingerprint of the adapter's folder; any other adapter is refused"
    )
    parameters: float | None = Field(
        None, gt=0, description="for the memory estimate, while config.json is not here to tell"
    )
    template: Path | None = Field(None, description="none: prompts/student.jinja")
    plain: bool = Field(False, description="no chat template: for base models")
    engine: Literal["auto", "transformers", "vllm", "server"] = Field(
        "auto",
        description="what answers; auto: a server where base_url is given, vLLM where it is installed beside "
        "a GPU, else transformers",
    )
    dtype: Literal["bfloat16", "float16", "float32"] | None = Field(
        None, description="of the weights while answering; none: bfloat16, or float32 on a CPU without it"
    )
    threads: int | None = Field(None, ge=1, description="CPU threads; none: torch's own choice")
    max_model_len: int | None = Field(None, ge=16, description="tokens of prompt and answer together")
    gpu_memory_utilization: float = Field(0.85, gt=0, le=1, description="vllm only")
    base_url: str | None = Field(None, description="server only: its URL, with /v1")
    api_key_env: str = Field("OPENAI_API_KEY", description="server only: the variable that holds the key")
    concurrency: int = Field(32, ge=1, description="server only: requests in flight")

    @model_validator(mode="after")
    def _server_has_url(self) -> "StudentOptions":
        if self.engine == "server" and not self.base_url:
            raise ValueError("student.engine server needs student.base_url")
        if self.base_url and self.engine not in ("auto", "server"):
            raise ValueError(f"student.base_url is for engine server, not {self.engine}")
        if self.base_url and (self.adapter or self.plain):
            raise ValueError("a student server takes neither adapter nor plain; set them up where it runs")
        return self


class Sampling(Options):
    """How the student answers."""

    temperature: float = Field(0.0, ge=0, description="0: greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus of the distribution that is sampled from")
    n: int = Field(1, ge=1, description="answers a question")
    max_tokens: int = Field(512, ge=1, description="of an answer")
    batch_size: int = Field(
        32, ge=1, description="prompts at once in transformers (vLLM and servers batch themselves)"
    )
    seed: int = Field(0, description="of the samples; default: the recipe's")
