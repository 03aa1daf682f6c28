"""Recipes from YAML files, with `key=value` overrides; every fault is one line that names its key."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.evaluation.benchmark_file import read_benchmark
from stat_train.evaluation.options import BenchmarkOptions
from stat_train.recipe import DISCOVER, Recipe
from stat_train.recipe_fault import fault_line
from stat_train.yaml_file import read_mapping, require_plain

MUST_EXIST = (
    "prompts_dir",
    "taxonomy",
    "student.adapter",
    "student.template",
    "teacher.prices",
    "sft.accelerate",
)
MAY_BE_PATHS = (
    *MUST_EXIST,
    "student.model",
    "selection.embedding.model",
    "difficulty.prm_model",
    "adaptmi.difficulty.prm_model",
    "data.pool",
    "data.validation",
    "data.development",
)
SPLITS = "data.evaluation"
ROUNDS = "rounds.validation"
BENCHMARKS = "benchmarks"
RECIPES = (".yaml", ".yml")


def read_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a YAML file, with `overrides` such as `sft.learning_rate=1e-4` (values are YAML).

    Paths in the file are relative to the file, those of overrides to the current folder. A path that is
    not there is looked for among the recipes that come with the package. Raises UserError, one line
    naming file, key and mend, for what cannot be used.
    """
    path = Path(path)
    file = path if path.exists() else _packaged(path)
    tree = read_mapping(file, "a recipe is a mapping of keys such as `name:` and `data:`")
    return _recipe(_resolved(tree, file.resolve().parent), path, overrides)


def recipe_of_model(model: str, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe that trains nothing, for what is done with a model alone: a folder, a hub id, or the name of
    a server's with `student.base_url`."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", model).strip("-")
    tree: dict[str, Any] = {
        "name": f"model-{name}",
        "tutor": {},
        "taxonomy": str(asset("data/arithmetic/taxonomy.yaml")),
        "grader": "math",
        "difficulty": {"method": "gold"},
        "arms": [],
        "student": {"model": model},
    }
    return _recipe(tree, Path(model), overrides)


def is_recipe(name: str) -> bool:
    """Whether a name is that of a recipe, and not of a model."""
    return Path(name).suffix.lower() in RECIPES


def read_benchmarks(recipe: Recipe, overrides: Sequence[str], given: Mapping[str, Any]) -> BenchmarkOptions:
    """What to run beside a recipe: its section `benchmarks`, with overrides such as `benchmarks.sampling.n=4`
    and the keys `given`. Raises UserError, one line, where that cannot be used."""
    section = recipe.benchmarks.model_dump() if recipe.benchmarks else {}
    recipes_own = set(section.get("sources", ()))
    tree: dict[str, Any] = {BENCHMARKS: section}
    for text in overrides:
        _override(tree, text)
    chosen = tree[BENCHMARKS]
    sources = chosen.get("sources") or {}
    if isinstance(sources, Mapping):
        sources = {**sources, **given.get("sources", {})}
    try:
        options = BenchmarkOptions.model_validate({**chosen, **given, "sources": sources})
        recipe.check_arms(options)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["loc"] == ("tasks",) and first["type"] in ("missing", "too_short"):
            raise UserError(
                "no benchmark to run: name some, as --tasks amc23,aime24 or in the recipe (benchmarks.tasks)"
            ) from None
        key = ".".join(map(str, (BENCHMARKS, *first["loc"])))
        raise UserError(f"command line: {key}: {first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:
        raise UserError(f"command line: {error}") from None
    not_run = recipes_own - {read_benchmark(task).name for task in options.tasks}
    kept = {name: place for name, place in options.sources.items() if name not in not_run}
    return options.model_copy(update={"sources": kept})


def _recipe(tree: dict[str, Any], path: Path, overrides: Sequence[str]) -> Recipe:
    if isinstance(overrides, str):
        raise UserError(f"overrides are a list of strings, not one: write [{overrides!r}]")
    overridden = [_override(tree, text) for text in overrides]
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise UserError(fault_line(error, path, overridden)) from None
    for key in MUST_EXIST:
        value = _at(recipe, key)
        if value is not None and str(value) != DISCOVER and not Path(value).exists():
            here = any(key == its or key.startswith(f"{its}.") for its in overridden)
            start = "there start from the current folder" if here else "in a recipe start from its folder"
            where = "command line" if here else path
            close = key == "taxonomy" and difflib.get_close_matches(
                str(value).lower(), [DISCOVER], cutoff=0.8
            )
            mend = f"did you mean `{DISCOVER}`?" if close else f"paths {start}"
            raise UserError(f"{where}: {key}: no such file or folder: {value}; {mend}")
    return recipe


def _packaged(path: Path) -> Path:
    try:
        return asset(path.as_posix())
    except UserError:
        raise UserError(f"{path}: no such recipe; give the path of a YAML file") from None


def _resolved(tree: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`tree` with the paths that are there when seen from `folder` written out."""
    splits = _get(tree, SPLITS)
    keys = [*MAY_BE_PATHS, *(f"{SPLITS}.{name}" for name in (splits if isinstance(splits, dict) else ()))]
    for key in keys:
        value = _get(tree, key)
        if value is not None:
            *parents, last = key.split(".")
            section = _get(tree, ".".join(parents)) if parents else tree
            section[last] = _seen_from(folder, value)
    sources = _get(tree, ROUNDS)
    if isinstance(sources, list):
        tree["rounds"]["validation"] = [_seen_from(folder, source) for source in sources]
    tasks, places = _get(tree, f"{BENCHMARKS}.tasks"), _get(tree, f"{BENCHMARKS}.sources")
    if isinstance(tasks, list):
        tree[BENCHMARKS]["tasks"] = [_seen_from(folder, task) for task in tasks]
    if isinstance(places, dict):
        tree[BENCHMARKS]["sources"] = {task: _seen_from(folder, place) for task, place in places.items()}
    return tree


def _seen_from(folder: Path, value: Any) -> Any:
    there = isinstance(value, str) and value and (folder / value).exists()
    return str((folder / value).resolve()) if there else value


def _override(tree: dict[str, Any], text: str) -> str:
    """Set one `key=value` in `tree`; returns the key."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UserError(f"command line: {text!r}: write key=value, such as sft.learning_rate=1e-4")
    at = tree
    *parents, last = key.split(".")
    for number, parent in enumerate(parents, start=1):
        inner = at.get(parent)
        if inner is None:
            inner = at[parent] = {}
        if not isinstance(inner, dict):
            raise UserError(f"command line: {key}: {'.'.join(parents[:number])} is {inner!r} and has no keys")
        at = inner
    try:
        at[last] = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):  # a date that is none
        raise UserError(f"command line: {key}: {value!r} is not YAML; quote it") from None
    require_plain(at[last], "command line", key)
    return key


def _get(tree: Mapping[str, Any], key: str) -> Any:
    at: Any = tree
    for part in key.split("."):
        at = at.get(part) if isinstance(at, dict) else None
    return at


def _at(recipe: Recipe, key: str) -> Any:
    at: Any = recipe
    for part in key.split("."):
        at = getattr(at, part)
    return at
