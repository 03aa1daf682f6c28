"""Answering with vLLM in this process: the default engine on a GPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stat_train.errors import UserError
from stat_train.precision import answers_in
from stat_train.student.answering import Items, Shots, answer_batches, response, token_units
from stat_train.student.fingerprint import fingerprint
from stat_train.student.journal import Batch, plan_batches
from stat_train.student.loading import positions
from stat_train.student.options import Sampling, StudentOptions
from stat_train.student.prompt import StudentPrompt
from stat_train.student.response import Response
from stat_train.student.template import Exemplar

COMMIT_EVERY = 2048  # answers; vLLM schedules its own batches inside


class VllmStudent:
    """A `Student` out of a model folder, given the same token ids as the transformers engine."""

    def __init__(self, model: Path, prompt: StudentPrompt, options: StudentOptions) -> None:
        self.folder, self.prompt, self.options = model, prompt, options
        self.dtype = answers_in(options.dtype)
        self._llm: Any = None

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over weights, configuration and tokenizer."""
        return fingerprint(self.folder)

    @property
    def context(self) -> int | None:
        """See `Student.context`: `max_model_len`, else what the model's configuration says."""
        return self.options.max_model_len or positions(self.folder)

    def prompt_tokens(self, question: str, exemplars: Sequence[Exemplar] = ()) -> int:
        """See `Student.prompt_tokens`."""
        return len(self.prompt.tokens(question, exemplars))

    def answer(
        self, items: Items, sampling: Sampling, out: Path, exemplars: Shots | None = None
    ) -> list[Response]:
        """See `Student.answer`. Each answer has its own seed, from its batch and its place in it."""
        units = token_units(self.prompt, items, sampling, exemplars, self.options.max_model_len)
        depends_on = {"engine": "vllm", "model": self.fingerprint, "dtype": self.dtype}
        depends_on |= sampling.model_dump(exclude={"batch_size"})
        batches = plan_batches(units, COMMIT_EVERY, depends_on)
        return answer_batches(items, batches, out, lambda batch: self._generate(batch, sampling))

    def _generate(self, batch: Batch, sampling: Sampling) -> list[Response]:
        from vllm import SamplingParams

        llm = self._load()
        parameters = [
            SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=batch.seed + place,
                stop_token_ids=self.prompt.stop_tokens,
                detokenize=False,
            )
            for place in range(len(batch.units))
        ]
        prompts = [{"prompt_token_ids": list(unit.prompt)} for unit in batch.units]
        outputs = llm.generate(prompts, parameters, use_tqdm=False)
        return [
            response(self.prompt, unit, list(output.outputs[0].token_ids))
            for unit, output in zip(batch.units, outputs, strict=True)
        ]

    def _load(self) -> Any:
        if self._llm is None:
            try:
                from vllm import LLM
            except ImportError as error:
                raise UserError(
                    "student.engine vllm: vllm is not installed; pip install 'stat-train[vllm]'"
                ) from error
            self._llm = LLM(
                model=str(self.folder),
                dtype=self.dtype,
                max_model_len=self.options.max_model_len,
                gpu_memory_utilization=self.options.gpu_memory_utilization,
                generation_config="vllm",  # the model's own sampling defaults stay out
                trust_remote_code=False,
            )
        return self._llm
