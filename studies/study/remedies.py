"""What gives back on the pool's own mix: pairs drawn evenly from the pool, and training that goes on."""

from collections.abc import Mapping

from stat_train.report.markdown import table
from stat_train.report.wording import percent
from studies.study.evidence import BySeed, Evidence, difference, mean
from studies.study.mix import AS_POOL, PARTS, Accuracies, by_seed, lead_cells, mean_cells
from studies.study.plan import SIMPLE
from studies.study.words import NOT_RUN

PART, SETTING = "rehearsal", "half"
HALF = "stat-sel, half rehearsal"
FURTHER = {"Rounds": ("rounds", "two"), "GRPO": ("grpo", "on top")}
"""Part and setting of what goes on from a training of STAT-Sel."""


def remedies(evidence: Evidence) -> str:
    """STAT-Sel with half of its pairs drawn evenly from the pool, beside the arms that it stands between, on
    the seeds that have all from one start; then second rounds and GRPO, beside what they go on from."""
    told = []
    if scores := _rehearsed(evidence):
        told = [_title("Rehearsal", scores), _mixes(evidence, scores), _against(evidence, scores)]
    for name, (part, setting) in FURTHER.items():
        if found := evidence.scores(part, setting):
            told += [_title(name, found), _mixes(evidence, found)]
    return "\n\n".join(told) or NOT_RUN


def _title(name: str, scores: Mapping[str, BySeed]) -> str:
    seeds = sorted({seed for its in scores.values() for seed in its})
    return f"{name}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}:"


def _mixes(evidence: Evidence, scores: Mapping[str, BySeed]) -> str:
    mixes = by_seed(evidence, scores)
    rows = [[arm, percent(mean(its)), *mean_cells(mixes[arm])] for arm, its in scores.items()]
    headers = ["arm", "test", *PARTS, AS_POOL]
    return table(headers, rows, right=range(1, len(headers)))


def _against(evidence: Evidence, scores: Mapping[str, BySeed]) -> str:
    mixes = by_seed(evidence, scores)
    compared = [_compared(arm, scores, mixes) for arm in scores if arm != HALF]
    headers = [f"{HALF} minus", "test", "95% (t)", AS_POOL, "95% (t)"]
    return table(headers, compared, right=range(1, len(headers)))


def _rehearsed(evidence: Evidence) -> dict[str, BySeed]:
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
    return [arm, *lead_cells(found.per_seed), *lead_cells(pooled)]
