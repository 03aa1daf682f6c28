"""The command line: thin, and quick to start, since each command imports what it needs."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stat_train.cli_evaluation import benchmark, export_tasks
from stat_train.cli_tools import cache_app, keys, profile_app, prompts_app, tutor_app
from stat_train.errors import Interrupted, Unfinished, UserError

if TYPE_CHECKING:
    from stat_train.run import Stage

STAGES = {
    "data": "Read or generate the splits; clean the pool of their questions.",
    "label": "Label the pool, validation and evaluation splits with skills.",
    "answer": "Let the student answer the validation split.",
    "difficulty": "Find the questions that are difficult for the student.",
    "diagnose": "Let the teacher name the skills that each difficult answer lacks.",
    "rewrite": "Let the teacher reword the solutions of the arms that train on rewrites.",
    "synthesize": "Let the teacher write the pairs of the arms of new questions.",
    "select": "Draw the training set of each arm.",
    "sft": "Train the student on each arm's set.",
    "grpo": "Train the arms further by GRPO on their own verified answers.",
    "evaluate": "Score the start and each arm on the evaluation splits.",
}

Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe: a YAML file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Overrides, such as sft.learning_rate=1e-4."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and do nothing.")]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Find the skills a small language model lacks, train on exactly those, and show what it changed.",
)


@app.command()
def run(
    recipe: Recipe,
    overrides: Overrides = None,
    dry_run: DryRun = False,
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="Print what the teacher would be asked and cost, and ask nothing."),
    ] = False,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Ask once more for rows without a valid answer.")
    ] = False,
) -> None:
    """Run a recipe from data to evidence; what is done already is not done again."""
    changes = [*(overrides or ()), *(["teacher.retry_quarantined=true"] if retry_quarantined else ())]
    if estimate:
        _estimate(recipe, changes)
        return
    stages = _run(recipe, changes, dry_run, None)
    if stages:
        from rich.console import Console

        from stat_train.report.extras import Extras
        from stat_train.report.results import Results
        from stat_train.report.terminal import print_results

        report = stages["report"]
        extras = Extras.model_validate_json(report.file("extras.json").read_bytes())
        print_results(Results.read(report.file("results.json")), extras)
        if "benchmarks" in stages:
            from stat_train.report.benchmark_page import print_benchmarks
            from stat_train.report.benchmarks import Benchmarks

            print_benchmarks(Benchmarks.read(stages["benchmarks"].file("benchmarks.json")), Console())
        folder = report.path.parent
        Console().print(
            f"The report: {folder / 'report.md'}   The figures: {folder / 'results.json'}", soft_wrap=True
        )


def _stage_command(name: str) -> None:
    def command(recipe: Recipe, overrides: Overrides = None, dry_run: DryRun = False) -> None:
        for title, stage in _run(recipe, overrides, dry_run, name).items():
            if title.split()[0] == name:
                typer.echo(f"{title}: {stage.path}")

    app.command(name, help=STAGES[name] + " Runs what it needs first.")(command)


for _name in STAGES:
    _stage_command(_name)


def _aside_command(name: str, told: str) -> None:
    def command(recipe: Recipe, overrides: Overrides = None, dry_run: DryRun = False) -> None:
        if stages := _run(recipe, overrides, dry_run, name):
            from stat_train.pipeline.asides import shown

            typer.echo(shown(stages[name]))
            typer.echo(f"{name}: {stages[name].path}")

    app.command(name, help=told + " Runs what it needs first.")(command)


_aside_command("audit", "Label a sample twice: agreement, names off the list, proposals for the taxonomy.")
_aside_command("adaptmi", "Answer with exemplars by skill where the student struggles, beside other prompts.")
_aside_command("agreement", "Compare the ways to find difficult questions with the graded answers.")


@profile_app.command("of", hidden=True)
def profile_of(recipe: Recipe, overrides: Overrides = None, dry_run: DryRun = False) -> None:
    """Build the Missing-Skill-Profile of a recipe and show it. Runs what it needs first."""
    stages = _run(recipe, overrides, dry_run, "profile")
    if stages:
        from stat_train.cli_tools import show

        show(stages["profile"].file("profile.json"))
        typer.echo(f"profile: {stages['profile'].path}")


@app.command()
def push(
    recipe: Recipe,
    arm: Annotated[str, typer.Argument(help="The trained arm, such as stat-sel.")],
    repo_id: Annotated[str, typer.Argument(metavar="REPO_ID", help="Where to on the hub: you/name.")],
    overrides: Overrides = None,
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public.")] = False,
) -> None:
    """Send a trained arm and its model card to the model hub. Nothing else ever does."""
    from stat_train.pipeline import card
    from stat_train.pipeline.steps import finished
    from stat_train.recipe_file import read_recipe

    read = read_recipe(recipe, overrides or ())
    typer.echo(card.push(read, arm, repo_id, finished(read), public))


app.command()(benchmark)
app.command()(export_tasks)
app.command()(keys)
app.add_typer(profile_app, name="profile")
app.add_typer(tutor_app, name="tutor")
app.add_typer(prompts_app, name="prompts")
app.add_typer(cache_app, name="cache")


def _run(path: Path, overrides: list[str] | None, dry_run: bool, up_to: str | None) -> "dict[str, Stage]":
    from stat_train.pipeline import run_recipe
    from stat_train.recipe_file import read_recipe

    recipe = read_recipe(path, overrides or ())
    if "LOCAL_RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1":
        raise UserError(
            "stat-train is one process and starts those of a training itself: give your accelerate config as "
            "sft.accelerate=FILE instead of launching stat-train with it"
        )
    if not dry_run:
        try:
            return run_recipe(recipe, up_to)
        except KeyboardInterrupt as interrupt:
            raise Interrupted(f"{recipe.folder}: stopped; run the same command again to go on") from interrupt
    from rich.console import Console

    from stat_train.pipeline.forecast import forecast

    forecast(recipe, up_to, Console())
    return {}


def _estimate(path: Path, overrides: list[str]) -> None:
    from rich.console import Console

    from stat_train.pipeline.estimate import estimate, print_estimate
    from stat_train.pipeline.stand_ins import plannable
    from stat_train.recipe_file import read_recipe

    recipe = read_recipe(path, overrides)
    with plannable(recipe) as (planned, guessed):
        rows = estimate(planned)
    if rows:
        print_estimate(rows, recipe, Console())
    else:
        typer.echo(f"{recipe.name}: the teacher has nothing left to answer")
    if guessed:
        typer.echo(guessed)


def main() -> None:
    """The command's entry: errors that a user can mend are one line and a non-zero exit.

    Exit codes: 2 for input that cannot be used, 3 for a run that stopped and can go on, 130 for Ctrl-C.
    """
    try:
        app()
    except UserError as error:
        _fail(str(error), 2)
    except Interrupted as error:
        _fail(str(error), 130)
    except Unfinished as error:
        _fail(str(error), 3)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}; free space, or check the path and its permissions", 2)


def _fail(message: str, code: int) -> None:
    typer.echo(f"stat-train: {message}", err=True)
    sys.exit(code)
