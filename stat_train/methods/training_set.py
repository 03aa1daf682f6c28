"""Question-solution pairs to train on, each with the reason why it is there."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from stat_train.data.example import Example
from stat_train.errors import UserError


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One pair. `lineage` says why: method, source_id, and what the method adds to it
    (subject, skill, difficult_question, draw, drawn_from, group)."""

    id: str
    question: str
    solution: str
    lineage: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The pairs of one arm; `notes` are one-line remarks for the user (a skill that had too few rows)."""

    method: str
    rows: tuple[TrainingRow, ...]
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.rows)

    def counts(self) -> dict[str, Any]:
        """Pairs, distinct questions, pairs drawn from a neighbour of their skill, pairs per skill."""
        skills = Counter(row.lineage["skill"] for row in self.rows if "skill" in row.lineage)
        unique = len({row.lineage["source_id"] for row in self.rows})
        return {
            "pairs": len(self.rows),
            "unique": unique,
            "backed_off": sum("drawn_from" in row.lineage for row in self.rows),
            "per_skill": dict(sorted(skills.items())),
        }

    def write(self, path: Path) -> None:
        """One JSON object a line, keys sorted: the same set is the same bytes."""
        lines = (
            orjson.dumps(
                {
                    "id": row.id,
                    "question": row.question,
                    "solution": row.solution,
                    "lineage": dict(row.lineage),
                },
                option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE,
            )
            for row in self.rows
        )
        path.write_bytes(b"".join(lines))

    @staticmethod
    def read(path: Path) -> "TrainingSet":
        """What `write` wrote. Raises UserError naming the line and field that cannot be used."""
        rows = [_row(line, f"{path}:{n}") for n, line in enumerate(path.read_bytes().splitlines(), start=1)]
        method = str(rows[0].lineage.get("method", "")) if rows else ""
        return TrainingSet(method, tuple(rows))


def _row(line: bytes, where: str) -> TrainingRow:
    try:
        fields = orjson.loads(line)
        return TrainingRow(fields["id"], fields["question"], fields["solution"], fields["lineage"])
    except orjson.JSONDecodeError as error:
        raise UserError(f"{where}: not JSON ({error}); write one training row a line") from None
    except (KeyError, TypeError) as error:
        wanted = "id, question, solution and lineage"
        raise UserError(f"{where}: a training row needs {wanted} ({error} is not there)") from None


def training_set(
    method: str, drawn: Sequence[tuple[Example, Mapping[str, Any]]], notes: Sequence[str] = ()
) -> TrainingSet:
    """The set of `drawn` pool examples with their lineage, numbered in order.

    Raises UserError where a drawn example has no solution to train on.
    """
    rows = []
    for number, (example, lineage) in enumerate(drawn):
        if not example.solution:
            raise UserError(
                f"pool: row {example.id!r} has no solution to train on; map `data.columns.solution` to one"
            )
        why = {"method": method, "source_id": example.id, **lineage}
        rows.append(TrainingRow(f"{method}-{number:05d}", example.question, example.solution, why))
    return TrainingSet(method, tuple(rows), tuple(notes))
