"""Answers on disk, a whole batch at a time, so that a killed run computes only what is missing."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from stat_train.student.response import Response


@dataclass(frozen=True, slots=True)
class Unit:
    """One answer to be written: a question's `sample`-th, and its prompt's token ids."""

    question_id: str
    sample: int
    prompt: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Units answered and committed together; `key` names them and all that their answers depend on."""

    units: tuple[Unit, ...]
    key: str

    @property
    def seed(self) -> int:
        """A seed (63 bits) of this batch alone, so that it does not matter what ran before it."""
        return int(self.key[:16], 16) >> 1


def plan_batches(units: Iterable[Unit], size: int, depends_on: dict[str, Any]) -> list[Batch]:
    """Fixed batches of `size` units of similar prompt length: a function of the arguments only."""
    ordered = sorted(units, key=lambda unit: len(unit.prompt))
    groups = [tuple(ordered[i : i + size]) for i in range(0, len(ordered), size)]
    return [Batch(group, _key(group, depends_on)) for group in groups]


def _key(units: Sequence[Unit], depends_on: dict[str, Any]) -> str:
    content = [depends_on, [[unit.question_id, unit.sample, unit.prompt] for unit in units]]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:24]


class Journal:
    """A JSONL file of responses, each with its batch's key; what is incomplete or foreign is left out.

    While the answers come in, the file grows batch by batch; `finish` puts the rows in input order.
    """

    def __init__(self, path: Path, batches: Sequence[Batch]) -> None:
        self.path = path
        sizes = {batch.key: len(batch.units) for batch in batches}
        kept: dict[str, list[Response]] = {}
        content = path.read_bytes() if path.exists() else b""
        for line in content.splitlines():
            try:
                row = orjson.loads(line)
                key = row.pop("batch")
                response = Response(**row)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # a torn line: its batch is incomplete, and computed again
            if key in sizes:
                kept.setdefault(key, []).append(response)
        self.done = {key: rows for key, rows in kept.items() if len(rows) == sizes[key]}
        clean = b"".join(_lines(key, rows) for key, rows in self.done.items())
        if len(clean) != len(content):
            self._replace(clean)

    def commit(self, batch: Batch, responses: list[Response]) -> None:
        """Append the batch's rows and force them to disk."""
        with self.path.open("ab") as file:
            file.write(_lines(batch.key, responses))
            file.flush()
            os.fsync(file.fileno())
        self.done[batch.key] = responses

    def finish(self, order: Sequence[str]) -> list[Response]:
        """All responses by the question ids of `order`, then by sample; the file is left in that order."""
        place = {question_id: i for i, question_id in enumerate(order)}
        rows = [(key, row) for key, rows in self.done.items() for row in rows]
        rows.sort(key=lambda keyed: (place[keyed[1].question_id], keyed[1].sample))
        self._replace(b"".join(_lines(key, [row]) for key, row in rows))
        return [row for _, row in rows]

    def _replace(self, content: bytes) -> None:
        temporary = self.path.with_name(self.path.name + ".tmp")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)


def _lines(key: str, responses: Iterable[Response]) -> bytes:
    option = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return b"".join(orjson.dumps(asdict(response) | {"batch": key}, option=option) for response in responses)
