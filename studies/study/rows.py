"""The raw rows, a file a part: what was run is never run again."""

import fcntl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stat_train.data.jsonl import read_jsonl, write_jsonl

Row = dict[str, Any]
CELL = ("setting", "seed", "device", "arm")


def read_rows(folder: Path, part: str) -> list[Row]:
    """The rows of a part so far."""
    path = folder / f"{part}.jsonl"
    return list(read_jsonl(path)) if path.exists() else []


def add_rows(folder: Path, part: str, made: Iterable[Row], key: Iterable[str]) -> None:
    """Put rows into a part's file, in place of earlier ones that agree in `key`; sorted, at once or not at
    all. Several processes may add."""
    names, made = tuple(key), list(made)

    def of(row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in names)

    replaced = {of(row) for row in made}
    with _locked(folder / f"{part}.lock"):
        kept = [row for row in read_rows(folder, part) if of(row) not in replaced]
        write_jsonl(folder / f"{part}.jsonl", sorted([*kept, *made], key=_order(names)))


def _order(names: tuple[str, ...]) -> Callable[[Row], tuple[str, ...]]:
    return lambda row: tuple(f"{row[name]:>6}" if name == "seed" else str(row[name]) for name in names)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
