"""What all engines share: the interface, and questions turned into units of work."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from stat_train.errors import UserError
from stat_train.progress import progress
from stat_train.student.journal import Batch, Journal, Unit
from stat_train.student.options import Sampling
from stat_train.student.prompt import StudentPrompt
from stat_train.student.response import Response
from stat_train.student.template import Exemplar

Items = Sequence[tuple[str, str]]  # id, question
Shots = Mapping[str, Sequence[Exemplar]]  # few-shot examples by question id


class Student(Protocol):
    """Whatever answers questions."""

    @property
    def fingerprint(self) -> str:
        """What it is, in 64 hex characters: its weights' content, or a server's model name."""

    @property
    def context(self) -> int | None:
        """Tokens that prompt and answer may have together; None where nobody says."""

    def prompt_tokens(self, question: str, exemplars: Sequence[Exemplar] = ()) -> int:
        """Tokens of a prompt (a server's: a guess of four bytes a token)."""

    def answer(
        self, items: Items, sampling: Sampling, out: Path, exemplars: Shots | None = None
    ) -> list[Response]:
        """Answer `items`, `sampling.n` times each, in input order; `out` (JSONL) holds the same rows.

        Answers are committed to `out` batch by batch; called again, only missing batches are computed
        and the result is that of an uninterrupted run. Raises `UserError` where an id occurs twice.
        """

    def close(self) -> None:
        """Give the memory of the weights back; the next answer loads them again."""


def token_units(
    prompt: StudentPrompt, items: Items, sampling: Sampling, exemplars: Shots | None, max_len: int | None
) -> list[Unit]:
    """One unit per question and sample; `UserError` where prompt and answer may exceed `max_len` tokens."""
    check_ids(items)
    shots = exemplars or {}
    prompts = {i: tuple(prompt.tokens(question, shots.get(i, ()))) for i, question in items}
    long = [i for i, tokens in prompts.items() if max_len and len(tokens) + sampling.max_tokens > max_len]
    if long:
        raise UserError(
            f"question {long[0]!r} and {len(long) - 1} more: prompt and max_tokens {sampling.max_tokens} "
            f"exceed {max_len} tokens; lower max_tokens or raise student.max_model_len"
        )
    return [Unit(i, sample, tokens) for i, tokens in prompts.items() for sample in range(sampling.n)]


def check_ids(items: Items) -> None:
    """`UserError` where an id occurs twice."""
    seen: set[str] = set()
    for question_id, _ in items:
        if question_id in seen:
            raise UserError(f"questions: id {question_id!r} occurs twice; give each question its own id")
        seen.add(question_id)


def answer_batches(
    items: Items, batches: Sequence[Batch], out: Path, generate: Callable[[Batch], list[Response]]
) -> list[Response]:
    """Generate and commit the batches that `out` lacks, one after another; all responses in input order."""
    journal = Journal(out, batches)
    with progress("answering", total=sum(len(batch.units) for batch in batches)) as bar:
        for batch in batches:
            if batch.key not in journal.done:
                journal.commit(batch, generate(batch))
            bar.advance(len(batch.units))
    return journal.finish([question_id for question_id, _ in items])


def response(prompt: StudentPrompt, unit: Unit, generated: Sequence[int]) -> Response:
    """The response that generated token ids make; the end of turn counts as one of its tokens."""
    text, end = prompt.decode(generated)
    if end is None:
        return Response(unit.question_id, unit.sample, text, "length", len(generated))
    return Response(unit.question_id, unit.sample, text, "stop", end + 1)
