"""Which teacher, how it is asked, and what it may cost."""

from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from stat_train.options import Options

TUTOR = "tutor"
OPENAI_HOST = "api.openai.com"

Structured = Literal["auto", "json_schema", "json_object", "text"]


Mode = Literal["requests", "batch", "vllm"]


class VllmOptions(Options):
    """How a teacher in this process is loaded (`mode: vllm`): arguments of vllm.LLM."""

    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field("auto", description="of the weights")
    max_model_len: int | None = Field(None, ge=16, description="tokens of prompt and answer together")
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1, description="its share of the GPU")
    tensor_parallel_size: int = Field(1, ge=1, description="GPUs")


class TeacherOptions(Options):
    """One teacher model behind one or several OpenAI-compatible endpoints, or in this process.

    `mode: requests` sends single requests. `batch` sends files of them through the Batch API of one
    endpoint (cheaper where the provider says so, answered within a day). `vllm` loads `model`, a folder or
    a hub id, with vLLM into this process; no endpoint is asked. All three share answers.
    `name` is the teacher's logical name in the cache (default: the model's): two servers of the
    same model share answers, whatever their URLs. `structured: auto` starts with a JSON schema and
    steps down to json_object and to plain text where the endpoint lacks it. Budgets are walls.
    """

    mode: Mode = Field("requests", description="single requests, files of them (Batch API), or in process")
    endpoint: str | tuple[str, ...] = Field(
        TUTOR,
        description="tutor (the embedded one), a base URL ending in /v1, or several that share the load",
    )
    model: str = Field(TUTOR, description="as the endpoint calls it")
    name: str = Field("", description="in the cache; default: the model's")
    api_key_env: str = Field(
        "",
        description="the environment variable with the key; default: OPENAI_API_KEY for api.openai.com, else "
        "no key",
    )
    temperature: float | None = Field(
        0.0, ge=0, description="null: not sent (models that reason accept only their own)"
    )
    top_p: float | None = Field(None, gt=0, le=1, description="none: not sent")
    max_tokens: int = Field(4096, ge=1, description="of an answer; one that is cut off is invalid")
    context: int | None = Field(
        None,
        ge=16,
        description="tokens of prompt and answer that the model takes together: a request over it (by four "
        "bytes a token) is never sent; none: unknown",
    )
    max_in_flight: int = Field(64, ge=1, description="requests at a time; fewer while the server says so")
    requests_per_minute: float | None = Field(None, gt=0, description="none: no limit of our own")
    tokens_per_minute: float | None = Field(None, gt=0, description="none: no limit of our own")
    timeout_s: float = Field(600.0, gt=0, description="seconds for one answer")
    max_attempts: int = Field(
        8, ge=1, description="failures of transport (5xx, reset, time-out) after which a row is owed"
    )
    batch_poll_s: float = Field(20.0, gt=0, description="mode batch: seconds between two looks")
    vllm: VllmOptions = VllmOptions()
    structured: Structured = Field("auto", description="auto: the strictest that the endpoint takes")
    budget_usd: float | None = Field(None, ge=0, description="a wall; needs the model's price")
    budget_tokens: int | None = Field(None, ge=0, description="a wall, of prompts and answers together")
    prices: Path | None = Field(None, description="a price table; none: the packaged data/prices.yaml")
    retry_quarantined: bool = Field(
        False,
        description="ask once more for rows, and verdicts, whose recorded answers were all invalid",
    )

    @field_validator("endpoint")
    @classmethod
    def _urls(cls, endpoint: str | tuple[str, ...]) -> str | tuple[str, ...]:
        urls = (endpoint,) if isinstance(endpoint, str) else endpoint
        if not urls:
            raise ValueError('no endpoint; write "tutor" or a URL such as http://localhost:8000/v1')
        for url in urls:
            if url == TUTOR and len(urls) == 1:
                continue
            split = urlsplit(url)
            _ = split.port  # ValueError where it is no port
            if split.scheme not in ("http", "https") or not split.hostname:
                raise ValueError(f'{url!r} is neither "tutor" nor a URL such as http://localhost:8000/v1')
            if split.username or split.password:
                raise ValueError("a URL may not hold a password; name an environment variable in api_key_env")
        return endpoint

    @model_validator(mode="after")
    def _mode_fits(self) -> Self:
        if self.mode == "batch" and (self.endpoint == TUTOR or len(self.urls) > 1):
            raise ValueError(
                "mode: batch needs one endpoint with a Batch API, such as https://api.openai.com/v1"
            )
        if self.mode == "vllm" and (self.endpoint != TUTOR or self.model == TUTOR):
            raise ValueError("mode: vllm loads `model`, a folder or a hub id, and takes no endpoint")
        return self

    @property
    def is_tutor(self) -> bool:
        """Whether the embedded tutor answers."""
        return self.mode == "requests" and self.endpoint == TUTOR

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.endpoint,) if isinstance(self.endpoint, str) else self.endpoint

    @property
    def logical_name(self) -> str:
        return self.name or self.model

    def key_variable(self, url: str) -> str:
        """The environment variable that holds the key for `url`; "" for none."""
        return self.api_key_env or ("OPENAI_API_KEY" if urlsplit(url).hostname == OPENAI_HOST else "")

    def parameters(self, temperature: float | None = None) -> dict[str, Any]:
        """The sampling parameters that are part of a request's identity; a request's own `temperature`
        counts unless this teacher takes none."""
        given = self.temperature is not None and temperature is not None
        return {
            "temperature": temperature if given else self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        }

    def identity(self) -> dict[str, Any]:
        """What the answers depend on (for a stage's key): neither the URL nor limits, budgets or retries."""
        return {"name": self.logical_name, "model": self.model, **self.parameters()}
