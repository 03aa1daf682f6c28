"""What grading an answer can come to."""

from typing import Literal

Verdict = Literal["correct", "wrong", "error", "timeout"]
