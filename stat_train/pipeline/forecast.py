"""What a run would take: its plan, the memory of a training, and the teacher's bill; nothing is done."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stat_train.errors import UserError
from stat_train.pipeline.estimate import estimate, print_estimate
from stat_train.pipeline.runner import plan
from stat_train.pipeline.stand_ins import plannable
from stat_train.recipe import Recipe
from stat_train.student.load import folder_here
from stat_train.training.launch import settings
from stat_train.training.memory import MemoryEstimate, estimate_memory, processes, read_shape

if TYPE_CHECKING:
    from rich.console import Console


def forecast(recipe: Recipe, up_to: str | None, console: "Console") -> None:
    """Print what each step would do; of a whole run also the memory of a training and the teacher's bill.

    Raises UserError where the data cannot be read and `data.rows` does not say how many rows there are.
    """
    with plannable(recipe) as (planned, guessed):
        steps = plan(planned, up_to)
        width = max(len(title) for title, _, _ in steps)
        for title, state, work in steps:
            console.print(
                f"{title:{width}}  {state:9}  {work}", highlight=False, markup=False, soft_wrap=True
            )
        if guessed:
            _say(console, f"\n{guessed}")
        if any(title.startswith("sft ") and state != "current" for title, state, _ in steps):
            console.print()
            for line in memory_lines(recipe):
                _say(console, line)
        if up_to is None and (rows := estimate(planned)):
            console.print()
            print_estimate(rows, recipe.teacher.model, console)


def _say(console: "Console", line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def memory_lines(recipe: Recipe) -> Iterator[str]:
    """The memory that a training of the recipe takes, an estimate, as lines of text."""
    options, folder = recipe.sft, folder_here(recipe.student)
    number, spread = processes(settings(options.accelerate)) if options.accelerate else (1, 1)
    try:
        shape = read_shape(folder) if folder else None
    except ImportError:
        yield "Memory of a training: unknown without the extra 'train'; pip install 'stat-train[train]'"
        return
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: its config.json cannot be used ({str(error).splitlines()[0]})") from error
    stated = None if recipe.student.parameters is None else round(recipe.student.parameters)
    found = estimate_memory(options, shape, stated, number, spread)
    if found.parameters is None:
        yield (
            f"Memory of a training: unknown, the config.json of {recipe.student.model} is not here yet; "
            "student.parameters would tell a part of it"
        )
        return
    yield from _lines(found, recipe, number, spread)


def _lines(found: MemoryEstimate, recipe: Recipe, number: int, spread: int) -> Iterator[str]:
    trained = "an unknown number" if found.trained is None else f"{found.trained:,}"
    stated = "" if found.activations is not None else " (student.parameters)"
    yield (
        f"Memory of a training ({recipe.sft.method}), an estimate: {found.parameters:,} parameters{stated}, "
        f"{trained} trained"
    )
    parts = {
        "weights": found.weights,
        "gradients": found.gradients,
        "optimizer": found.optimizer,
        f"activations of at most {found.tokens:,} tokens": found.activations,
    }
    yield "  " + ", ".join(f"{name} {_gigabytes(size)}" for name, size in parts.items())
    where = f"in each of {number} processes" if number > 1 else "on one device"
    where += f", weights divided by {spread}" if spread > 1 else ""
    if found.total is not None:
        yield f"  together at most about {_gigabytes(found.total)} {where}; a GPU needs 1 GB or so for itself"
    else:
        yield (
            f"  {_gigabytes(found.known)} {where} and what is unknown until the config.json of "
            f"{recipe.student.model} is here"
        )
    if found.merging is not None:
        yield f"  merging the adapter afterwards takes about {_gigabytes(found.merging)} of main memory"


def _gigabytes(size: float | None) -> str:
    return "unknown" if size is None else f"{size / 1e9:,.1f} GB"
