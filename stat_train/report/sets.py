"""What the arms were trained on, in figures and words."""

from collections.abc import Mapping

from stat_train.report.extras import TrainingSetSummary

SETS_COLUMNS = ("pairs", "different questions", "tokens", "back-offs")
EQUAL_TOKENS = 0.01
"""Sets whose tokens differ by less than this share count as equally large."""


def sets_figures(held: TrainingSetSummary) -> list[str]:
    """The figures under `SETS_COLUMNS`."""
    tokens = "-" if held.tokens is None else f"{held.tokens:,}"
    return [f"{held.rows:,}", f"{held.unique_questions:,}", tokens, f"{held.back_offs:,}"]


def sets_headline(sets: Mapping[str, TrainingSetSummary]) -> str:
    """Whether the arms hold equally many pairs, or tokens."""
    rows = {held.rows for held in sets.values()}
    tokens = [held.tokens for held in sets.values() if held.tokens is not None]
    if len(rows) == 1:
        return f"Every arm holds {min(rows):,} pairs"
    if len(tokens) == len(sets) and min(tokens) >= (1 - EQUAL_TOKENS) * max(tokens):
        return f"Every arm holds {max(tokens):,} tokens, within 1%"
    return "The arms are not equally large: mind that when you compare them"
