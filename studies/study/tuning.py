"""The learning rates that were tried, on the development split of the tuning seed."""

from collections.abc import Callable

from stat_train.recipe import DEVELOPMENT
from stat_train.report.markdown import table
from stat_train.report.wording import percent
from studies.study.evidence import Cell, Evidence
from studies.study.mix import AS_POOL, accuracies
from studies.study.plan import RATES, TRAINED, TUNING_SEED, best_rate
from studies.study.words import NOT_RUN


def rates(evidence: Evidence) -> str:
    """Accuracy at each rate, the chosen one bold; then the same as the pool is mixed."""
    even = _table(evidence, "arm", lambda cell: cell.scores.accuracy)
    its = [
        row
        for row in evidence.rows("questions")
        if (row["seed"], row["split"]) == (TUNING_SEED, DEVELOPMENT) and "kinds" in row
    ]
    if not its or even == NOT_RUN:
        return even
    kinds, pool = its[0]["kinds"], its[0]["pool"]
    pooled = _table(
        evidence, "as the pool", lambda cell: accuracies(cell.scores.questions.values(), kinds, pool)[AS_POOL]
    )
    return f"{even}\n\n{pooled}"


def _table(evidence: Evidence, corner: str, accuracy: Callable[[Cell], float]) -> str:
    by_rate = {rate: evidence.scores("rates", f"{rate:g}", DEVELOPMENT) for rate in RATES}
    rows = []
    for arm in TRAINED:
        tried = {rate: its[arm][TUNING_SEED] for rate, its in by_rate.items() if arm in its}
        chosen = {rate: cell.scores.accuracy for rate, cell in tried.items()}
        best = best_rate(chosen) if len(tried) == len(RATES) else None
        cells = [percent(accuracy(tried[rate])) if rate in tried else "-" for rate in RATES]
        if tried:
            cells = [f"**{c}**" if rate == best else c for rate, c in zip(RATES, cells, strict=True)]
            rows.append([arm, *cells])
    headers = [corner, *(f"{rate:g}" for rate in RATES)]
    return table(headers, rows, right=range(1, len(headers))) if rows else NOT_RUN
