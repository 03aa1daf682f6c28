"""Answering with transformers: the default engine on a CPU."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stat_train.errors import UserError
from stat_train.progress import progress
from stat_train.student.fingerprint import fingerprint
from stat_train.student.journal import Batch, Journal, Unit, plan_batches
from stat_train.student.loading import load_model
from stat_train.student.options import Sampling
from stat_train.student.prompt import Exemplar, StudentPrompt
from stat_train.student.response import Response

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TransformersStudent:
    """A model folder that answers questions; weights are loaded when the first answer is needed.

    `dtype` is that of the weights: bf16 is twice as fast as fp32 on a CPU, and was harmless for students
    trained in fp32. `threads` sets torch's CPU threads.
    """

    def __init__(
        self,
        model: Path,
        prompt: StudentPrompt,
        dtype: str = "bfloat16",
        threads: int | None = None,
        max_model_len: int | None = None,
    ) -> None:
        self.folder, self.prompt, self.dtype, self.threads = model, prompt, dtype, threads
        self.max_model_len = max_model_len
        self._model: PreTrainedModel | None = None

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over weights, configuration and tokenizer."""
        return fingerprint(self.folder)

    def answer(
        self,
        items: Sequence[tuple[str, str]],
        sampling: Sampling,
        out: Path,
        exemplars: Mapping[str, Sequence[Exemplar]] | None = None,
    ) -> list[Response]:
        """Answer `items` (id, question), `sampling.n` times each, in input order; `out` holds the same rows.

        Batches are committed to `out` (JSONL) one by one; called again, only the missing ones are computed,
        and the result is that of an uninterrupted run. `exemplars` gives few-shot examples by question id.
        """
        units = make_units(self.prompt, items, sampling, exemplars)
        check_lengths(units, sampling, self.max_model_len)
        depends_on = {"model": self.fingerprint, "dtype": self.dtype} | sampling.model_dump()
        batches = plan_batches(units, sampling.batch_size, depends_on)
        journal = Journal(out, batches)
        with progress("answering", total=len(units)) as bar:
            for batch in batches:
                if batch.key not in journal.done:
                    journal.commit(batch, self._generate(batch, sampling))
                bar.advance(len(batch.units))
        return journal.finish([question_id for question_id, _ in items])

    def _generate(self, batch: Batch, sampling: Sampling) -> list[Response]:
        import torch

        model, pad, stops = self._load(), self._pad_token(), self.prompt.stop_tokens
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
                eos_token_id=stops,
                pad_token_id=pad,
                **chosen,
            )
        return [
            self._response(unit, row)
            for unit, row in zip(batch.units, output[:, width:].tolist(), strict=True)
        ]

    def _response(self, unit: Unit, generated: list[int]) -> Response:
        stops = self.prompt.stop_tokens
        end = next((i for i, token in enumerate(generated) if token in stops), None)
        text: str = self.prompt.tokenizer.decode(generated[:end], skip_special_tokens=True)
        if end is None:
            return Response(unit.question_id, unit.sample, text, "length", len(generated))
        return Response(unit.question_id, unit.sample, text, "stop", end + 1)

    def _pad_token(self) -> int:
        pad = self.prompt.tokenizer.pad_token_id
        return self.prompt.end_of_turn if pad is None else int(pad)

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


def make_units(
    prompt: StudentPrompt,
    items: Sequence[tuple[str, str]],
    sampling: Sampling,
    exemplars: Mapping[str, Sequence[Exemplar]] | None,
) -> list[Unit]:
    """One unit per question and sample, in input order; `UserError` where an id occurs twice."""
    if len({question_id for question_id, _ in items}) != len(items):
        raise UserError("questions to answer: an id occurs twice; give each question its own id")
    shots = exemplars or {}
    units = []
    for question_id, question in items:
        tokens = tuple(prompt.tokens(question, shots.get(question_id, ())))
        units += [Unit(question_id, sample, tokens) for sample in range(sampling.n)]
    return units


def check_lengths(units: Sequence[Unit], sampling: Sampling, limit: int | None) -> None:
    """`UserError` where a prompt and its answer may not fit into `limit` tokens."""
    if limit is None:
        return
    long = [unit.question_id for unit in units if len(unit.prompt) + sampling.max_tokens > limit]
    if long:
        raise UserError(
            f"question {long[0]!r} and {len(long) - 1} more: prompt and max_tokens {sampling.max_tokens} "
            f"exceed max_model_len {limit}; lower max_tokens or raise student.max_model_len"
        )
