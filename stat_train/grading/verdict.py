"""What grading an answer can come to."""

from typing import Literal, get_args

Verdict = Literal["correct", "wrong", "error", "timeout"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
