"""Figures in words, as the page has them."""

from stat_train.report.wording import points
from studies.study.evidence import Difference
from studies.study.plan import SEEDS

NOT_RUN = "Not run yet."


def interval(ci95: tuple[float, float]) -> str:
    """[-0.5, +3.1] in points."""
    return f"[{points(ci95[0])}, {points(ci95[1])}]"


def seeds_of(found: Difference) -> str:
    """Which seeds it rests on, and how many are still owed."""
    owed = len(SEEDS) - len(found.seeds)
    said = (
        f"seeds {', '.join(map(str, found.seeds))}"
        if len(found.seeds) > 1
        else f"seed {found.seeds[0]} alone"
    )
    return f"{said}, {owed} of {len(SEEDS)} not run yet" if owed else said
