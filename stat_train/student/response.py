"""What the student wrote."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Response:
    """One completion of one question; `sample` counts from 0 where n > 1 are drawn."""

    question_id: str
    sample: int
    text: str
    finish_reason: Literal["stop", "length"]
    completion_tokens: int
