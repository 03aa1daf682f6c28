"""Examples to files that `read_examples` reads back as they were."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stat_train.data.atomic import atomic_file
from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.errors import UserError


def write_examples(path: Path | str, examples: Iterable[Example]) -> int:
    """Writes .jsonl or .parquet (better for large sets) atomically; returns the number of rows."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        return write_jsonl(path, map(example_row, examples))
    if suffix == ".parquet":
        return _write_parquet(path, [example_row(example) for example in examples])
    raise UserError(f"{path}: format '{suffix}' is not written; choose .jsonl or .parquet")


def example_row(example: Example) -> dict[str, Any]:
    """The row of an Example, without its empty fields; `meta` stays one nested object."""
    row: dict[str, Any] = {"id": example.id, "question": example.question}
    for field in ("solution", "answer", "subject", "level"):
        if value := getattr(example, field):
            row[field] = value
    if example.skills:
        row["skills"] = list(example.skills)
    if example.meta:
        row["meta"] = dict(example.meta)
    return row


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = sorted({name for row in rows for name in row})
    try:
        table = pa.table({name: [row.get(name) for row in rows] for name in names})
        with atomic_file(path) as file:
            pq.write_table(table, file, compression="zstd")
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: a column mixes types ({reason}); write .jsonl instead") from error
    return len(rows)
