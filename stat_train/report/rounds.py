"""The rounds in words and rows: shared by the terminal and the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stat_train.report.results import START, Paired, ProfileChange, Results, Round, SplitScore
from stat_train.report.views import split_order
from stat_train.report.wording import comparison, listing, points

NAMED = 3
"""Skills named in a sentence."""


@dataclass(frozen=True, slots=True)
class RoundScore:
    """What one training scored on a split, and its paired difference to the round before, or of the arm of
    equal budget to the start."""

    what: str
    arm: str
    split: str
    score: SplitScore
    against: Paired | None


def round_scores(results: Results) -> Iterator[RoundScore]:
    """Every split: the start, each round, and the arm of equal budget where there is one."""
    if not results.rounds:
        return
    arms = [(START, "start"), (results.rounds[0].against, "round 1")]
    arms += [(its.arm, f"round {its.number}") for its in results.rounds]
    arms += [(arm, "at once") for arm in at_once_arms(results)]
    pairs = {(pair.arm, pair.against, pair.split): pair for pair in results.paired}
    before = {results.rounds[0].against: START} | {its.arm: its.against for its in results.rounds}
    for split in split_order(results):
        for arm, what in arms:
            if split in results.arms.get(arm, {}):
                pair = pairs.get((arm, before.get(arm, START), split))
                yield RoundScore(what, arm, split, results.arms[arm][split], pair)


def at_once_arms(results: Results) -> list[str]:
    """The arm that had all rounds' pairs in one training."""
    name = f"{results.rounds[0].against}-at-once" if results.rounds else ""
    return [arm for arm in results.arms if arm == name]


def described_arms(results: Results) -> dict[str, str]:
    """A few words on each arm that the rounds add."""
    known = {
        its.arm: f"round {its.number}, after {its.against}: answered, diagnosed and selected anew"
        for its in results.rounds
    }
    return known | dict.fromkeys(
        at_once_arms(results),
        "as many pairs as all rounds have together, by the first profile, in one training",
    )


def round_comparisons(results: Results) -> list[str]:
    """Each round against the one before, and the last against all at once, in sentences."""
    wanted = [(its.arm, its.against) for its in results.rounds]
    wanted += [(results.rounds[-1].arm, arm) for arm in at_once_arms(results)]
    return [
        comparison(pair)
        for split in split_order(results)
        for arm, against in wanted
        for pair in results.paired
        if (pair.arm, pair.against, pair.split) == (arm, against, split)
    ]


def change_name(change: ProfileChange) -> str:
    """The skill, after its subject where there is one."""
    return f"{change.subject}/{change.skill}" if change.subject else change.skill


def is_clear(change: ProfileChange) -> bool:
    """Whether the interval of the difference excludes 0."""
    return change.ci95 is not None and (change.ci95[0] > 0 or change.ci95[1] < 0)


def round_headline(its: Round) -> str:
    """What was gained, forgotten and replayed, in one sentence."""
    gained = [change for change in its.changes if (change.difference or 0) < 0]
    lost = [change for change in reversed(its.changes) if (change.difference or 0) > 0]
    back = sorted((change for change in its.changes if change.replayed), key=lambda change: -change.replayed)
    told = (
        f"Before round {its.number}, after {its.against}, {_counted(gained)} were missing less often than a "
        f"round earlier and {_counted(lost)} more often; "
    )
    if not back:
        return f"{told}none came back by replay"
    named = listing([f"{change_name(change)} {change.replayed}" for change in back[:NAMED]])
    more = f", and {len(back) - NAMED} more skills" if len(back) > NAMED else ""
    return f"{told}{its.replayed} of {its.pairs} new pairs are replay ({named}{more})"


def _counted(changes: Sequence[ProfileChange]) -> str:
    if not changes:
        return "no skills"
    clear = sum(map(is_clear, changes))
    most = f"most: {change_name(changes[0])} {points(changes[0].difference or 0)}"
    return f"{len(changes)} skills ({clear} clearly; {most})"
