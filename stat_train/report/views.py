"""What of the results is shown, and in which order: shared by the terminal, the page and the pictures."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from stat_train.report.results import START, Paired, ProfileRow, Results

DIAGNOSED = ("stat-sel", "stat-syn")
"""The arms whose pairs follow the profile."""
FEW = 5
"""Below so many difficult questions a missing rate is little evidence, and is shown apart."""


@dataclass(frozen=True, slots=True)
class SkillView:
    """Accuracy of each arm on the `n` questions of a split that need one skill, with its missing rate
    (None where no difficult question had to do with the skill)."""

    name: str
    n: int
    missing: int
    difficult: int
    rate: float | None
    accuracy: dict[str, float]

    def change(self, arm: str, against: str) -> float:
        return self.accuracy[arm] - self.accuracy[against]


def skill_name(row: ProfileRow) -> str:
    """The skill, after its subject where the data has subjects (a skill's name may recur in several)."""
    return f"{row.subject}/{row.skill}" if row.subject else row.skill


def ranked(profile: Sequence[ProfileRow]) -> list[ProfileRow]:
    """Highest missing rate first; rows with fewer than `FEW` difficult questions after all others."""
    return sorted(profile, key=lambda row: (row.difficult < FEW, -row.rate, -row.missing, skill_name(row)))


def arm_order(results: Results) -> list[str]:
    """The starting point first, then the arms as they ran."""
    return [START, *(arm for arm in results.arms if arm != START)]


def split_order(results: Results) -> list[str]:
    """Every split that an arm was scored on, in the run's order."""
    return list(dict.fromkeys(split for arm in arm_order(results) for split in results.arms[arm]))


def main_split(results: Results) -> str | None:
    """The split that headlines speak of: "test", or else the first."""
    splits = split_order(results)
    return "test" if "test" in splits else next(iter(splits), None)


def method_arm(results: Results) -> str | None:
    """The arm that headlines speak of: "stat-sel", "stat-syn", or else the last trained one."""
    trained = arm_order(results)[1:]
    return next((arm for arm in DIAGNOSED if arm in trained), trained[-1] if trained else None)


def control_arm(results: Results) -> str | None:
    """The control that pictures set beside the method: "random", or else the first other trained arm, the
    other method last. What goes on from the method (a later round, GRPO) is none."""
    method = method_arm(results)
    others = [
        arm
        for arm in arm_order(results)
        if arm not in (START, method) and not arm.startswith((f"{method}-", f"{method}+"))
    ]
    others.sort(key=lambda arm: (arm != "random", arm == "stat-syn"))
    return next(iter(others), None)


def shown_arms(results: Results) -> list[str]:
    """Start, control and method: the arms of per-skill views."""
    return [START, *(arm for arm in (control_arm(results), method_arm(results)) if arm)]


def skill_views(results: Results, split: str) -> list[SkillView]:
    """Every skill that all shown arms were scored on, the most often missing first.

    A skill scored under its bare name takes the sum of its profile rows over subjects.
    """
    rows: dict[str, list[ProfileRow]] = defaultdict(list)
    for row in results.profile:
        for name in {skill_name(row), row.skill}:
            rows[name].append(row)
    scores = {
        arm: results.arms[arm][split].per_skill for arm in shown_arms(results) if split in results.arms[arm]
    }
    start = scores.get(START, {})
    views = [
        SkillView(
            name=name,
            n=start[name].n,
            missing=sum(row.missing for row in rows[name]),
            difficult=sum(row.difficult for row in rows[name]),
            rate=_rate(rows[name]),
            accuracy={arm: of[name].accuracy for arm, of in scores.items()},
        )
        for name in start
        if all(name in of for of in scores.values())
    ]
    return sorted(views, key=lambda skill: (skill.difficult < FEW, -(skill.rate or 0), skill.name))


def _rate(rows: Sequence[ProfileRow]) -> float | None:
    """The mean over the difficult questions of all rows."""
    difficult = sum(row.difficult for row in rows)
    return sum(row.rate * row.difficult for row in rows) / difficult if difficult else None


def pairs_of(results: Results, arm: str, split: str) -> list[Paired]:
    """The paired differences of an arm on a split, in the results' order."""
    return [pair for pair in results.paired if (pair.arm, pair.split) == (arm, split)]
