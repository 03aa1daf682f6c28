"""A run that is killed while it writes answers: just the batch under way is computed again."""

from pathlib import Path

import pytest

from stat_train.student.journal import Journal, Unit, plan_batches
from stat_train.student.response import Response

UNITS = [Unit(f"q{n}", sample, (1,) * (n + 1)) for n in range(4) for sample in (0, 1)]
BATCHES = plan_batches(UNITS, 3, {"seed": 0})
LINES = len(UNITS)


def answered(batch):
    return [Response(unit.question_id, unit.sample, f"line\nbreak {unit}", "stop", 2) for unit in batch.units]


def run(path: Path) -> tuple[list[str], list[Response]]:
    """The keys of the batches that were computed, and all responses."""
    journal, computed = Journal(path, BATCHES), list[str]()
    for batch in BATCHES:
        if batch.key not in journal.done:
            journal.commit(batch, answered(batch))
            computed.append(batch.key)
    return computed, journal.finish([f"q{n}" for n in range(4)])


def half_way(path: Path) -> list[bytes]:
    """The file as it is before `finish`, line by line."""
    journal = Journal(path, BATCHES)
    for batch in BATCHES:
        journal.commit(batch, answered(batch))
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("torn", [0, 5], ids=["at a line's end", "inside the next line"])
@pytest.mark.parametrize("kept", range(LINES + 1))
def test_a_file_cut_anywhere_lacks_just_the_batches_that_are_not_whole(tmp_path, kept, torn) -> None:
    whole, path = run(tmp_path / "whole.jsonl")[1], tmp_path / "cut.jsonl"
    lines = half_way(path)
    path.write_bytes(b"".join(lines[:kept]) + b"".join(lines[kept : kept + 1])[:torn])
    computed, responses = run(path)
    assert computed == [batch.key for batch in BATCHES[kept // 3 :]] if kept < LINES else computed == []
    assert responses == whole
    assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
