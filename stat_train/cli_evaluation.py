"""The commands that score models beside a run: benchmarks, and tasks for other harnesses."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stat_train.recipe import Recipe

RecipeOrModel = Annotated[
    str,
    typer.Argument(metavar="RECIPE|MODEL", help="A YAML file, or a model: folder or hub id."),
]


class Harness(StrEnum):
    """The harnesses that tasks are written for."""

    LM_EVAL = "lm-eval"
    LIGHTEVAL = "lighteval"


Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Overrides, such as benchmarks.sampling.n=4."),
]


def benchmark(
    recipe: RecipeOrModel,
    overrides: Overrides = None,
    tasks: Annotated[
        str, typer.Option(help="Which, apart by commas: packaged names, or YAML files of your own.")
    ] = "",
    arms: Annotated[str, typer.Option(help="On which arms, apart by commas; none: on all.")] = "",
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK=PATH", help="A local file, or a folder in hub layout, for a benchmark."),
    ] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="Only so many of each benchmark, to try it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and do nothing.")] = False,
) -> None:
    """Score a recipe's arms, or a model, on benchmarks. Runs what it needs first; answers are kept."""
    from rich.console import Console

    from stat_train.errors import Interrupted
    from stat_train.pipeline import plan, run_recipe
    from stat_train.pipeline.benchmarking import BENCHMARK_FILES, FIGURES, SUMMARY
    from stat_train.pipeline.stand_ins import plannable
    from stat_train.recipe_file import read_benchmarks
    from stat_train.report.benchmark_page import print_benchmarks
    from stat_train.report.benchmarks import Benchmarks

    about_benchmarks = [text for text in overrides or () if text.startswith("benchmarks.")]
    read = _read(recipe, [text for text in overrides or () if text not in about_benchmarks])
    given: dict[str, object] = {}
    if tasks:
        given["tasks"] = _names(tasks)
    if arms:
        given["arms"] = _names(arms)
    if source:
        given["sources"] = dict(map(_source, source))
    if questions:
        given["questions"] = questions
    options = read_benchmarks(read, about_benchmarks, given)
    if dry_run:
        with plannable(read) as (planned, _):
            rows = plan(planned, SUMMARY, options)
        width = max(len(title) for title, _, _ in rows)
        for title, state, work in rows:
            typer.echo(f"{title:{width}}  {state:9}  {work}")
        return
    try:
        stage = run_recipe(read, SUMMARY, options)[SUMMARY]
    except KeyboardInterrupt as interrupt:
        raise Interrupted(f"{read.folder}: stopped; run the same command again to go on") from interrupt
    print_benchmarks(Benchmarks.read(stage.file(FIGURES)), Console())
    typer.echo(f"{SUMMARY}: {', '.join(str(read.folder / name) for name in BENCHMARK_FILES)}")


def export_tasks(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe: a YAML file.")],
    to: Annotated[Harness, typer.Option("--to", help="For which harness.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Overrides, such as evaluation.sampling.max_tokens=512."),
    ] = None,
) -> None:
    """Write the evaluation splits as tasks of another harness, one a split and one a skill."""
    from stat_train.pipeline.exporting import export_tasks as export
    from stat_train.recipe_file import read_recipe

    made = export(read_recipe(recipe, overrides or ()), to.value, out)
    for task in made.tasks:
        typer.echo(f"{task.name}: {task.n:,} questions")
    typer.echo(f"{out}: see {out / 'README.md'} for how they are run")


def _read(name: str, overrides: list[str]) -> "Recipe":
    from stat_train.recipe_file import is_recipe, read_recipe, recipe_of_model

    return read_recipe(Path(name), overrides) if is_recipe(name) else recipe_of_model(name, overrides)


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def _source(text: str) -> tuple[str, str]:
    from stat_train.errors import UserError

    task, equals, place = text.partition("=")
    if not (task and equals and place):
        raise UserError(f"command line: --source {text!r}: write TASK=PATH, such as amc23=data/amc23.jsonl")
    return task, place
