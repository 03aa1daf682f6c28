"""One row of a data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """A question, with its worked solution and final answer where the data has them.

    `subject` is "" where the data has no subjects; `skills` are the skill labels
    (teacher's or the user's own), () before labelling; `level` is the data's own
    difficulty level; `meta` holds the row's remaining columns, untouched.
    """

    id: str
    question: str
    solution: str | None = None
    answer: str | None = None
    subject: str = ""
    skills: tuple[str, ...] = ()
    level: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
