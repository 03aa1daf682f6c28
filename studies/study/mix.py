"""Accuracy by how common a kind of problem is in the pool, and on the pool's own mix; added afterwards.

`test` is even over the kinds, a pool is not: what an arm forgets of the common ones counts little there.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from stat_train.report.markdown import table
from stat_train.report.wording import percent, points
from studies.study.evidence import BySeed, Evidence, t_interval
from studies.study.plan import KEPT, PRIMARY, SIMPLE, TARGET_SPLIT
from studies.study.rows import Row
from studies.study.words import NOT_RUN, interval, kept_by_seed

PARTS = ("commonest third", "middle third", "rarest third")
AS_POOL = "as the pool"
"""Each question weighted by its kind's share of the pool."""
FEWER = "as the pool, without its commonest kind"
Accuracies = Mapping[str, float]


def accuracies(correct: Iterable[float], kinds: Sequence[str], pool: Mapping[str, int]) -> Accuracies:
    """On each third of the kinds, by their number in the pool, and on the pool's mix of them."""
    right: dict[str, list[float]] = {}
    for kind, its in zip(kinds, correct, strict=True):
        right.setdefault(kind, []).append(its)
    of_kind = {kind: fmean(its) for kind, its in right.items()}
    thirds = {name: fmean(of_kind[kind] for kind in its) for name, its in _thirds(pool).items()}
    fewer = {kind: pool[kind] for kind in _commonest_first(pool)[1:]}
    return thirds | {AS_POOL: _weighted(of_kind, pool), FEWER: _weighted(of_kind, fewer)}


def _weighted(of_kind: Mapping[str, float], pool: Mapping[str, int]) -> float:
    return sum(n * of_kind[kind] for kind, n in pool.items()) / sum(pool.values())


def _commonest_first(pool: Mapping[str, int]) -> list[str]:
    return sorted(pool, key=lambda kind: (-pool[kind], kind))


def _thirds(pool: Mapping[str, int]) -> dict[str, list[str]]:
    kinds, n = _commonest_first(pool), len(pool)
    return {name: kinds[n * part // 3 : n * (part + 1) // 3] for part, name in enumerate(PARTS)}


def mix(evidence: Evidence) -> str:
    """The arms of the primary claim, and STAT-Sel against them; then all arms from the kept starts."""
    found = primary_mix(evidence)
    if not found:
        return NOT_RUN
    shown = [arm for arm in SIMPLE if arm in found]
    others = [arm for arm in shown if arm not in ("start", "stat-sel")]
    shares = _shares(evidence)
    rows = []
    for name in (*PARTS, AS_POOL, FEWER):
        against = [lead(found, other, name) for other in others]
        rows.append(
            [
                f"{name} ({percent(shares[name], 0)} of it)" if name in shares else name,
                *(percent(fmean(its[name] for its in found[arm].values())) for arm in shown),
                *(cell for per_seed in against for cell in lead_cells(per_seed)),
            ]
        )
    headers = [
        "kinds, by the pool",
        *shown,
        *(cell for arm in others for cell in (f"minus {arm}", "95% (t)")),
    ]
    table_of_all = table(headers, rows, right=range(1, len(headers)))
    return "\n\n".join([table_of_all, _each_seed(found), *_kept(evidence)])


def _each_seed(found: Mapping[str, Mapping[int, Accuracies]]) -> str:
    told = [
        f"{arm} {', '.join(percent(its[AS_POOL]) for its in found[arm].values())}" for arm in sorted(PRIMARY)
    ]
    return f"As the pool, seeds {', '.join(map(str, found[PRIMARY[0]]))}: {'; '.join(told)}."


def lead_cells(per_seed: Sequence[float]) -> list[str]:
    """Mean of the seeds' differences, and its interval by Student's t where there are several."""
    return [points(fmean(per_seed)), interval(t_interval(per_seed)) if len(per_seed) > 1 else ""]


def primary_mix(evidence: Evidence) -> dict[str, dict[int, Accuracies]]:
    """Arm -> seed -> accuracies, of the seeds that have, from one start, all arms that any has; empty
    without both arms of the primary claim."""
    scores = evidence.scores()
    found = by_seed(evidence, scores)
    if any(arm not in found for arm in PRIMARY):
        return {}
    common = set.intersection(*(set(its) for its in found.values()))
    seeds = [seed for seed in sorted(common) if len({its[seed].start for its in scores.values()}) == 1]
    return {arm: {seed: its[seed] for seed in seeds} for arm, its in found.items()} if seeds else {}


def lead(found: Mapping[str, Mapping[int, Accuracies]], other: str, name: str) -> list[float]:
    """STAT-Sel minus another arm, seed by seed."""
    return [its[name] - found[other][seed][name] for seed, its in found["stat-sel"].items()]


def by_seed(evidence: Evidence, scores: Mapping[str, BySeed]) -> dict[str, dict[int, Accuracies]]:
    """Arm -> seed -> accuracies, of the seeds whose questions' kinds are known."""
    questions = _questions(evidence)
    return {
        arm: {
            seed: accuracies(
                cell.scores.questions.values(), questions[seed]["kinds"], questions[seed]["pool"]
            )
            for seed, cell in its.items()
            if seed in questions
        }
        for arm, its in scores.items()
    }


def _questions(evidence: Evidence) -> dict[int, Row]:
    rows = evidence.rows("questions")
    return {row["seed"]: row for row in rows if row["split"] == TARGET_SPLIT and "kinds" in row}


def _shares(evidence: Evidence) -> dict[str, float]:
    """Of the pool, what each third of the kinds is, mean over the seeds."""
    pools = [row["pool"] for row in _questions(evidence).values()]
    return {
        name: fmean(sum(pool[kind] for kind in _thirds(pool)[name]) / sum(pool.values()) for pool in pools)
        for name in PARTS
    }


def _kept(evidence: Evidence) -> list[str]:
    found = by_seed(evidence, evidence.kept())
    rows = [[arm, str(len(its)), *mean_cells(its)] for arm in KEPT.arms if (its := found.get(arm))]
    headers = ["kept starts", "seeds", *PARTS, AS_POOL]
    pooled = {arm: {seed: one[AS_POOL] for seed, one in its.items()} for arm, its in found.items()}
    shown = table(headers, rows, right=range(1, len(headers)))
    return [shown, *kept_by_seed(AS_POOL, pooled)] if rows else []


def mean_cells(its: Mapping[int, Accuracies]) -> list[str]:
    """Mean over the seeds, on each third of the kinds and as the pool."""
    return [percent(fmean(one[name] for one in its.values())) for name in (*PARTS, AS_POOL)]


def sentence(evidence: Evidence) -> str:
    """For the headline: what the lead over Random is where the pool is at home."""
    found = primary_mix(evidence)
    if not found or len(found["stat-sel"]) < 2:
        return ""
    common, pooled = (lead(found, "random", name) for name in (PARTS[0], AS_POOL))
    share = percent(_shares(evidence)[PARTS[0]], 0)
    return (
        f" **That is on a test which is even over the kinds of problem.** On the third of them that is "
        f"commonest in the pool ({share} of it) STAT-Sel minus Random is {points(fmean(common))} "
        f"{interval(t_interval(common))}, and with the questions weighted as the pool is "
        f"{points(fmean(pooled))} {interval(t_interval(pooled))} (added afterwards, adjusted for nothing: "
        "*On the pool's own mix*)."
    )
