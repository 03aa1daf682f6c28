"""The tables of the claims: the primary one, all arms, the secondary comparisons, what it took."""

from collections.abc import Sequence

from stat_train.evaluation.paired import holm
from stat_train.report.markdown import table
from stat_train.report.wording import p_value, percent, points
from studies.study.evidence import Difference, Evidence, difference, mean, t_interval
from studies.study.plan import (
    FROZEN,
    HALF_WIDTH,
    KEPT,
    PARTS,
    PRIMARY,
    RATES,
    SECONDARY,
    SEEDS,
    TARGET,
    TRAINED,
    TUNING_SEED,
    best_rate,
    place_of,
)
from studies.study.words import NOT_RUN, interval, seeds_of

UNDIAGNOSED = ("balanced", "hard", "shuffled")


def headline(evidence: Evidence) -> str:
    """The primary claim in one paragraph, whatever it came to."""
    found = difference(*PRIMARY, evidence.scores())
    if found is None:
        return f"**{NOT_RUN}**"
    low, high = found.ci95
    if low > 0:
        reached = found.difference >= TARGET
        said = "STAT-Sel beats Random" + (" and reaches the target" if reached else ", but misses the target")
    else:
        said = (
            "STAT-Sel is worse than Random"
            if high < 0
            else "No difference between STAT-Sel and Random is shown"
        )
    said = said if len(found.seeds) == len(SEEDS) else f"Interim: {said}"
    half = (high - low) / 2
    width = "within" if half <= HALF_WIDTH else "wider than"
    return (
        f"**{said}: {points(found.difference)} points on test, 95% {points(low)} to {points(high)}** "
        f"({seeds_of(found)}; the target was {points(TARGET)}, and a half-width of at most "
        f"{100 * HALF_WIDTH:.0f}: {100 * half:.1f} is {width} it).{_without_diagnosis(evidence)}"
    )


def _without_diagnosis(evidence: Evidence) -> str:
    """How STAT-Sel does against sets that leave the pool's skew behind too, but know no missing skill."""
    against = [difference("stat-sel", arm, evidence.scores(*place_of(arm))) for arm in UNDIAGNOSED]
    found = [its for its in against if its is not None]
    several, single = ([its for its in found if (len(its.seeds) > 1) == many] for many in (True, False))
    paragraph = ""
    if several:
        ahead = [its for its in several if its.ci95[0] > 0]
        said = {0: "none of these", len(several): "each of these"}.get(len(ahead), "some of these")
        paragraph = (
            " Against sets that leave the pool's skew behind without a diagnosis it is ahead of "
            f"{said} (95% intervals, adjusted for nothing): {_minus(several)}."
        )
    if single:
        paragraph += f" On one seed alone, with intervals of its questions only: {_minus(single)}."
    return paragraph


def _minus(found: Sequence[Difference]) -> str:
    return "; ".join(
        f"minus {its.other.capitalize()} {points(its.difference)} {interval(its.ci95)}"
        + (f" over {len(its.seeds)} seeds" if len(its.seeds) > 1 else "")
        for its in found
    )


def primary(evidence: Evidence) -> str:
    """Each seed of the primary claim; two intervals of the mean."""
    scores = evidence.scores()
    found = difference(*PRIMARY, scores)
    if found is None:
        return NOT_RUN
    one, other = PRIMARY
    rows = [
        [
            str(seed),
            *(percent(scores[arm][seed].scores.accuracy) for arm in ("start", other, one)),
            points(its),
        ]
        for seed, its in zip(found.seeds, found.per_seed, strict=True)
    ]
    shown = table(["seed", "start", other, one, "difference"], rows, right=range(5))
    if len(found.seeds) < 2:
        return shown
    by_t = t_interval(found.per_seed)
    return (
        f"{shown}\n\nMean {points(found.difference)}; two-level bootstrap {interval(found.ci95)}. "
        f"Student's t over {len(found.seeds)} seeds, one number each: {interval(by_t)}, p {p_value(found.p)}."
        f"{_again(evidence)}"
    )


def _again(evidence: Evidence) -> str:
    """The same difference from the kept starts."""
    found = difference(*PRIMARY, evidence.kept())
    if found is None:
        return ""
    many = "s" * (len(found.seeds) > 1)
    return (
        f"\n\nAgain, from the kept starts (*All arms*): {points(found.difference)} {interval(found.ci95)}, "
        f"seed{many} {', '.join(map(str, found.seeds))}."
    )


def arms(evidence: Evidence) -> str:
    """Mean accuracy of every arm over its seeds, and STAT-Sel against it on the seeds that both have; first
    from the warm-ups of the primary claim, then from the kept starts."""
    rows = []
    for setting, start in ((FROZEN, "primary"), (KEPT, "kept")):
        test, ood = (evidence.scores(setting.part, setting.name, split) for split in setting.splits)
        for arm in setting.arms:
            if arm not in test or arm not in ood:
                continue
            found = None if arm == "stat-sel" else difference("stat-sel", arm, test)
            rows.append(
                [
                    start,
                    arm,
                    str(len(test[arm])),
                    percent(mean(test[arm])),
                    percent(mean(ood[arm])),
                    *(["", ""] if found is None else [points(found.difference), interval(found.ci95)]),
                ]
            )
    headers = ["warm-ups", "arm", "seeds", "test", "ood", "STAT-Sel minus it, test", "95%"]
    return table(headers, rows, right=range(2, 7)) if rows else NOT_RUN


def secondary(evidence: Evidence) -> str:
    """Every other comparison that was planned. One seed says nothing of other trainings: it has no p, and
    counts as 1 for Holm's adjustment, as does what was not run yet."""
    found = [
        (comparison, difference(comparison[3], comparison[4], evidence.scores(*comparison[:3])))
        for comparison in SECONDARY
    ]
    adjusted = holm([its.p if its and len(its.seeds) > 1 else 1.0 for _, its in found])
    rows = [
        [
            f"{its.one} minus {its.other}",
            {FROZEN.part: split, KEPT.part: f"{split}, {setting}"}.get(part, f"{split}, {part} {setting}"),
            str(len(its.seeds)),
            points(its.difference),
            interval(its.ci95),
            *([p_value(its.p), p_value(p)] if len(its.seeds) > 1 else ["", ""]),
        ]
        for ((part, setting, split, *_), its), p in zip(found, adjusted, strict=True)
        if its is not None
    ]
    if not rows:
        return NOT_RUN
    missing = [f"{c[3]} minus {c[4]} ({c[2]}, {c[0]}, {c[1]})" for c, its in found if its is None]
    note = f"\n\nNot run yet: {'; '.join(missing)}." if missing else ""
    headers = ["comparison", "on", "seeds", "points", "95%", "p", "p (Holm)"]
    return table(headers, rows, right=range(2, 7)) + note


def rates(evidence: Evidence) -> str:
    """Accuracy on the development split of the tuning seed at each learning rate; the chosen one is bold."""
    by_rate = {rate: evidence.scores("rates", f"{rate:g}", "development") for rate in RATES}
    rows = []
    for arm in TRAINED:
        tried = {rate: its[arm][TUNING_SEED].scores.accuracy for rate, its in by_rate.items() if arm in its}
        best = best_rate(tried) if len(tried) == len(RATES) else None
        cells = [percent(tried[rate]) if rate in tried else "-" for rate in RATES]
        if tried:
            cells = [f"**{c}**" if rate == best else c for rate, c in zip(RATES, cells, strict=True)]
            rows.append([arm, *cells])
    headers = ["arm", *(f"{rate:g}" for rate in RATES)]
    return table(headers, rows, right=range(1, len(headers))) if rows else NOT_RUN


def hours(evidence: Evidence) -> str:
    """How long the cells took, by part; one seed of the primary claim apart."""
    rows, total = [], 0.0
    for part in PARTS:
        cells = {
            (row["setting"], row["seed"], "" if part == "prompting" else row["arm"]): row["seconds"]
            for row in evidence.rows(part)
        }
        total += sum(cells.values())
        if cells:
            rows.append([part, str(len(cells)), f"{sum(cells.values()) / 3600:.1f}"])
    if not rows:
        return NOT_RUN
    took = {(row["seed"], row["arm"]): row["seconds"] for row in evidence.rows(FROZEN.part)}
    needed = ("start", *PRIMARY)
    whole = [
        sum(took[seed, arm] for arm in needed) / 60
        for seed in SEEDS
        if all((seed, arm) in took for arm in needed)
    ]
    said = f" One seed of the primary claim: {min(whole):.0f} to {max(whole):.0f} minutes." if whole else ""
    rows.append(["together", "", f"{total / 3600:.1f}"])
    return f"{table(['part', 'cells', 'hours'], rows, right=(1, 2))}\n\nHours of one CPU core.{said}"
