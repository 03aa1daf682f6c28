"""All steps of a recipe, in the order in which they run."""

from collections.abc import Callable, Sequence

from stat_train.errors import UserError
from stat_train.evaluation.options import BenchmarkOptions
from stat_train.pipeline.adaptmi import ADAPTMI, adaptmi_steps
from stat_train.pipeline.answers import GRADED
from stat_train.pipeline.arms import evaluate_step
from stat_train.pipeline.asides import agreement_step, audit_step
from stat_train.pipeline.benchmarking import benchmark_steps, task_steps
from stat_train.pipeline.data import data_step, student_step
from stat_train.pipeline.embedding import EMBEDDED_ARMS, embed_step
from stat_train.pipeline.grpo import grpo_steps
from stat_train.pipeline.metacognition import (
    answer_step,
    diagnose_step,
    difficulty_step,
    label_step,
    profile_step,
    taxonomy_step,
)
from stat_train.pipeline.reporting import report_step
from stat_train.pipeline.rewriting import rewrite_step
from stat_train.pipeline.rounds import later_steps
from stat_train.pipeline.selection import select_step
from stat_train.pipeline.step import Step
from stat_train.pipeline.sweep import sft_steps
from stat_train.pipeline.synthesis import synthesize_step
from stat_train.recipe import DEVELOPMENT, START, SYNTHESIZED, Method, Recipe
from stat_train.run import Run, Stage

ASIDES: dict[str, Callable[[Recipe], list[Step]]] = {
    "audit": lambda recipe: [audit_step(recipe)],
    "agreement": lambda recipe: [agreement_step(recipe)],
    ADAPTMI: adaptmi_steps,
}
"""The steps beside a run, by the name they are asked for."""


def all_steps(recipe: Recipe) -> list[Step]:
    """From data to evidence, as a reader would list it."""
    steps = [*_first_round(recipe), *later_steps(recipe, _first_round), *grpo_steps(recipe)]
    if recipe.benchmarks:
        steps = [*task_steps(recipe, recipe.benchmarks), *steps, *benchmark_steps(recipe, recipe.benchmarks)]
    return [*steps, report_step(recipe, steps)]


def _first_round(recipe: Recipe) -> list[Step]:
    splits = [*((DEVELOPMENT,) if recipe.has_development else ()), *recipe.evaluation_splits]
    before = [
        data_step(recipe),
        student_step(recipe),
        taxonomy_step(recipe),
        label_step(recipe),
        answer_step(recipe),
        difficulty_step(recipe),
        diagnose_step(recipe),
        profile_step(recipe),
        *([embed_step(recipe)] if set(EMBEDDED_ARMS) & set(recipe.arms) else ()),
    ]
    select = [
        step for arm in recipe.arms for step in (*_teacher_steps(recipe, arm), select_step(recipe, arm))
    ]
    start = [evaluate_step(recipe, START, split) for split in splits]
    trained = [
        step
        for arm in recipe.arms
        for step in (*sft_steps(recipe, arm), *(evaluate_step(recipe, arm, split) for split in splits))
    ]
    return [*before, *select, *start, *trained]


def _with_benchmarks(steps: list[Step], recipe: Recipe, beside: BenchmarkOptions) -> list[Step]:
    """`steps` with these benchmarks in place of the recipe's; what the recipe's data are cleaned by stays."""
    named = {step.title: step for step in steps}
    tasks = task_steps(recipe, beside)
    for step in tasks:
        own = named.get(step.title, step)
        if own.files != step.files:
            raise UserError(
                f"{step.title}: the recipe reads it from elsewhere; change benchmarks.sources there, or give "
                "yours another name"
            )
        if changed := sorted(key for key in step.options if own.options[key] != step.options[key]):
            differing = ", ".join(changed).replace("config", "config or split")
            raise UserError(
                f"{step.title}: the recipe reads it otherwise ({differing}); give yours another name"
            )
    scored = benchmark_steps(recipe, beside)
    replaced = {step.title for step in scored}
    kept = [step for step in steps if step.title not in replaced]
    return [*kept, *(step for step in tasks if step.title not in named), *scored]


def _teacher_steps(recipe: Recipe, arm: Method) -> list[Step]:
    """What the teacher does for an arm before its pairs are selected."""
    if arm in SYNTHESIZED:
        return [synthesize_step(recipe, arm)]
    return [rewrite_step(recipe, arm)] if recipe.selection.rewrites(arm) else []


def finished(recipe: Recipe, steps: Sequence[Step] | None = None) -> dict[str, Stage]:
    """The finished stages that a run would use as they are, by title; of these steps, or of all."""
    run = Run(recipe.folder)
    done: dict[str, Stage] = {}
    for step in all_steps(recipe) if steps is None else steps:
        if all(title in done for title in step.after):
            stage = step.stage(run, done)
            if stage.done:
                done[step.title] = stage
    return done


def to_retry(stage: Stage, recipe: Recipe) -> bool:
    """Whether the teacher is to be asked once more for a finished stage's quarantined rows, or verdicts."""
    if stage.manifest is None or not recipe.teacher.retry_quarantined:
        return False
    counts, judged = stage.manifest["counts"], stage.name in GRADED and stage.manifest["usage"]
    asked = stage.name != "grpo"  # whose quarantined rows have a gold answer that no teacher would mend
    return bool((asked and counts.get("quarantined")) or (judged and counts.get("error")))


def steps_up_to(recipe: Recipe, name: str | None, beside: BenchmarkOptions | None = None) -> list[Step]:
    """All steps, or the one of this title, else those of this name (of every arm), and what they need.

    `beside` are benchmarks that stand in no recipe; nothing that the run has depends on them.
    """
    steps = all_steps(recipe)
    if name is None:
        return steps
    if name in ASIDES:
        steps += ASIDES[name](recipe)
    if beside:
        steps = _with_benchmarks(steps, recipe, beside)
    by_title = {step.title: step for step in steps}
    wanted = {name} if name in by_title else {step.title for step in steps if step.name == name}
    if not wanted:
        why = {
            "synthesize": f"no arm of {', '.join(SYNTHESIZED)}",
            "grpo": "it has no section `grpo:`",
            "rewrite": "no arm augment, and selection.answers is 1",
        }.get(name, "`arms` is empty")
        raise UserError(f"{recipe.name}: nothing to {name}: {why}")
    for step in reversed(steps):
        if step.title in wanted:
            wanted.update(step.after)
    return [by_title[title] for title in by_title if title in wanted]
