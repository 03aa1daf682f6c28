"""GRPO on the page."""

from collections.abc import Iterator

from stat_train.report.grpo_wording import (
    GRPO_COLUMNS,
    grpo_comparisons,
    grpo_figures,
    grpo_headline,
    outcomes_told,
)
from stat_train.report.markdown import bullets, code, prose, table
from stat_train.report.results import GRPOTraining, Results
from stat_train.report.wording import points, points_interval


def grpo_sections(results: Results, picture: str) -> Iterator[str]:
    """How each training was set, its reward by batch (`picture`) and by skill, and what it changed."""
    yield "## GRPO: learning from verified answers"
    yield bullets(prose(f"{grpo_headline(its)}.") for its in results.grpo)
    yield picture
    yield table(
        ["arm", *GRPO_COLUMNS],
        ([code(its.arm, cell=True), *grpo_figures(its)] for its in results.grpo),
        right=range(1, 1 + len(GRPO_COLUMNS)),
    )
    yield (
        "First, last: mean reward in the first and the last third of the batches; points: last minus first, "
        "its interval over groups (one question with all its answers), none where a third has fewer than two "
        "or their rewards are all alike. Flat: groups whose answers earned one and the same reward, and so "
        "taught nothing."
    )
    yield bullets(prose(f"{its.arm}: {_settings(its)}. {outcomes_told(its)}.") for its in results.grpo)
    yield bullets(map(prose, grpo_comparisons(results)))
    for its in results.grpo:
        if its.skills:
            yield f"### Reward per skill: {code(its.arm)}"
            yield table(
                ["skill", "groups", "first third", "last third", "points", "95% interval"],
                (
                    [
                        code(skill.skill, cell=True),
                        f"{skill.groups:,}",
                        *("-" if share is None else f"{share:.2f}" for share in (skill.first, skill.last)),
                        "" if skill.difference is None else points(skill.difference),
                        "" if skill.ci95 is None else points_interval(skill.ci95),
                    ]
                    for skill in its.skills
                ),
                right=(1, 2, 3, 4, 5),
            )


def _settings(its: GRPOTraining) -> str:
    updates = f"{its.updates} updates" if its.updates > 1 else "one update"
    return (
        f"{its.questions} questions x {its.rollouts} answers and {updates} a batch, prompts {its.prompts}, "
        f"loss {its.loss_type}, beta {its.beta:g}, learning rate {its.learning_rate:g}"
    )
