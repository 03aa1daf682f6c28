"""The yield of the teacher's new questions, as tables show it."""

from collections.abc import Sequence

from stat_train.report.extras import YieldRow

HEADERS = ("asked", "valid", "contaminated", "consistent", "duplicate", "kept", "pairs", "wanted")
SHORT_HEADERS = ("asked", "valid", "contam.", "consist.", "dupl.", "kept", "pairs", "wanted")
ALL = "all"
EXPLANATION = (
    "Questions asked of the teacher; the valid ones; those that ask a question of another split "
    "(contaminated, never solved); of the others those whose solutions agree (consistent); of these the ones "
    "that repeat another (duplicate), and the rest, kept. A pair is a kept question with one of its agreeing "
    "solutions; solutions that are word for word the same make one pair."
)


def yield_rows(rows: Sequence[YieldRow]) -> list[tuple[str, list[int]]]:
    """(skill, the counts of `HEADERS`): all together first, then each skill, the most often asked first."""
    total = [sum(getattr(row, name) for row in rows) for name in HEADERS]
    ordered = sorted(rows, key=lambda row: (-row.asked, row.subject, row.skill))
    each = [(_name(row), [getattr(row, name) for name in HEADERS]) for row in ordered if row.skill]
    return [(ALL, total), *each]


def _name(row: YieldRow) -> str:
    return f"{row.subject}/{row.skill}" if row.subject else row.skill
