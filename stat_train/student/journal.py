"""Answers on disk, a whole batch at a time, so that a killed run computes only what is missing."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from stat_train.data.jsonl import append_jsonl, read_jsonl, write_jsonl
from stat_train.errors import UserError
from stat_train.student.response import Response


@dataclass(frozen=True, slots=True)
class Unit:
    """One answer to be written: a question's `sample`-th, and its prompt (token ids; text for a server)."""

    question_id: str
    sample: int
    prompt: tuple[int, ...] | str


@dataclass(frozen=True, slots=True)
class Batch:
    """Units answered and committed together; `key` names them and all that their answers depend on."""

    units: tuple[Unit, ...]
    key: str

    @property
    def seed(self) -> int:
        """A seed (31 bits) of this batch alone, so that it does not matter what ran before it."""
        return int(self.key[:8], 16) >> 1


def plan_batches(units: Iterable[Unit], size: int, depends_on: dict[str, Any]) -> list[Batch]:
    """Fixed batches of `size` units of similar prompt length: a function of the arguments only."""
    ordered = sorted(units, key=lambda unit: len(unit.prompt))
    groups = [tuple(ordered[i : i + size]) for i in range(0, len(ordered), size)]
    return [Batch(group, _key(group, depends_on)) for group in groups]


def _key(units: Sequence[Unit], depends_on: dict[str, Any]) -> str:
    content = [depends_on, [[unit.question_id, unit.sample, unit.prompt] for unit in units]]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:24]


class Journal:
    """A JSONL file of responses, each with its batch's key; rows of other or unfinished batches are dropped.

    While the answers come in, the file grows batch by batch; `finish` puts the rows in input order.
    """

    def __init__(self, path: Path, batches: Sequence[Batch]) -> None:
        self.path = path
        sizes = {batch.key: len(batch.units) for batch in batches}
        found: dict[str, list[Response]] = {}
        rows = list(read_jsonl(path, torn_tail_ok=True)) if path.exists() else []
        for row in rows:
            try:
                key = row.pop("batch")
                found.setdefault(key, []).append(Response(**row))
            except (KeyError, TypeError) as error:
                raise UserError(f"{path}: holds other rows than answers; choose another file") from error
        self.done = {key: kept for key, kept in found.items() if sizes.get(key) == len(kept)}
        if self.done != found:
            write_jsonl(path, (row for key, kept in self.done.items() for row in _rows(key, kept)))

    def commit(self, batch: Batch, responses: list[Response]) -> None:
        """Append the batch's rows and force them to disk."""
        append_jsonl(self.path, _rows(batch.key, responses))
        self.done[batch.key] = responses

    def finish(self, order: Sequence[str]) -> list[Response]:
        """All responses by the question ids of `order`, then by sample; the file is left in that order."""
        place = {question_id: i for i, question_id in enumerate(order)}
        keyed = [(key, response) for key, responses in self.done.items() for response in responses]
        keyed.sort(key=lambda pair: (place[pair[1].question_id], pair[1].sample))
        write_jsonl(self.path, (row for key, response in keyed for row in _rows(key, [response])))
        return [response for _, response in keyed]


def _rows(key: str, responses: Iterable[Response]) -> list[dict[str, Any]]:
    return [asdict(response) | {"batch": key} for response in responses]
