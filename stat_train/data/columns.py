"""Which of a user's columns hold what, and how one row becomes an Example."""

import hashlib
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from stat_train.data.chat import FORM, SPEAKERS, said_in
from stat_train.data.example import Example
from stat_train.data.marks import behind_hashes, boxed
from stat_train.options import Options

CHATS = ("messages", "conversations", "conversation")
FIELDS = ("id", "question", "solution", "answer", "subject", "skills", "level")


class Columns(Options):
    """The user's names for the fields of an Example.

    None takes the column of the field's own name if there is one; "" leaves the field
    empty; any other name must be a column. Without ids, ids are made from the questions'
    text. `answer_from` says where the final answer stands: in its own column, in the last
    `\\boxed{}` of the solution, or behind the last `####` of the solution (as in GSM8K); a
    solution without the mark leaves its row without an answer. `list`: the answer's column holds
    a list of texts, which are all asked for; they are joined by ", ".

    A cell in chat form, a list of messages, is read by its role: `question` takes what the user says and
    `solution` what the assistant does, so that both may name one column. A system message goes to `meta`.
    """

    id: str | None = Field(None, description="no such column: made from the question's text")
    question: str = Field("question", description="the text that the student is asked")
    solution: str | None = Field(None, description="worked out: what is trained on")
    answer: str | None = Field(None, description="the final answer: what the grader compares with")
    subject: str | None = Field(None, description="the subject whose list of skills counts")
    skills: str | None = Field(
        None, description="labels that are there already: a list, or names between semicolons"
    )
    level: str | None = Field(None, description="of difficulty: for Hard, and scores by level")
    answer_from: Literal["column", "list", "boxed", "####"] = Field(
        "column",
        description="where the answer stands: in its column, there as a list, in the last \\boxed{} of the "
        "solution, or behind its last ####",
    )

    @property
    def answer_in_solution(self) -> bool:
        """Whether the answer is read from the solution."""
        return self.answer_from in ("boxed", "####")

    @model_validator(mode="after")
    def _one_source_of_the_answer(self) -> Self:
        if self.answer_in_solution and self.answer:
            raise ValueError(f"answer_from: '{self.answer_from}' reads the solution; leave out answer")
        return self

    def resolve(self, present: list[str]) -> dict[str, str]:
        """Field -> column for the fields that a file with these columns has.

        Raises ValueError where a named column is missing.
        """
        resolved = {}
        for field in FIELDS:
            if field == "answer" and self.answer_in_solution:
                continue
            column = getattr(self, field)
            if column is None and field in present:
                resolved[field] = field
            elif column:
                if column not in present:
                    chat = next((name for name in CHATS if name in present), None)
                    raise ValueError(
                        f"no column '{column}' for {field}; columns there: {', '.join(present)}"
                        + (f"; for chats: columns.question and solution: {chat}" if chat else "")
                    )
                resolved[field] = column
        if self.answer_in_solution and "solution" not in resolved:
            raise ValueError(
                f"answer_from '{self.answer_from}' needs a solution; columns there: {', '.join(present)}"
            )
        return resolved


def example_from_row(row: Mapping[str, Any], fields: Mapping[str, str], columns: Columns) -> Example:
    """One Example of one row; its id is "" where the row has none. ValueError says what is wrong.

    `meta` holds all other columns but those that JSON cannot hold, such as images and bytes.
    """
    values = {field: row.get(column) for field, column in fields.items()}
    asked = fields["question"]
    chats = {fields[its]: said_in(values[its], fields[its]) for its in SPEAKERS if its in fields}
    if chats[asked] is None and _should_be_chat(values["question"], fields):
        raise ValueError(f"field '{asked}': no list of messages; write {FORM}, or remove the row")
    for field, role in SPEAKERS.items():
        if (said := chats.get(fields.get(field, ""))) is not None:
            values[field] = said.get(role)
    question = _text(values.get("question"), fields["question"])
    if question is None:
        raise ValueError(f"field '{fields['question']}': the question is empty; fill it in or remove the row")
    solution = _text(values.get("solution"), fields.get("solution", ""))
    answer = _answer(values.get("answer"), fields.get("answer", ""), columns)
    if columns.answer_in_solution:
        marked = (boxed if columns.answer_from == "boxed" else behind_hashes)(solution or "")
        answer = marked[-1] if marked else None
    used = set(fields.values())
    others = {key: value for key, value in row.items() if key not in used and key != "meta"}
    if system := (chats[asked] or {}).get("system"):
        others["system"] = system
    nested = row.get("meta")
    others |= nested if isinstance(nested, Mapping) else {"meta": nested}
    meta = {key: plain for key, value in others.items() if (plain := _plain(value)) is not None}
    return Example(
        id=_text(values.get("id"), fields.get("id", "")) or "",
        question=question,
        solution=solution,
        answer=answer,
        subject=_text(values.get("subject"), fields.get("subject", "")) or "",
        skills=_skills(values.get("skills"), fields.get("skills", "")),
        level=_text(values.get("level"), fields.get("level", "")),
        meta=meta,
    )


def _should_be_chat(cell: Any, fields: Mapping[str, str]) -> bool:
    """Whether a question's cell is to hold its solution too, or holds parts that are no text."""
    parts = cell if isinstance(cell, list | tuple) else [cell]
    return fields.get("solution") == fields["question"] or any(isinstance(its, Mapping) for its in parts)


def _plain(value: Any) -> Any:
    """The value as JSON holds it, or None where it cannot hold it (an image, bytes)."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | timedelta) else None


def content_id(question: str) -> str:
    """An id that a question has wherever it stands."""
    return "q-" + hashlib.sha256(question.encode()).hexdigest()[:16]


def _text(value: Any, column: str) -> str | None:
    """A cell as text, None where it is empty; a list of one is its element."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        kind = type(value).__name__
        raise ValueError(f"field '{column}': a {kind}; write it as text (or a number)")
    return str(value).strip() or None


def _answer(value: Any, column: str, columns: Columns) -> str | None:
    """The answer's cell; of a list all texts, without the math delimiters around each."""
    if columns.answer_from == "list" and isinstance(value, list | tuple):
        texts = [_text(item, column) for item in value]
        return ", ".join(text.strip("$ ") for text in texts if text) or None
    return _text(value, column)


def _skills(value: Any, column: str) -> tuple[str, ...]:
    """A list of names, or one text with the names apart by ';'."""
    if value is None or (isinstance(value, float) and value != value):
        return ()
    names = value.split(";") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'field \'{column}\': not a list of names; write ["a", "b"], or the text "a; b"')
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
