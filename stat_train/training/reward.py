"""The reward of GRPO: an answer that is verified, and nothing else that could be had more easily."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stat_train.data.example import Example
from stat_train.data.marks import boxed, hash_marked, stated
from stat_train.errors import UserError
from stat_train.grading.grader import BadGold, Grader
from stat_train.grading.verdict import Verdict

Outcome = Verdict | Literal["extra_boxed"]
FINAL_ANSWER = ("math", "numeric", "exact", "choice")
"""The graders that read the final answer."""
OUTCOMES: tuple[Outcome, ...] = ("correct", "wrong", "extra_boxed", "error", "timeout")


@dataclass(frozen=True, slots=True)
class Scored:
    """What one answer earned: 1 if its outcome is "correct", and the format's share on top."""

    outcome: Outcome
    well_formed: bool
    reward: float


class VerifiedReward:
    """1.0 for an answer that the grader calls correct, 0.0 for any other; and `format_weight` on top for one
    that ends and marks its result exactly once.

    The grader is that of the evaluation, in its worker processes with their deadlines: several different
    answers ("3 or 4") earn 0, and so do an answer whose grading fails or times out, which are counted as
    "error" and "timeout" and never as "wrong". More than one box earns 0 too ("extra_boxed"), even where all
    hold the same, unless the grader reads the whole response, as a user's function does.
    """

    def __init__(self, grader: Grader, format_weight: float = 0.0) -> None:
        self.grader, self.format_weight = grader, format_weight
        self._one_box = grader.name in FINAL_ANSWER

    def score(
        self,
        answers: Sequence[tuple[str, str]],
        ended: Sequence[bool],
        questions: Sequence[str] | None = None,
    ) -> list[Scored]:
        """What each (response, gold answer) earned; `ended`: whether the response came to its end. The
        grader `judge` needs the `questions` too."""
        verdicts = self.grader.grade(answers, questions)
        return [
            self._scored(response, verdict, end)
            for (response, _), verdict, end in zip(answers, verdicts, ended, strict=True)
        ]

    def _scored(self, response: str, verdict: Verdict, ended: bool) -> Scored:
        extra = self._one_box and len(boxed(response)) > 1
        outcome: Outcome = "extra_boxed" if extra else verdict
        well_formed = ended and marks_once(response)
        return Scored(outcome, well_formed, (outcome == "correct") + self.format_weight * well_formed)


def marks_once(response: str) -> bool:
    """Whether a response marks one result: in one box, else behind one `####`, else in one statement."""
    marked = boxed(response) or hash_marked(response) or stated(response)
    return len(marked) == 1


def verifiable(examples: Sequence[Example], grader: Grader) -> tuple[list[Example], list[BadGold]]:
    """The examples whose gold answer is correct against itself, and those that cannot be scored.

    Raises UserError where none can be.
    """
    bad = grader.check_gold(examples)
    left_out = {gold.id for gold in bad}
    kept = [example for example in examples if example.id not in left_out]
    if not kept:
        first = f" ({bad[0].id}: {bad[0].answer!r} is {bad[0].verdict})" if bad else ""
        raise UserError(
            f"grpo: none of {len(examples)} questions has a gold answer that grader '{grader.name}' accepts"
            f"{first}; give `data.columns.answer`, or choose another grader"
        )
    return kept, bad
