"""What a run would take: its plan, the memory of a training, and the teacher's bill; nothing is done."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stat_train.errors import UserError
from stat_train.pipeline.estimate import estimate, print_estimate
from stat_train.pipeline.runner import plan
from stat_train.pipeline.stand_ins import plannable
from stat_train.recipe import Recipe
from stat_train.student.load import folder_here
from stat_train.training.grpo_memory import as_sft, cache_bytes, reference_bytes
from stat_train.training.grpo_options import GRPOOptions
from stat_train.training.launch import settings
from stat_train.training.memory import MemoryEstimate, Shape, estimate_memory, processes, read_shape

if TYPE_CHECKING:
    from rich.console import Console


def forecast(recipe: Recipe, up_to: str | None, console: "Console") -> None:
    """Print what each step would do; of a whole run also the memory of a training and the teacher's bill,
    and of `agreement` the judge's.

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
        if recipe.grpo and any(title.startswith("grpo ") and state != "current" for title, state, _ in steps):
            console.print()
            for line in grpo_memory_lines(recipe, recipe.grpo):
                _say(console, line)
        if up_to in (None, "agreement") and (rows := estimate(planned, up_to)):
            console.print()
            print_estimate(rows, recipe, console)


def _say(console: "Console", line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def memory_lines(recipe: Recipe) -> Iterator[str]:
    """The memory that a training of the recipe takes, an estimate, as lines of text."""
    options = recipe.sft
    number, spread = processes(settings(options.accelerate)) if options.accelerate else (1, 1)
    try:
        shape, stated = _student(recipe)
    except ImportError:
        yield "Memory of a training: unknown without the extra 'train'; pip install 'stat-train[train]'"
        return
    found = estimate_memory(options, shape, stated, number, spread)
    if found.parameters is None:
        yield (
            f"Memory of a training: unknown, the config.json of {recipe.student.model} is not here yet; "
            "student.parameters would tell a part of it"
        )
        return
    yield from _lines(found, recipe, number, spread)


def grpo_memory_lines(recipe: Recipe, options: GRPOOptions) -> Iterator[str]:
    """The memory that a GRPO training takes: that of an update, and that of answering a batch."""
    try:
        shape, stated = _student(recipe)
    except ImportError:
        return  # said of the training on pairs
    found = estimate_memory(as_sft(options), shape, stated)
    if found.parameters is None:
        return
    yield (
        f"Memory of GRPO ({options.method}), an estimate: weights {_gigabytes(found.weights)}, gradients "
        f"{_gigabytes(found.gradients)}, optimizer {_gigabytes(found.optimizer)}, activations of at most "
        f"{found.tokens:,} tokens {_gigabytes(found.activations)}"
    )
    if copy := reference_bytes(options, found):
        yield f"  the starting weights, for beta {options.beta:g}: {_gigabytes(copy)}"
    if options.engine == "transformers":
        size = cache_bytes(options, shape)
        yield f"  answering {options.answers:,} prompts at once: keys and values {_gigabytes(size)}"
    elif options.engine == "vllm_colocate":
        yield f"  vLLM takes {options.vllm_memory:.0%} of the GPU for its own weights, keys and values"


def _student(recipe: Recipe) -> tuple[Shape | None, int | None]:
    """The student's shape where its config.json is here, and the number of parameters that is stated."""
    folder = folder_here(recipe.student)
    try:
        shape = read_shape(folder) if folder else None
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: its config.json cannot be used ({str(error).splitlines()[0]})") from error
    return shape, None if recipe.student.parameters is None else round(recipe.student.parameters)


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
