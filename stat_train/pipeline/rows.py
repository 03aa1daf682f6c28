"""Rows of dataclasses, as the stages hand them on."""

from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError

Row = TypeVar("Row")


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of a JSONL file as `kind`, a dataclass; lists become tuples, other columns are passed over.

    Raises UserError naming the file and the field that a row lacks.
    """
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return [_row(kind, names, row, path) for row in read_jsonl(path)]


def _row(kind: type[Row], names: list[str], row: dict[str, Any], path: Path) -> Row:
    values = {
        name: tuple(row[name]) if isinstance(row[name], list) else row[name] for name in names if name in row
    }
    try:
        return kind(**values)
    except TypeError as error:
        raise UserError(f"{path}: {error}; remove the stage's folder and run it again") from None
