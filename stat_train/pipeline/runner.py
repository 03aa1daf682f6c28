"""Running a recipe's steps, and saying what a run would do."""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from stat_train.data.atomic import atomic_file
from stat_train.errors import UserError
from stat_train.evaluation.options import BenchmarkOptions
from stat_train.gpu import give_back
from stat_train.pipeline.answers import GRADED, RESPONSES
from stat_train.pipeline.benchmarking import BENCHMARK_FILES
from stat_train.pipeline.data import split_sizes
from stat_train.pipeline.list_check import check_lists
from stat_train.pipeline.opening import JUDGE
from stat_train.pipeline.pool_check import check_pool
from stat_train.pipeline.prompt_examples import check_templates
from stat_train.pipeline.reporting import SHOWN
from stat_train.pipeline.step import Step, Work
from stat_train.pipeline.steps import steps_up_to, to_retry
from stat_train.recipe import Recipe
from stat_train.run import Run, Stage

WIDTH = 30
PUBLISHED = {"report": SHOWN, "benchmarks": BENCHMARK_FILES}
"""What of a stage stands at the top of the run's folder."""


def run_recipe(
    recipe: Recipe, up_to: str | None = None, beside: BenchmarkOptions | None = None
) -> dict[str, Stage]:
    """Run what is not current, in order; with `up_to`, only that stage and what it needs, which may be one
    of the benchmarks `beside` the recipe.

    Returns the stages by title. What was done stays done: a run that was stopped goes on where it was.
    Raises UserError for input that cannot be used, Unfinished where rows are owed or a budget is spent.
    """
    if isinstance(recipe, str | Path):
        raise UserError(f"run_recipe takes a recipe, not a path: run_recipe(read_recipe({str(recipe)!r}))")
    return run_steps(recipe, steps_up_to(recipe, up_to, beside))


def run_steps(recipe: Recipe, steps: Sequence[Step]) -> dict[str, Stage]:
    """Run these steps, each after those that it needs: a recipe's, or a study's own beside them.

    Returns and raises what `run_recipe` does.
    """
    _check_templates(recipe, steps)
    done: dict[str, Stage] = {}
    with Run(recipe.folder) as run:
        for step in steps:
            stage = step.stage(run, done)
            if stage.done and not to_retry(stage, recipe):
                _say(f"{step.title:{WIDTH}} current")
            else:
                _do(step, stage, recipe, done)
            done[step.title] = stage
            if step.title == "data":
                check_lists(recipe, steps, stage)
                check_pool(recipe, steps, stage)
        for title, names in PUBLISHED.items():
            if title in done:
                _publish(done[title], names, run.folder)
    return done


def _check_templates(recipe: Recipe, steps: Sequence[Step]) -> None:
    tasks = {task for step in steps for task in step.templates}
    check_templates(recipe, tasks | ({JUDGE} if recipe.grader == JUDGE else set()))


def _do(step: Step, stage: Stage, recipe: Recipe, done: Mapping[str, Stage]) -> None:
    _say(f"{step.title:{WIDTH}} ...")
    started = time.monotonic()
    stage.begin(keep=(RESPONSES,) if stage.done and stage.name in GRADED else ())
    step.work(Work(recipe, stage, step.given(done)))
    give_back()
    manifest = stage.manifest
    assert manifest is not None, f"{step.title} did not finish"
    _say(f"{step.title:{WIDTH}} done in {time.monotonic() - started:,.1f} s: {_counts(manifest['counts'])}")
    for note in manifest["notes"]:
        _say(f"{'':{WIDTH}} note: {note}")


def _counts(counts: Mapping[str, object]) -> str:
    shown = {name: n for name, n in counts.items() if isinstance(n, int)}
    return ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in shown.items()) or "ok"


def _publish(report: Stage, names: Sequence[str], folder: Path) -> None:
    """A report's files at the top of the run's folder, whichever report is current."""
    for name in names:
        if report.file(name).exists():
            with atomic_file(folder / name) as file, report.file(name).open("rb") as made:
                shutil.copyfileobj(made, file)


def plan(
    recipe: Recipe, up_to: str | None = None, beside: BenchmarkOptions | None = None
) -> list[tuple[str, str, str]]:
    """What a run would do: (title, "current" | "would run", what there is to do) for each step.

    Nothing is written or asked. A step whose inputs are still to be made would run.
    """
    steps = steps_up_to(recipe, up_to, beside)
    _check_templates(recipe, steps)
    run, sizes = Run(recipe.folder), split_sizes(recipe)
    done: dict[str, Stage] = {}
    rows = []
    for step in steps:
        current = False
        if all(title in done for title in step.after):
            stage = step.stage(run, done)
            current = stage.done and not to_retry(stage, recipe)
            if stage.done:
                done[step.title] = stage
        rows.append((step.title, "current" if current else "would run", step.plan(sizes)))
    return rows


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
