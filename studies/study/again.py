"""The primary claim's difference once more: the same seeds trained again, here and elsewhere."""

from collections.abc import Mapping
from statistics import fmean, stdev

from stat_train.report.wording import points
from studies.study.evidence import BySeed, Difference, Evidence, differ, difference, t_interval
from studies.study.plan import FROZEN, PRIMARY
from studies.study.words import NOT_RUN, interval, seed_by_seed

RERUN = "again"
"""The folder beside the rows in which a rerun's rows are kept."""


def replicates(evidence: Evidence) -> str:
    """Every further training of both arms of the claim from one start, and how far trainings of one seed
    lie apart; empty where there is none."""
    recorded = _each_seed(evidence.scores())
    kept, shared = _apart(evidence)
    places = {
        "from the kept start (*All arms*)": kept,
        "from the same start once more, for *GRPO on top*": evidence.scores("grpo", "on top"),
        "on another machine (below)": Evidence(evidence.folder / RERUN, evidence.device).scores(),
    }
    further = {where: _each_seed(scores) for where, scores in places.items()}
    lines, squares, free = [], 0.0, 0
    for seed in sorted({seed for by_seed in further.values() for seed in by_seed}):
        found = {where: by_seed[seed] for where, by_seed in further.items() if seed in by_seed}
        told = [f"{where}: {points(its.difference)} {interval(its.ci95)}" for where, its in found.items()]
        lines.append(f"Seed {seed} trained again, {'; '.join(told)}.")
        same = [its.difference for its in found.values()]
        same += [recorded[seed].difference] if seed in recorded else []
        squares += sum((its - fmean(same)) ** 2 for its in same)
        free += len(same) - 1
    if shared:
        lines.append(
            f"For seed {' and '.join(map(str, shared))} the kept start has the table's weights, so its "
            "trainings are these."
        )
    if free and len(recorded) > 1:
        between = stdev(its.difference for its in recorded.values())
        lines.append(
            f"Trainings of one seed have a standard deviation of {100 * (squares / free) ** 0.5:.1f} points "
            f"in this difference, the {len(recorded)} seeds of the table one of {100 * between:.1f}."
        )
    return " ".join(lines)


def _apart(evidence: Evidence) -> tuple[dict[str, BySeed], list[int]]:
    """The arms from kept starts but where they are the claim's own; and the seeds where both arms are."""
    starts = {seed: cell.start for its in evidence.scores().values() for seed, cell in its.items()}
    kept = evidence.kept()
    apart: dict[str, BySeed] = {
        arm: {seed: cell for seed, cell in its.items() if starts.get(seed) != cell.start}
        for arm, its in kept.items()
    }
    shared = (kept.get(arm, {}).keys() - apart.get(arm, {}).keys() for arm in PRIMARY)
    return apart, sorted(set.intersection(*map(set, shared)))


def _each_seed(scores: Mapping[str, BySeed]) -> dict[int, Difference]:
    one, other = (scores.get(arm, {}) for arm in PRIMARY)
    found = {seed: differ(*PRIMARY, {seed: one[seed]}, {seed: other[seed]}) for seed in one if seed in other}
    return {seed: its for seed, its in found.items() if its is not None}


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
    shown = seed_by_seed(found, elsewhere.scores())
    least, most = points(min(recorded.per_seed)), points(max(recorded.per_seed))
    return (
        f"{shown}\n\n{minutes:.0f} minutes, {'; '.join(sorted(how))}. "
        f"Least and most on record: {least} and {most}; "
        f"one more seed is expected in {interval(t_interval(recorded.per_seed, one_more=True))}."
    )
