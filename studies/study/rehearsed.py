"""STAT-Sel with half of its pairs drawn evenly from the pool: what that keeps, and what it costs."""

from collections.abc import Mapping
from statistics import fmean

from stat_train.report.markdown import table
from stat_train.report.wording import percent, points
from studies.study.evidence import BySeed, Evidence, difference, mean, t_interval
from studies.study.mix import AS_POOL, PARTS, Accuracies, by_seed
from studies.study.plan import SIMPLE
from studies.study.words import NOT_RUN, interval

PART, SETTING = "rehearsal", "half"
HALF = "stat-sel, half rehearsal"


def rehearsal(evidence: Evidence) -> str:
    """It beside the arms that it stands between, on the seeds that have all of them from one start."""
    scores = _scores(evidence)
    if HALF not in scores:
        return NOT_RUN
    mixes = by_seed(evidence, scores)
    rows = [
        [
            arm,
            percent(mean(its)),
            *(percent(fmean(one[name] for one in mixes[arm].values())) for name in (*PARTS, AS_POOL)),
        ]
        for arm, its in scores.items()
    ]
    headers = ["arm", "test", *PARTS, AS_POOL]
    seeds = list(scores[HALF])
    against = [arm for arm in scores if arm != HALF]
    compared = [_compared(arm, scores, mixes) for arm in against]
    told = [f"{HALF} minus", "test", "95%", AS_POOL, "95% (t)"]
    return "\n\n".join(
        [
            f"Seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}:",
            table(headers, rows, right=range(1, len(headers))),
            table(told, compared, right=range(1, len(told))),
        ]
    )


def _scores(evidence: Evidence) -> dict[str, BySeed]:
    kept, half = evidence.kept(), evidence.scores(PART, SETTING).get("stat-sel", {})
    found = {arm: kept.get(arm, {}) for arm in SIMPLE} | {HALF: half}
    common = [
        seed
        for seed in sorted(set.intersection(*(set(its) for its in found.values())))
        if len({its[seed].start for its in found.values()}) == 1
    ]
    return {arm: {seed: its[seed] for seed in common} for arm, its in found.items()} if common else {}


def _compared(
    arm: str, scores: Mapping[str, BySeed], mixes: Mapping[str, Mapping[int, Accuracies]]
) -> list[str]:
    found = difference(HALF, arm, scores)
    assert found is not None
    pooled = [its[AS_POOL] - mixes[arm][seed][AS_POOL] for seed, its in mixes[HALF].items()]
    spread = interval(t_interval(pooled)) if len(pooled) > 1 else ""
    return [arm, points(found.difference), interval(found.ci95), points(fmean(pooled)), spread]
