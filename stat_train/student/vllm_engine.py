"""Answering with vLLM in this process: the default engine on a GPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stat_train.gpu import give_back, load_llm
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
        self._room = 0

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
        longest = max((len(unit.prompt) for unit in units), default=0) + sampling.max_tokens
        return answer_batches(items, batches, out, lambda batch: self._generate(batch, sampling, longest))

    def close(self) -> None:
        """See `Student.close`."""
        if self._llm is not None:
            self._llm = None
            give_back()

    def _generate(self, batch: Batch, sampling: Sampling, longest: int) -> list[Response]:
        llm = self._load(longest)
        from vllm import SamplingParams

        parameters = [
            SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=batch.seed + place,
                stop_token_ids=self.prompt.stop_tokens,
                ignore_eos=True,  # which generation_config.json names, other than these
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

    def _load(self, longest: int) -> Any:
        """The model, with room for a prompt and answer of so many tokens, or `max_model_len`: what a model
        could hold (131,072 tokens of Llama 3.2) needs more keys and values than a GPU may have."""
        room = self.options.max_model_len or longest
        if self._llm is None or self._room < room:
            self.close()
            self._llm = load_llm(
                "student.engine vllm",
                str(self.folder),
                dtype=self.dtype,
                max_model_len=room,
                gpu_memory_utilization=self.options.gpu_memory_utilization,
            )
            self._room = room
        return self._llm
