"""What a recipe says about GRPO."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from stat_train.options import Options
from stat_train.precision import training_in_keys, trains_in_bf16
from stat_train.training.options import LoraOptions

ELSEWHERE = frozenset({"save_every", "threads", "vllm_memory", "vllm_url"})
"""What does not change a training, but where and how it runs."""

Engine = Literal["transformers", "vllm_colocate", "vllm_server"]


class PolicyLoraOptions(LoraOptions):
    """Adapters without dropout: the student learns from answers that it gave without any."""

    dropout: float = Field(0.0, ge=0, le=0, description="0, and nothing else")


class GRPOOptions(Options):
    """Group Relative Policy Optimization (DeepSeekMath, arXiv 2402.03300) with verified answers as reward.

    A batch asks `questions` questions, `rollouts` answers each, and makes `updates` optimizer steps of
    them; `micro_batch` answers go through the model at once. The loss and its options are passed on as
    they stand here, and no default of the trainer for them is inherited. The defaults suit a small model on
    a CPU.
    """

    method: Literal["full", "lora"] = Field("full", description="all weights, or adapters")
    learning_rate: float = Field(5e-7, gt=0, description="one; there is no search over several")
    epochs: int = Field(1, ge=1, description="times that every question is asked")
    max_batches: int | None = Field(None, ge=1, description="stops earlier than `epochs` would")
    questions: int = Field(8, ge=1, description="in a batch")
    rollouts: int = Field(4, ge=2, description="answers to each question of a batch")
    updates: int = Field(1, ge=1, description="optimizer steps of a batch")
    micro_batch: int | None = Field(None, ge=1, description="answers at once; none: all of an update")
    prompts: Literal["even", "profile"] = Field(
        "even", description="profile: skills as often as the Missing-Skill-Profile found them missing"
    )
    loss_type: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = Field(
        "dapo", description="as TRL names them; dapo: the mean over all tokens of an update"
    )
    beta: float = Field(0.0, ge=0, description="weight of the KL divergence from the starting weights")
    epsilon: float = Field(0.2, gt=0, description="clips the ratio of new to old probability")
    scale_rewards: Literal["group", "batch", "none"] = Field(
        "group", description="by whose standard deviation a reward's advantage is divided"
    )
    format_reward: float = Field(
        0.0, ge=0, le=1, description="on top, for an answer that ends and marks its result exactly once"
    )
    temperature: float = Field(1.0, gt=0, description="of the answers")
    max_tokens: int = Field(512, ge=1, description="of an answer")
    max_prompt: int = Field(512, ge=1, description="tokens; longer prompts are an error, never cut")
    scheduler: Literal["constant", "constant_with_warmup", "linear", "cosine"] = Field(
        "constant", description="of the rate"
    )
    warmup_ratio: float = Field(0.0, ge=0, lt=1, description="share of the updates in which the rate rises")
    optimizer: Literal["adamw_torch_fused", "adamw_torch", "paged_adamw_8bit"] = Field(
        "adamw_torch_fused", description="as transformers names them"
    )
    weight_decay: float = Field(0.0, ge=0, description="AdamW's")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to it")
    lora: PolicyLoraOptions = PolicyLoraOptions()
    bf16: bool | None = Field(None, description="autocast; none: as this machine is faster")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="of the weights while training; bfloat16: frozen ones of lora, with engine transformers",
    )
    save_dtype: Literal["float32", "bfloat16"] = Field(
        "bfloat16", description="of the weights as they are written, and answer"
    )
    gradient_checkpointing: bool = Field(False, description="less memory, more time")
    engine: Engine = Field("transformers", description="what answers; the vllm ones need a GPU")
    vllm_memory: float = Field(0.3, gt=0, lt=1, description="vllm_colocate: its share of the GPU")
    vllm_url: str | None = Field(None, description="vllm_server: where `trl vllm-serve` listens")
    save_every: int = Field(10, ge=1, description="batches between checkpoints")
    threads: int | None = Field(None, ge=1, description="CPU threads; none: torch's own choice")
    seed: int = Field(0, description="of questions, answers and order; default: the recipe's")

    @property
    def answers(self) -> int:
        """Answers in one batch."""
        return self.questions * self.rollouts

    @property
    def autocast(self) -> bool:
        """Whether this machine trains under bf16 autocast."""
        return trains_in_bf16(self.bf16)

    @property
    def at_once(self) -> int:
        """Answers that go through the model at once."""
        return self.micro_batch or self.answers // self.updates

    @property
    def accumulation(self) -> int:
        """Micro-batches in one update."""
        return self.answers // self.updates // self.at_once

    def batches(self, questions: int) -> int:
        """How many batches there are with so many questions to ask; an epoch's incomplete last one is not."""
        whole = self.epochs * (questions // self.questions)
        return whole if self.max_batches is None else min(whole, self.max_batches)

    def identity(self) -> dict[str, Any]:
        """What a training with these options is."""
        said = self.model_dump(mode="json", include=set(GRPOOptions.model_fields) - ELSEWHERE)
        return said | {"bf16": training_in_keys(self.bf16)}

    @field_validator("vllm_url")
    @classmethod
    def _without_version(cls, url: str | None) -> str | None:
        """TRL asks for its own paths, beside /v1, and waits for ever where they are not."""
        return url and url.rstrip("/").removesuffix("/v1").rstrip("/")

    @model_validator(mode="after")
    def _agree(self) -> "GRPOOptions":
        if self.answers % self.updates or (self.answers // self.updates) % self.at_once:
            raise ValueError(
                f"{self.questions} questions x {self.rollouts} rollouts make no {self.updates} equal updates "
                f"of micro-batches of {self.at_once}; choose numbers that divide"
            )
        if self.method == "full" and self.dtype == "bfloat16":
            raise ValueError(
                "full training in bfloat16 does not move at GRPO's learning rates; set dtype float32 or "
                "method lora"
            )
        if self.method == "lora" and self.dtype == "bfloat16" and self.engine != "transformers":
            raise ValueError(
                "a vllm engine is given merged weights, and to unmerge them batch by batch spoils "
                "bfloat16 ones; set dtype float32, or engine transformers"
            )
        if (self.engine == "vllm_server") != (self.vllm_url is not None):
            raise ValueError("engine vllm_server and vllm_url belong together: give both or neither")
        return self
