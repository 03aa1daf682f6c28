"""The questions that nothing is trained on: of other splits, and of the benchmarks that the recipe names."""

from collections.abc import Sequence

from stat_train.data.example import Example
from stat_train.evaluation.benchmark_file import read_benchmark
from stat_train.pipeline.step import Work
from stat_train.recipe import Recipe


def task_needs(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """The stages that hold the benchmarks' questions, and the file of each."""
    return {task_title(name): (f"{name}.jsonl",) for name in _named(recipe)}


def task_title(name: str) -> str:
    """The title of the stage that holds a benchmark's questions."""
    return f"task {name}"


def clean_questions(work: Work, splits: Sequence[str]) -> dict[str, list[Example]]:
    """The questions of these splits, and of the benchmarks."""
    found = {split: work.split(split, "data") for split in splits}
    return found | benchmark_questions(work)


def benchmark_questions(work: Work) -> dict[str, list[Example]]:
    """The questions of the benchmarks that the recipe names, by "benchmark NAME"."""
    return {f"benchmark {name}": work.split(name, task_title(name)) for name in _named(work.recipe)}


def _named(recipe: Recipe) -> list[str]:
    return [read_benchmark(task).name for task in recipe.benchmarks.tasks] if recipe.benchmarks else []
