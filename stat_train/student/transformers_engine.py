"""Answering with transformers: the default engine on a CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stat_train.gpu import give_back
from stat_train.precision import answers_in
from stat_train.student.answering import Items, Shots, answer_batches, response, token_units
from stat_train.student.fingerprint import fingerprint
from stat_train.student.journal import Batch, plan_batches
from stat_train.student.loading import load_model, positions
from stat_train.student.options import Sampling
from stat_train.student.prompt import StudentPrompt
from stat_train.student.response import Response
from stat_train.student.template import Exemplar

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

STEPS = 16  # tokens between two looks at which answers have ended: 20 % faster on short answers


class TransformersStudent:
    """A `Student` out of a model folder; weights are loaded when the first answer is needed.

    `dtype` is that of the weights; none: the faster one here (`precision.py`). bf16 was harmless for students
    trained in fp32. `threads` sets torch's CPU threads. `max_model_len` limits prompt and answer, in tokens.
    """

    def __init__(
        self,
        model: Path,
        prompt: StudentPrompt,
        dtype: str | None = None,
        threads: int | None = None,
        max_model_len: int | None = None,
    ) -> None:
        self.folder, self.prompt, self.dtype = model, prompt, answers_in(dtype)
        self.threads, self.max_model_len = threads, max_model_len
        self._model: PreTrainedModel | None = None

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over weights, configuration and tokenizer."""
        return fingerprint(self.folder)

    @property
    def context(self) -> int | None:
        """See `Student.context`: `max_model_len`, else what the model's configuration says."""
        return self.max_model_len or positions(self.folder)

    def prompt_tokens(self, question: str, exemplars: Sequence[Exemplar] = ()) -> int:
        """See `Student.prompt_tokens`."""
        return len(self.prompt.tokens(question, exemplars))

    def answer(
        self, items: Items, sampling: Sampling, out: Path, exemplars: Shots | None = None
    ) -> list[Response]:
        """See `Student.answer`. Each batch is seeded from its own contents and `sampling.seed`."""
        units = token_units(self.prompt, items, sampling, exemplars, self.max_model_len)
        depends_on = {"model": self.fingerprint, "dtype": self.dtype} | sampling.model_dump()
        batches = plan_batches(units, sampling.batch_size, depends_on)
        return answer_batches(items, batches, out, lambda batch: self._generate(batch, sampling))

    def close(self) -> None:
        """See `Student.close`."""
        if self._model is not None:
            self._model = None
            give_back()

    def _generate(self, batch: Batch, sampling: Sampling) -> list[Response]:
        """Answer one batch, `STEPS` tokens at a time; answers that have ended leave the batch in between."""
        import torch

        model, stops = self._load(), self.prompt.stop_tokens
        pad = self.prompt.tokenizer.pad_token_id
        pad = self.prompt.end_of_turn if pad is None else pad
        chosen: dict[str, Any] = {"do_sample": False, "eos_token_id": stops, "pad_token_id": pad}
        if sampling.temperature > 0:
            chosen |= {
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": 0,
            }
        ids, mask = (tensor.to(model.device) for tensor in _left_padded(batch, pad))
        cache = None
        generated: list[list[int]] = [[] for _ in batch.units]
        running = list(range(len(batch.units)))
        torch.manual_seed(batch.seed)
        with torch.inference_mode():
            for start in range(0, sampling.max_tokens, STEPS):
                output = model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    past_key_values=cache,
                    max_new_tokens=min(STEPS, sampling.max_tokens - start),
                    return_dict_in_generate=True,
                    **chosen,
                )
                new = output.sequences[:, ids.shape[1] :]
                for place, tokens in zip(running, new.tolist(), strict=True):
                    generated[place] += tokens
                unfinished = (
                    (~torch.isin(new, torch.tensor(stops, device=new.device)).any(1)).nonzero().flatten()
                )
                if not len(unfinished):
                    break
                cache = output.past_key_values
                kept = _kept(cache, unfinished, len(ids))
                running = [running[place] for place in kept.tolist()]
                ids = output.sequences[kept]
                mask = torch.cat([mask[kept], mask.new_ones(len(kept), new.shape[1])], dim=1)
        return [response(self.prompt, unit, row) for unit, row in zip(batch.units, generated, strict=True)]

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


def _kept(cache: Any, unfinished: "torch.Tensor", rows: int) -> "torch.Tensor":
    """The rows that go on, to which the cache is cut. A cache with layers that cannot be cut (those of
    convolutions, LFM2) keeps all: what stands behind an answer's end is no part of it."""
    import torch

    if not all(hasattr(layer, "batch_select_indices") for layer in cache.layers):
        return torch.arange(rows, device=unfinished.device)
    cache.batch_select_indices(unfinished)
    return unfinished


def _left_padded(batch: Batch, pad: int) -> "tuple[torch.Tensor, torch.Tensor]":
    """The prompts' ids and their attention mask, both (units, longest prompt)."""
    import torch

    width = max(len(unit.prompt) for unit in batch.units)
    missing = [width - len(unit.prompt) for unit in batch.units]
    ids = [[pad] * gap + list(unit.prompt) for gap, unit in zip(missing, batch.units, strict=True)]
    mask = [[0] * gap + [1] * (width - gap) for gap in missing]
    return torch.tensor(ids), torch.tensor(mask)
