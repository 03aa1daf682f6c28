"""What changed between two profiles of the same student: what improved, what was forgotten."""

from dataclasses import dataclass
from typing import Literal

from stat_train.metacognition.intervals import newcombe
from stat_train.metacognition.profile import MissingSkillProfile, SkillRate


@dataclass(frozen=True, slots=True)
class SkillChange:
    """One skill in two profiles; `before` or `after` is None where a profile has no question of the skill.

    `difference` is after minus before of `SkillRate.lacking`, the share of all the skill's validation
    questions (easy ones included: fewer of them are difficult once the student improves), with its 95 %
    interval; both are None where a side is, since nothing was measured there. `clear` says that the interval
    excludes 0.
    """

    subject: str
    skill: str
    before: SkillRate | None
    after: SkillRate | None
    difference: float | None
    ci95: tuple[float, float] | None

    @property
    def status(self) -> Literal["improved", "forgotten", "same", "new", "not asked"]:
        """Less missing than before, more, or as before; asked for only after, or only before."""
        if self.difference is None:
            return "new" if self.before is None else "not asked"
        if self.difference == 0:
            return "same"
        return "improved" if self.difference < 0 else "forgotten"

    @property
    def clear(self) -> bool:
        return self.ci95 is not None and (self.ci95[0] > 0 or self.ci95[1] < 0)


def diff(before: MissingSkillProfile, after: MissingSkillProfile) -> list[SkillChange]:
    """Every skill that either profile has a question of, the most improved first, those of one only last."""
    old = {(rate.subject, rate.skill): rate for rate in before.skills if rate.questions}
    new = {(rate.subject, rate.skill): rate for rate in after.skills if rate.questions}
    changes = []
    for key in {**old, **new}:
        first, second = old.get(key), new.get(key)
        difference = ci95 = None
        if first and second:
            difference = second.lacking - first.lacking
            ci95 = newcombe(first.lacking, first.questions, second.lacking, second.questions)
        changes.append(SkillChange(*key, first, second, difference, ci95))
    return sorted(changes, key=_place)


def _place(change: SkillChange) -> tuple[bool, float, str, str]:
    return change.difference is None, change.difference or 0.0, change.subject, change.skill
