"""The rounds on the page."""

from collections.abc import Iterator

from stat_train.report.markdown import bullets, code, prose, table
from stat_train.report.results import ProfileChange, Results
from stat_train.report.rounds import (
    change_name,
    is_clear,
    round_comparisons,
    round_headline,
    round_scores,
)
from stat_train.report.wording import percent, percent_interval, points, points_interval


def round_sections(results: Results) -> Iterator[str]:
    """Accuracy round by round, and for each round what the profile gained and lost; nothing for one round."""
    if not results.rounds:
        return
    yield "## Round by round"
    begun = (
        "the starting point, on the pairs of all rounds so far"
        if results.rounds[0].from_start
        else "the weights of the round before, on new pairs"
    )
    yield f"Each later round answered, was diagnosed and selected anew, and trained from {begun}."
    yield table(
        ["split", "", "arm", "accuracy", "95% interval", "points", "95% interval"],
        (
            [
                code(row.split, cell=True),
                row.what,
                code(row.arm, cell=True),
                percent(row.score.accuracy),
                percent_interval(row.score.ci95),
                points(row.against.difference) if row.against else "",
                points_interval(row.against.ci95) if row.against else "",
            ]
            for row in round_scores(results)
        ),
        right=(3, 4, 5, 6),
    )
    yield "Points: minus the round before; round 1 and the arm trained at once, minus the start."
    yield bullets(map(prose, round_comparisons(results)))
    for its in results.rounds:
        yield f"### Round {its.number}: what was gained, what was forgotten"
        yield f"{prose(round_headline(its))}."
        yield table(
            ["skill", "before", "after", "points", "95% interval", "", "replayed"],
            (
                [
                    code(change_name(change), cell=True),
                    *("-" if share is None else percent(share, 0) for share in (change.before, change.after)),
                    "" if change.difference is None else points(change.difference),
                    "" if change.ci95 is None else points_interval(change.ci95),
                    _status(change),
                    str(change.replayed or ""),
                ]
                for change in its.changes
            ),
            right=(1, 2, 3, 4, 6),
        )
        yield (
            "Before, after: the share of a skill's validation questions whose answer was difficult and "
            "lacked it, a round earlier and now. Unclear: the interval holds 0. New, not asked: no question "
            "needed it a round earlier, or now. Replayed: pairs of this round that are there because the "
            "skill was forgotten."
        )


def _status(change: ProfileChange) -> str:
    if change.difference is None:
        return "new" if change.before is None else "not asked"
    if change.difference == 0:
        return ""
    if not is_clear(change):
        return "unclear"
    return "**gained**" if change.difference < 0 else "**forgotten**"
