"""Figures in words, as the page has them."""

from collections.abc import Mapping

from stat_train.report.markdown import table
from stat_train.report.wording import MINUS, percent, points
from studies.study.evidence import BySeed, Difference
from studies.study.plan import KEPT, SEEDS

NOT_RUN = "Not run yet."


def interval(ci95: tuple[float, float]) -> str:
    """[-0.5, +3.1] in points."""
    return f"[{points(ci95[0])}, {points(ci95[1])}]"


def signed(value: float, digits: int) -> str:
    """+0.12, with a real minus."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def seeds_of(found: Difference) -> str:
    """Which seeds it rests on, and how many are still owed."""
    owed = len(SEEDS) - len(found.seeds)
    said = (
        f"seeds {', '.join(map(str, found.seeds))}"
        if len(found.seeds) > 1
        else f"seed {found.seeds[0]} alone"
    )
    return f"{said}, {owed} of {len(SEEDS)} not run yet" if owed else said


def kept_by_seed(of: str, found: Mapping[str, Mapping[int, float]]) -> list[str]:
    """A table of the arms from the kept starts, a column a seed; nothing while there is one seed only."""
    seeds = sorted({seed for its in found.values() for seed in its})
    if len(seeds) < 2:
        return []
    rows = [
        [arm, *(percent(found[arm][seed]) if seed in found[arm] else "" for seed in seeds)]
        for arm in KEPT.arms
        if arm in found
    ]
    return [table([f"kept starts, {of}", *map(str, seeds)], rows, right=range(1, len(seeds) + 1))]


def seed_by_seed(found: Difference, scores: Mapping[str, BySeed]) -> str:
    """A table: the start, both arms and their difference, a row a seed."""
    arms = ("start", found.other, found.one)
    rows = [
        [str(seed), *(percent(scores[arm][seed].scores.accuracy) for arm in arms), points(its)]
        for seed, its in zip(found.seeds, found.per_seed, strict=True)
    ]
    return table(["seed", *arms, "difference"], rows, right=range(5))
