"""What the arms were trained on, in figures and words."""

from collections.abc import Mapping

from stat_train.report.extras import TrainingSetSummary

SETS_COLUMNS = ("pairs", "different questions", "tokens", "back-offs")
PAIRS_SHORT = 3
"""A set that lacks fewer tokens than so many of its pairs have counts as of the size that was asked for."""


def sets_figures(held: TrainingSetSummary) -> list[str]:
    """The figures under `SETS_COLUMNS`."""
    tokens = "-" if held.tokens is None else f"{held.tokens:,}"
    return [f"{held.rows:,}", f"{held.unique_questions:,}", tokens, f"{held.back_offs:,}"]


def source_text(held: TrainingSetSummary) -> str:
    """Where the pairs are from, with those that are rehearsal."""
    return held.source + (f"; {held.rehearsal:,} pairs are rehearsal" if held.rehearsal else "")


def sets_headline(sets: Mapping[str, TrainingSetSummary], tokens: int | None = None) -> str:
    """Whether the arms hold equally many pairs, or the `tokens` that every arm was to have."""
    rows = {held.rows for held in sets.values()}
    if tokens and all(_holds(held, tokens) for held in sets.values()):
        return f"Every arm holds {tokens:,} tokens, as far as whole pairs go"
    if len(rows) == 1:
        return f"Every arm holds {min(rows):,} pairs"
    return "The arms are not equally large: mind that when you compare them"


def _holds(held: TrainingSetSummary, tokens: int) -> bool:
    return held.tokens is not None and held.tokens + PAIRS_SHORT * held.tokens / held.rows > tokens
