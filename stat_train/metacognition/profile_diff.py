"""What changed between two profiles of the same student: what improved, what was forgotten."""

from dataclasses import dataclass
from typing import Literal

from stat_train.metacognition.intervals import newcombe
from stat_train.metacognition.profile import MissingSkillProfile, SkillRate


@dataclass(frozen=True, slots=True)
class SkillChange:
    """One skill in two profiles; `before` or `after` is None where a profile does not know the skill.

    `difference` is after minus before of `SkillRate.lacking`, the share of all the skill's validation
    questions (easy ones included: fewer of them are difficult once the student improves), with its 95 %
    interval. `clear` says that the interval excludes 0.
    """

    subject: str
    skill: str
    before: SkillRate | None
    after: SkillRate | None
    difference: float
    ci95: tuple[float, float]

    @property
    def status(self) -> Literal["improved", "forgotten", "same"]:
        """Less missing than before, more, or as before."""
        if self.difference == 0:
            return "same"
        return "improved" if self.difference < 0 else "forgotten"

    @property
    def clear(self) -> bool:
        return self.ci95[0] > 0 or self.ci95[1] < 0


def diff(before: MissingSkillProfile, after: MissingSkillProfile) -> list[SkillChange]:
    """Every skill that either profile knows, the most improved first."""
    old = {(rate.subject, rate.skill): rate for rate in before.skills}
    new = {(rate.subject, rate.skill): rate for rate in after.skills}
    changes = []
    for key in {**old, **new}:
        first, second = old.get(key), new.get(key)
        share, n = (first.lacking, first.questions) if first else (0.0, 0)
        other, m = (second.lacking, second.questions) if second else (0.0, 0)
        changes.append(SkillChange(*key, first, second, other - share, newcombe(share, n, other, m)))
    return sorted(changes, key=lambda change: (change.difference, change.subject, change.skill))
