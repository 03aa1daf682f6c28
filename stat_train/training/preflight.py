"""What would spoil a training, found before it starts."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from stat_train.data.normalise import normalise_question
from stat_train.errors import UserError
from stat_train.student.prompt import MASKED, StudentPrompt


class Asked(Protocol):
    """A question to train on."""

    @property
    def id(self) -> str: ...
    @property
    def question(self) -> str: ...


class Row(Asked, Protocol):
    """A question-solution pair to train on."""

    @property
    def solution(self) -> str: ...


Tokenized = tuple[list[int], list[int]]  # input_ids, labels; equally long


def preflight(
    rows: Sequence[Row],
    prompt: StudentPrompt,
    max_length: int,
    forbidden_questions: Iterable[str] = (),
) -> list[Tokenized]:
    """The rows as `(input_ids, labels)`, each proved fit to train on.

    Raises `UserError` for no rows, an empty solution (nothing would be learned), a label sequence that
    does not end with the end of turn, a prompt that differs from the one evaluated, an example longer
    than `max_length`, and an evaluation question (equal after normalisation) among the rows.
    """
    if not rows:
        raise UserError("training set: no rows; nothing was selected, look at the selection's counts")
    refuse_forbidden(rows, forbidden_questions)
    tokenized = [prompt.training(row.question, row.solution) for row in rows]
    check_tokenized(rows, tokenized, prompt)
    long = [row.id for row, (ids, _) in zip(rows, tokenized, strict=True) if len(ids) > max_length]
    if long:
        longest = max(len(ids) for ids, _ in tokenized)
        raise UserError(
            f"training set: {len(long)} of {len(rows)} rows exceed max_length {max_length} tokens "
            f"({_some(long)}); set sft.max_length to {longest} or leave these rows out"
        )
    return tokenized


def check_tokenized(rows: Sequence[Row], tokenized: Sequence[Tokenized], prompt: StudentPrompt) -> None:
    """Raise `UserError` unless each row is the evaluated prompt, masked, and then learned text that ends."""
    for row, (ids, labels) in zip(rows, tokenized, strict=True):
        evaluated = prompt.tokens(row.question)
        learned = labels[len(evaluated) :]
        if ids[: len(evaluated)] != evaluated or any(label != MASKED for label in labels[: len(evaluated)]):
            raise UserError(
                f"training set: row {row.id!r}: the prompt trained on differs from the one evaluated; "
                "render both with the same template and tokenizer"
            )
        if not row.solution.strip() or len(learned) < 2:
            raise UserError(f"training set: row {row.id!r}: field solution is empty; give it or leave it out")
        if all(label == MASKED for label in learned):
            raise UserError(
                f"training set: row {row.id!r}: nothing of it would be learned, its loss mask is empty"
            )
        if learned[-1] != prompt.end_of_turn:
            raise UserError(f"training set: row {row.id!r}: its end of turn would not be learned")
        if learned != ids[len(evaluated) :]:
            raise UserError(f"training set: row {row.id!r}: part of its solution would not be learned")


def refuse_forbidden(rows: Sequence[Asked], questions: Iterable[str]) -> None:
    """Raise `UserError` where one of `questions` (equal after normalisation) is among the rows."""
    forbidden = {normalise_question(question) for question in questions}
    found = [row.id for row in rows if normalise_question(row.question) in forbidden]
    if found:
        raise UserError(
            f"training set: {len(found)} evaluation questions among its rows ({_some(found)}); "
            "remove them from the training pool"
        )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
