"""GRPO in words and figures: shared by the terminal and the page."""

from stat_train.report.results import GRPOTraining, Results
from stat_train.report.views import split_order
from stat_train.report.wording import comparison, points, points_interval

GRPO_COLUMNS = ("batches", "first", "last", "points", "95% interval", "flat")


def grpo_arms(results: Results) -> dict[str, str]:
    """A few words on each arm that GRPO adds."""
    return {
        its.arm: f"{its.before}, then GRPO: its own answers to questions of the pool, rewarded where verified"
        for its in results.grpo
    }


def grpo_figures(its: GRPOTraining) -> list[str]:
    """The figures under `GRPO_COLUMNS`."""
    return [
        f"{its.batches:,}",
        f"{its.first:.3f}",
        f"{its.last:.3f}",
        points(its.difference),
        "" if its.ci95 is None else points_interval(its.ci95),
        f"{its.flat:,} of {its.groups:,}",
    ]


def grpo_headline(its: GRPOTraining) -> str:
    """Whether the reward rose, in one sentence."""
    if its.ci95 is None:
        did, interval = "went", "too few rewards, or too much alike, to tell it from chance"
    else:
        low, high = its.ci95
        did = "rose," if low > 0 else "fell," if high < 0 else "did not change by more than chance,"
        interval = points_interval(its.ci95)
    return (
        f"{its.arm}: the reward {did} from {its.first:.3f} in the first third of {its.batches:,} batches to "
        f"{its.last:.3f} in the last ({points(its.difference)} points, {interval})"
    )


def grpo_comparisons(results: Results) -> list[str]:
    """Every comparison of an arm after GRPO, in sentences."""
    arms = {its.arm for its in results.grpo}
    return [
        comparison(pair)
        for split in split_order(results)
        for pair in results.paired
        if pair.split == split and pair.arm in arms
    ]


def outcomes_told(its: GRPOTraining) -> str:
    """What became of the answers, with what was set aside."""
    counted = ", ".join(f"{outcome.replace('_', ' ')} {n:,}" for outcome, n in its.outcomes.items() if n)
    told = f"{its.answers:,} answers: {counted}; {its.cut_off:,} cut off at the token limit"
    if its.quarantined:
        told += f"; {its.quarantined:,} questions never asked, since their gold answer cannot be scored"
    return told
