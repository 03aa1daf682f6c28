"""The primary claim: its paragraph, and its seeds."""

from stat_train.report.wording import p_value, points
from studies.study.again import replicates
from studies.study.evidence import Difference, Evidence, difference, t_interval
from studies.study.mix import sentence
from studies.study.plan import HALF_WIDTH, PRIMARY, SEEDS, TARGET, place_of
from studies.study.words import NOT_RUN, interval, seed_by_seed, seeds_of

CONTROL = "balanced"
"""Leaves the pool's skew behind as STAT-Sel does, and knows no missing skill."""
OTHERS = ("hard", "shuffled")


def headline(evidence: Evidence) -> str:
    """The primary claim in one paragraph, whatever it came to."""
    found = difference(*PRIMARY, evidence.scores())
    if found is None:
        return f"**{NOT_RUN}**"
    low, high = found.ci95
    said = "STAT-Sel beats Random" if low > 0 else "No difference between STAT-Sel and Random is shown"
    said = "STAT-Sel is worse than Random" if high < 0 else said
    said = said if len(found.seeds) == len(SEEDS) else f"Interim: {said}"
    half = (high - low) / 2
    return (
        f"**{said}: {points(found.difference)} points on test, 95% {points(low)} to {points(high)}** "
        f"({seeds_of(found)}). {_target(found)}; the half-width, {100 * half:.1f}, is "
        f"{'within' if half <= HALF_WIDTH else 'wider than'} the {100 * HALF_WIDTH:.0f} fixed before."
        f"{sentence(evidence)}{_diagnosis(evidence)}"
    )


def _target(found: Difference) -> str:
    if found.difference >= TARGET:
        return f"It reaches the target of {points(TARGET)}"
    excluded = "also excludes" if found.ci95[1] < TARGET else "does not exclude"
    return f"It is below the target of {points(TARGET)}, which the interval {excluded}"


def _diagnosis(evidence: Evidence) -> str:
    """How STAT-Sel does against an even set, without any diagnosis; and against sets by other profiles."""
    against = {
        arm: its
        for arm in (CONTROL, *OTHERS)
        if (its := difference("stat-sel", arm, evidence.scores(*place_of(arm))))
    }
    paragraph = ""
    if control := against.pop(CONTROL, None):
        ahead = control.ci95[0] > 0
        said = "It is ahead of" if ahead else "**That the diagnosis is why is not shown**: it is not ahead of"
        paragraph += (
            f" {said} Balanced, a set that is even over the skills without any diagnosis: {_minus(control)}."
        )
    for single, where in (
        (False, "From the kept starts, adjusted for nothing"),
        (True, "On one seed, with intervals of its questions only"),
    ):
        found = [_minus(its) for its in against.values() if (len(its.seeds) == 1) == single]
        paragraph += f" {where}: {'; '.join(found)}." if found else ""
    return paragraph


def _minus(found: Difference) -> str:
    seeds = f" over {len(found.seeds)} seeds" if len(found.seeds) > 1 else ""
    return f"minus {found.other.capitalize()} {points(found.difference)} {interval(found.ci95)}{seeds}"


def primary(evidence: Evidence) -> str:
    """Each seed of the primary claim; two intervals of the mean; and the same seeds trained again."""
    scores = evidence.scores()
    found = difference(*PRIMARY, scores)
    if found is None:
        return NOT_RUN
    shown = seed_by_seed(found, scores)
    if len(found.seeds) > 1:
        shown += (
            f"\n\nMean {points(found.difference)}; two-level bootstrap {interval(found.ci95)}. "
            f"Student's t over {len(found.seeds)} seeds, one number each: "
            f"{interval(t_interval(found.per_seed))}, p {p_value(found.p)}."
        )
    again = replicates(evidence)
    return f"{shown}\n\n{again}" if again else shown
