"""Skill by skill: how often it was missing, and what training on the profile changed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from stat_train.intervals import Interval, bootstrap, percentiles
from studies.study.evidence import Evidence
from studies.study.plan import FROZEN, TARGET_SPLIT

ARMS = ("start", "random", "stat-sel")
CONTROL = "balanced"
"""A further arm, where every seed has it."""
RESAMPLES = 2_000


@dataclass(frozen=True)
class SkillGain:
    """One skill over all seeds.

    `missing`: the share of its validation questions whose answer lacked it. `accuracy`: of `ARMS` (and
    `CONTROL`, if it was run) on the `n` test questions that need it. `change`: STAT-Sel minus start, `lead`:
    minus Random; their intervals are of questions alone.
    """

    name: str
    missing: float
    n: int
    accuracy: dict[str, float]
    change: float
    change_ci95: Interval
    lead: float
    lead_ci95: Interval


def skill_gains(evidence: Evidence) -> list[SkillGain]:
    """The skills, most often missing first; empty while no seed has all of `ARMS`."""
    correct = {
        (row["seed"], row["arm"]): row["correct"]
        for row in evidence.rows(FROZEN.part, FROZEN.name)
        if row["split"] == TARGET_SPLIT
    }
    profiles = {row["seed"]: row["skills"] for row in evidence.rows("profiles", FROZEN.name)}
    whole = [seed for seed in profiles if all((seed, arm) in correct for arm in ARMS)]
    shown = [*ARMS, *([CONTROL] if all((seed, CONTROL) in correct for seed in whole) else ())]
    right: dict[str, dict[str, list[int]]] = defaultdict(lambda: {arm: [] for arm in shown})
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in evidence.rows("questions"):
        seed = row["seed"]
        if row["split"] != TARGET_SPLIT or seed not in whole:
            continue
        for place, skills in enumerate(row["skills"]):
            for skill in skills:
                for arm in shown:
                    right[skill][arm].append(int(correct[seed, arm][place]))
        for skill, (missing, _, questions) in profiles[seed].items():
            counts[skill][0] += missing
            counts[skill][1] += questions
    gains = [
        _gain(name, counts[name][0] / counts[name][1], its) for name, its in right.items() if counts[name][1]
    ]
    return sorted(gains, key=lambda gain: (-gain.missing, gain.name))


def _gain(name: str, missing: float, right: dict[str, list[int]]) -> SkillGain:
    n = len(right["stat-sel"])
    accuracy = {arm: sum(its) / n for arm, its in right.items()}
    return SkillGain(name, missing, n, accuracy, *_minus(right, "start"), *_minus(right, "random"))


def _minus(right: dict[str, list[int]], other: str) -> tuple[float, Interval]:
    changes = [after - before for after, before in zip(right["stat-sel"], right[other], strict=True)]
    return sum(changes) / len(changes), bootstrap(changes, resamples=RESAMPLES)


def rank_correlation(gains: Sequence[SkillGain], arm: str, other: str | None) -> tuple[float, Interval]:
    """Spearman's, of how often a skill is missing and an arm's accuracy in it, minus the other's if one is
    given; 95 % interval by resampling skills."""
    import numpy as np
    from scipy.stats import spearmanr

    pairs = np.array([(g.missing, g.accuracy[arm] - (g.accuracy[other] if other else 0)) for g in gains])
    random = np.random.default_rng(0)
    drawn = [pairs[random.integers(len(pairs), size=len(pairs))] for _ in range(RESAMPLES)]
    ranked = [its for its in drawn if np.ptp(its, axis=0).all()]  # equal values have no ranks
    low, high = percentiles(np.array([spearmanr(its).statistic for its in ranked]))
    return float(spearmanr(pairs).statistic), (low, high)
