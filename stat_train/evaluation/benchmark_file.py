"""Benchmarks from YAML files: the packaged ones by name, a user's by path."""

from pathlib import Path

from pydantic import ValidationError

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.evaluation.benchmark import Benchmark
from stat_train.yaml_file import read_mapping

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
    tree = read_mapping(file, "a benchmark is a mapping of keys such as `name:` and `columns:`")
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
