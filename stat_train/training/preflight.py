"""What would spoil a training, found before it starts."""

from collections.abc import Iterable, Sequence
from textwrap import shorten
from typing import Protocol

from stat_train.data.normalise import normalise_question
from stat_train.errors import UserError
from stat_train.student.prompt import MASKED, StudentPrompt

FIRST_WORDS = 60
"""Characters of a question that a message shows."""


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
    *,
    context: int | None = None,
) -> list[Tokenized]:
    """The rows as `(input_ids, labels)`, each proved fit to train on.

    Raises `UserError` for no rows, an empty solution (nothing would be learned), a label sequence that
    does not end with the end of turn, a prompt that differs from the one evaluated, an example longer
    than `max_length`, and an evaluation question (equal after normalisation) among the rows. `context`: the
    tokens that the student takes, if known; no larger `max_length` is advised.
    """
    if not rows:
        raise UserError("training set: no rows; nothing was selected, look at the selection's counts")
    refuse_forbidden(rows, forbidden_questions)
    tokenized = [prompt.training(row.question, row.solution) for row in rows]
    check_tokenized(rows, tokenized, prompt)
    long = [row for row, (ids, _) in zip(rows, tokenized, strict=True) if len(ids) > max_length]
    if long:
        longest = max(len(ids) for ids, _ in tokenized)
        mend = f"set sft.max_length to {longest} or leave these rows out"
        if context and longest > context:
            mend = (
                f"the longest has {longest}, beyond the student's context of {context}: leave out what is "
                f"longer than that, and set sft.max_length to {context} at most"
            )
        raise UserError(
            f"training set: {len(long)} of {len(rows)} rows exceed max_length {max_length} tokens "
            f"({_some([row.id for row in long])}); {mend}; the first is {_told(long[0])}"
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


def _told(row: Row) -> str:
    """A row as the user knows it: the id that it had before the selection, and its question's first words."""
    id = getattr(row, "lineage", {}).get("source_id", row.id)
    return f'question {id}, "{shorten(row.question, FIRST_WORDS, placeholder=" ...")}"'


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
