"""Question-solution pairs to train on, each with the reason why it is there."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stat_train.data.example import Example
from stat_train.data.jsonl import numbered_rows, write_jsonl
from stat_train.errors import UserError

REHEARSAL = "rehearsal"
"""The method of pairs that stand beside an arm's own, uniformly from the pool."""


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
        """Pairs, distinct questions, pairs drawn from a neighbour of their skill, pairs per skill; and where
        there are any, pairs of rehearsal."""
        skills = Counter(row.lineage["skill"] for row in self.rows if "skill" in row.lineage)
        unique = len({row.lineage["source_id"] for row in self.rows})
        rehearsed = sum(row.lineage["method"] == REHEARSAL for row in self.rows)
        return {
            "pairs": len(self.rows),
            **({"rehearsal": rehearsed} if rehearsed else {}),
            "unique": unique,
            "backed_off": sum("drawn_from" in row.lineage for row in self.rows),
            "per_skill": dict(sorted(skills.items())),
        }

    def write(self, path: Path | str) -> None:
        """One JSON object a line, keys sorted: the same set is the same bytes."""
        write_jsonl(Path(path), self.rows)

    @staticmethod
    def read(path: Path | str) -> "TrainingSet":
        """What `write` wrote. Raises UserError naming the line and field that cannot be used."""
        rows = [_row(fields, f"{path}, line {number}") for number, fields in numbered_rows(Path(path))]
        method = str(rows[0].lineage.get("method", "")) if rows else ""
        return TrainingSet(method, tuple(rows))


def _row(fields: Mapping[str, Any], where: str) -> TrainingRow:
    try:
        return TrainingRow(fields["id"], fields["question"], fields["solution"], fields["lineage"])
    except KeyError as error:
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
