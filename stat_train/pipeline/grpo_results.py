"""What GRPO did, for the results."""

from collections.abc import Iterator

from stat_train.data.jsonl import read_jsonl
from stat_train.pipeline.step import Work
from stat_train.recipe import METHODS, START, Recipe, grpo_arm
from stat_train.report.results import GRPOTraining, SkillReward
from stat_train.training.reward import OUTCOMES
from stat_train.training.rewards import Group, curve, groups_of, thirds
from stat_train.training.rollouts import ROLLOUTS

LONGEST_CURVE = 60
"""Points of the curve over all questions."""


def grpo_comparisons(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Each arm after GRPO against itself before and against the start, then each method after GRPO against
    the others after GRPO: the start, the controls, and the methods before it in their order."""
    bases = recipe.grpo_bases
    for arm in bases:
        yield grpo_arm(arm), arm
        if arm != START:
            yield grpo_arm(arm), START
    methods = [arm for arm in METHODS if arm in bases]
    others = [arm for arm in bases if arm not in methods]
    for place, method in enumerate(methods):
        yield from ((grpo_arm(method), grpo_arm(other)) for other in (*others, *methods[:place]))


def grpo_trainings(work: Work) -> Iterator[GRPOTraining]:
    """One for each arm of the section `grpo:`, in its order."""
    options = work.recipe.grpo
    for arm in work.recipe.grpo_bases:
        assert options
        manifest = work.given[f"grpo {arm}"].manifest
        assert manifest is not None
        counts = manifest["counts"]
        groups = groups_of(read_jsonl(work.file(f"grpo {arm}", "model") / ROLLOUTS))
        batches, seed = counts["batches"], work.recipe.seed
        overall = thirds(groups, batches, seed=seed)
        assert overall.first is not None
        assert overall.last is not None
        assert overall.difference is not None
        yield GRPOTraining(
            arm=grpo_arm(arm),
            before=arm,
            learning_rate=options.learning_rate,
            loss_type=options.loss_type,
            beta=options.beta,
            prompts=options.prompts,
            batches=batches,
            questions=options.questions,
            rollouts=options.rollouts,
            updates=options.updates,
            curve=curve(groups, batches, LONGEST_CURVE),
            first=overall.first,
            last=overall.last,
            difference=overall.difference,
            ci95=overall.ci95,
            groups=counts["groups"],
            flat=counts["flat"],
            answers=counts["answers"],
            cut_off=counts["cut_off"],
            outcomes={outcome: counts[outcome] for outcome in OUTCOMES},
            quarantined=counts["quarantined"],
            skills=list(_skills(groups, batches, seed)),
        )


def _skills(groups: list[Group], batches: int, seed: int) -> Iterator[SkillReward]:
    """The skills, those that were asked most often first."""
    names = [name for group in groups for name in group.keys if name]
    for name in sorted(set(names), key=lambda its: (-names.count(its), its)):
        its = [group for group in groups if name in group.keys]
        found = thirds(its, batches, seed=seed)
        yield SkillReward(
            skill=name,
            groups=len(its),
            curve=curve(its, batches),
            first=found.first,
            last=found.last,
            difference=found.difference,
            ci95=found.ci95,
        )
