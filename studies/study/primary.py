"""The primary claim: its paragraph, its seeds, and what a rerun gave."""

from collections.abc import Mapping, Sequence

from stat_train.report.markdown import table
from stat_train.report.wording import p_value, percent, points
from studies.study.evidence import BySeed, Difference, Evidence, difference, t_interval
from studies.study.plan import FROZEN, HALF_WIDTH, PRIMARY, SEEDS, TARGET, place_of
from studies.study.words import NOT_RUN, interval, seeds_of

RERUN = "again"
"""The folder beside the rows in which a rerun's rows are kept."""
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
    shown = _seed_by_seed(found, scores)
    if len(found.seeds) < 2:
        return shown
    by_t = t_interval(found.per_seed)
    return (
        f"{shown}\n\nMean {points(found.difference)}; two-level bootstrap {interval(found.ci95)}. "
        f"Student's t over {len(found.seeds)} seeds, one number each: {interval(by_t)}, p {p_value(found.p)}."
        f"{_again(evidence)}"
    )


def _seed_by_seed(found: Difference, scores: Mapping[str, BySeed]) -> str:
    arms = ("start", found.other, found.one)
    rows = [
        [str(seed), *(percent(scores[arm][seed].scores.accuracy) for arm in arms), points(its)]
        for seed, its in zip(found.seeds, found.per_seed, strict=True)
    ]
    return table(["seed", *arms, "difference"], rows, right=range(5))


def rerun(evidence: Evidence) -> str:
    """Seeds of the primary claim that were run once more elsewhere, beside what the claim lets one expect."""
    elsewhere = Evidence(evidence.folder / RERUN, evidence.device)
    found, recorded = (difference(*PRIMARY, its.scores()) for its in (elsewhere, evidence))
    if found is None or recorded is None or len(recorded.seeds) < 2:
        return NOT_RUN
    cells = {(row["seed"], row["arm"]): row for row in elsewhere.rows(FROZEN.part)}
    minutes = sum(row["seconds"] for row in cells.values()) / 60
    how = {
        f"{row['threads']} threads, {row['precision']}"
        for (_, arm), row in cells.items()
        if arm == PRIMARY[0]
    }
    shown = _seed_by_seed(found, elsewhere.scores())
    least, most = points(min(recorded.per_seed)), points(max(recorded.per_seed))
    return (
        f"{shown}\n\n{minutes:.0f} minutes, {'; '.join(sorted(how))}. "
        f"Least and most on record: {least} and {most}; "
        f"one more seed is expected in {interval(t_interval(recorded.per_seed, one_more=True))}."
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
