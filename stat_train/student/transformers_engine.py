"""Answering with transformers: the default engine on a CPU."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stat_train.student.answering import Items, Shots, answer_batches, response, token_units
from stat_train.student.fingerprint import fingerprint
from stat_train.student.journal import Batch, plan_batches
from stat_train.student.loading import load_model
from stat_train.student.options import Sampling
from stat_train.student.prompt import StudentPrompt
from stat_train.student.response import Response

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TransformersStudent:
    """A `Student` out of a model folder; weights are loaded when the first answer is needed.

    `dtype` is that of the weights: bf16 is twice as fast as fp32 on a CPU, and was harmless for students
    trained in fp32. `threads` sets torch's CPU threads. `max_model_len` limits prompt and answer, in tokens.
    """

    def __init__(
        self,
        model: Path,
        prompt: StudentPrompt,
        dtype: str = "bfloat16",
        threads: int | None = None,
        max_model_len: int | None = None,
    ) -> None:
        self.folder, self.prompt, self.dtype = model, prompt, dtype
        self.threads, self.max_model_len = threads, max_model_len
        self._model: PreTrainedModel | None = None

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over weights, configuration and tokenizer."""
        return fingerprint(self.folder)

    def answer(
        self, items: Items, sampling: Sampling, out: Path, exemplars: Shots | None = None
    ) -> list[Response]:
        """See `Student.answer`. Each batch is seeded from its own contents and `sampling.seed`."""
        units = token_units(self.prompt, items, sampling, exemplars, self.max_model_len)
        depends_on = {"model": self.fingerprint, "dtype": self.dtype} | sampling.model_dump()
        batches = plan_batches(units, sampling.batch_size, depends_on)
        return answer_batches(items, batches, out, lambda batch: self._generate(batch, sampling))

    def _generate(self, batch: Batch, sampling: Sampling) -> list[Response]:
        import torch

        model = self._load()
        pad = self.prompt.tokenizer.pad_token_id
        pad = self.prompt.end_of_turn if pad is None else pad
        width = max(len(unit.prompt) for unit in batch.units)
        padded = [[pad] * (width - len(unit.prompt)) + list(unit.prompt) for unit in batch.units]
        mask = [[0] * (width - len(unit.prompt)) + [1] * len(unit.prompt) for unit in batch.units]
        chosen: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            chosen = {
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": 0,
            }
        torch.manual_seed(batch.seed)
        with torch.inference_mode():
            output = model.generate(
                input_ids=torch.tensor(padded, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                max_new_tokens=sampling.max_tokens,
                eos_token_id=self.prompt.stop_tokens,
                pad_token_id=pad,
                **chosen,
            )
        rows = output[:, width:].tolist()
        return [response(self.prompt, unit, row) for unit, row in zip(batch.units, rows, strict=True)]

    def _load(self) -> "PreTrainedModel":
        if self._model is None:
            import torch
            from transformers import GenerationConfig

            if self.threads is not None:
                torch.set_num_threads(self.threads)
            device = "cuda" if torch.cuda.is_available() else "cpu"
            self._model = load_model(self.folder, self.dtype).eval().to(device)
            # only what `answer` is told: a model's own defaults (top-k, repetition penalty) stay out
            self._model.generation_config = GenerationConfig()
        return self._model
