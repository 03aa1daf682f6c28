"""How well a method finds the questions that the student truly gets wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stat_train.difficulty.difficult import Difficulty
from stat_train.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class GoldAgreement:
    """A method against `gold` on `n` questions; "difficult" is the positive class.

    `precision` is None where the method calls nothing difficult, `recall` where gold does, `f1` where
    either is.
    """

    n: int
    accuracy: float
    precision: float | None
    recall: float | None
    f1: float | None


def gold_agreement(found: Sequence[Difficulty], gold: Sequence[Difficulty]) -> GoldAgreement:
    """Agreement of one method with gold over the same questions. Raises UserError where they differ."""
    truth = {judgment.question_id: judgment.difficult for judgment in gold}
    if not found or {judgment.question_id for judgment in found} != truth.keys():
        raise UserError("difficulty: the method and gold judged different questions; judge the same split")
    n, positive, called = len(found), sum(truth.values()), sum(judgment.difficult for judgment in found)
    right = sum(judgment.difficult == truth[judgment.question_id] for judgment in found)
    hits = sum(judgment.difficult and truth[judgment.question_id] for judgment in found)
    precision, recall = hits / called if called else None, hits / positive if positive else None
    f1 = 2 * hits / (called + positive) if called and positive else None
    return GoldAgreement(n, right / n, precision, recall, f1)


def agreement_table(methods: Mapping[str, GoldAgreement]) -> "Table":
    """The terminal's table, a line a method."""
    from rich.table import Table

    table = Table(title="Difficult questions: agreement with gold")
    for column in ("method", "n", "accuracy", "precision", "recall", "F1"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method, figures in methods.items():
        shares = (figures.accuracy, figures.precision, figures.recall, figures.f1)
        table.add_row(method, str(figures.n), *("-" if share is None else f"{share:.3f}" for share in shares))
    return table
