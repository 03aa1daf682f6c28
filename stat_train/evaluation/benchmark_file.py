"""Benchmarks from YAML files: the packaged ones by name, a user's by path."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.evaluation.benchmark import Benchmark

FOLDER = "data/benchmarks"
SUFFIXES = (".yaml", ".yml")


def known_benchmarks() -> list[str]:
    """The names of the packaged ones."""
    return sorted(path.stem for path in asset(FOLDER).glob("*.yaml"))


def read_benchmark(name: str) -> Benchmark:
    """The packaged benchmark `name`, or that of a YAML file of a user's own, whose `path` starts from it.

    Raises UserError, one line naming file and key, where there is none or it cannot be used.
    """
    if Path(name).suffix.lower() in SUFFIXES:
        file = Path(name)
        if not file.is_file():
            raise UserError(f"benchmark {name}: no such file; check the path")
    elif name in known_benchmarks():
        file = asset(f"{FOLDER}/{name}.yaml")
    else:
        known = ", ".join(known_benchmarks())
        raise UserError(f"no benchmark {name!r}; there are {known}, or give a YAML file of your own")
    tree = _load(file)
    if isinstance(path := tree.get("path"), str) and (file.resolve().parent / path).exists():
        tree["path"] = str(file.resolve().parent / path)
    try:
        return Benchmark.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = ", ".join(Benchmark.model_fields)
            raise UserError(f"{file}: {key}: unknown key; the keys are {known}") from None
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{file}: {key + ': ' if key else ''}{message}") from None


def _load(file: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(f"{file}: cannot be read: {reason}; give a YAML file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{file}{line}: {getattr(error, 'problem', None) or 'not YAML'}; mend it") from None
    if not isinstance(tree, dict):
        raise UserError(f"{file}: a benchmark is a mapping of keys such as `name:` and `columns:`")
    return tree
