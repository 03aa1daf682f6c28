"""What a stage asks the teacher, and what it gets back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from stat_train.teacher.schemas import Answer

BYTES_PER_TOKEN = 4
"""A guess, for prompts whose tokenizer is not at hand."""


class Message(TypedDict):
    """One turn of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class TeacherRequest:
    """One question to the teacher.

    `schema` is the pydantic model of the answer. `sample` tells several answers to the same
    prompt apart. `check` returns None, or what is wrong with an answer that fits the schema
    (an unknown id, a skill off the list); the teacher is then asked again once with that text.
    `temperature` overrides the teacher's own (None: leave it).
    """

    task: str
    messages: Sequence[Message]
    schema: type[Answer]
    sample: int = 0
    check: Callable[[Any], str | None] | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as the endpoint gave it, valid or not: the row of the cache. `payer`: see `Teacher`."""

    content: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    payer: str = ""


@dataclass(frozen=True, slots=True)
class RowUsage:
    """Tokens of all answers behind one row; `asked` of these answers were not cached."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class TeacherResult:
    """One row out for one row in.

    "ok": `answer` is valid. "quarantined": the teacher's answers were invalid, `reason` says how
    (`answer` is the last one that fitted the schema though not the request's `check`, or None).
    "owed": no answer came (transport); the same request may be asked again later. `refused`: the endpoint
    does not take this request (too long, not allowed), `reason` holds its words.
    """

    answer: Any
    status: Literal["ok", "quarantined", "owed"]
    reason: str
    usage: RowUsage
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What this teacher has answered so far: `requests` were sent and paid, `cached` came from the cache.

    Tokens and `usd` are those of the requests sent; `usd` is None where the price is unknown.
    """

    requests: int
    cached: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a list of requests would cost; tokens and `usd` count the `requests - cached` ones only.

    `prompt_tokens` is a guess (four bytes a token); `completion_tokens_max` is a bound. `longest` is the
    request with the longest prompt, cached or not, and `longest_tokens` that prompt's.
    """

    requests: int
    cached: int
    prompt_tokens: int
    completion_tokens_max: int
    usd: float | None
    longest: TeacherRequest | None = None
    longest_tokens: int = 0
