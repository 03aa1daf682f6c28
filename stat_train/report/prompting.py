"""What `stat-train adaptmi` found, for programs and in the terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from stat_train.difficulty.agreement import GoldAgreement
from stat_train.evaluation.prompting import Compared
from stat_train.intervals import Interval
from stat_train.report.results import Part
from stat_train.report.wording import p_value, percent, percent_interval, points, points_interval

ORACLE = "oracle: what is difficult was found with the gold answers, which nobody has at inference"


class PromptRow(Part):
    """One way to prompt, over all `n` questions. Tokens are the student's, in sum; `teacher_questions` were
    put to the teacher for labels or a diagnosis; `easy` and `difficult` are accuracies on those parts."""

    name: str
    oracle: bool
    accuracy: float
    ci95: Interval
    n: int
    easy: float | None
    difficult: float | None
    prompt_tokens: int
    completion_tokens: int
    teacher_questions: int


class PromptPair(Part):
    """`arm` minus `against` on the same questions; `gained` went better with `arm`, `lost` worse."""

    arm: str
    against: str
    difference: float
    ci95: Interval
    p: float
    gained: int
    lost: int


class JudgeRow(Part):
    """How what is difficult was found, and how that agrees with the graded answers."""

    method: str
    accuracy: float
    precision: float | None
    recall: float | None


class PromptingResults(Part):
    """`diagnosed` answers were put to the teacher for AdaptMI+ (the oracle's included), in
    `teacher_requests`; `nothing_missing` of them lack no skill, `quarantined` have no valid judgment: both
    keep their first answer."""

    split: str
    student: str
    k: int
    judge: JudgeRow
    promptings: list[PromptRow]
    paired: list[PromptPair]
    diagnosed: int
    nothing_missing: int
    quarantined: int
    teacher_requests: int


def prompting_results(
    compared: Compared,
    *,
    split: str,
    student: str,
    k: int,
    judge: str,
    agreement: GoldAgreement,
    diagnosed: Mapping[str, int],
    usage: Mapping[str, Any],
) -> PromptingResults:
    """The results of one split; `diagnosed` and `usage` are those of the stage that diagnosed."""
    return PromptingResults(
        split=split,
        student=student,
        k=k,
        judge=JudgeRow(
            method=judge,
            accuracy=agreement.accuracy,
            precision=agreement.precision,
            recall=agreement.recall,
        ),
        promptings=[
            PromptRow(
                name=its.name,
                oracle=its.oracle,
                accuracy=its.scores.accuracy,
                ci95=its.scores.ci95,
                n=its.scores.n,
                easy=its.easy,
                difficult=its.difficult,
                prompt_tokens=its.prompt_tokens,
                completion_tokens=its.completion_tokens,
                teacher_questions=its.teacher_questions,
            )
            for its in compared.promptings
        ],
        paired=[
            PromptPair(
                arm=arm,
                against=against,
                difference=its.difference,
                ci95=its.ci95,
                p=its.p,
                gained=its.gained,
                lost=its.lost,
            )
            for arm, against, its in compared.paired
        ],
        diagnosed=diagnosed["rows_in"],
        nothing_missing=diagnosed["nothing_missing"],
        quarantined=diagnosed["quarantined"],
        teacher_requests=int(usage.get("requests", 0)) + int(usage.get("cached", 0)),
    )


def prompting_page(results: PromptingResults) -> Group:
    """The table of all ways to prompt, and AdaptMI against each."""
    n = results.promptings[0].n
    scores = Table(
        title=f"{n} questions of {results.split}, {results.k} exemplars, student: {results.student}",
        box=box.SIMPLE,
    )
    columns = ("accuracy", "95%", "easy", "difficult", "tokens a question", "to the teacher")
    scores.add_column("prompt", no_wrap=True)
    for column in columns:
        scores.add_column(column, justify="right")
    for row in results.promptings:
        tokens = (row.prompt_tokens + row.completion_tokens) / row.n
        scores.add_row(
            row.name,
            percent(row.accuracy),
            percent_interval(row.ci95),
            *("-" if share is None else percent(share) for share in (row.easy, row.difficult)),
            f"{tokens:,.0f}",
            f"{row.teacher_questions:,}",
        )
    pairs = Table(title="Differences, in points, over the same questions", box=box.SIMPLE)
    for column in ("prompt", "against", "points", "95%", "p", "gained", "lost"):
        pairs.add_column(column, justify="left" if column in ("prompt", "against") else "right")
    for pair in results.paired:
        figures = (points(pair.difference), points_interval(pair.ci95), p_value(pair.p))
        pairs.add_row(pair.arm, pair.against, *figures, str(pair.gained), str(pair.lost))
    return Group(scores, *map(Text, _remarks(results)), pairs)


def _remarks(results: PromptingResults) -> list[str]:
    judge = results.judge
    figures = {"precision": judge.precision, "recall": judge.recall}
    told = "".join(f", {name} {percent(share)}" for name, share in figures.items() if share is not None)
    remarks = [
        f"difficult by {judge.method}: {percent(judge.accuracy)} as graded{told}",
        f"diagnosed for AdaptMI+: {results.diagnosed} answers in {results.teacher_requests} requests, "
        f"{results.nothing_missing} lack no skill, {results.quarantined} without a valid judgment",
    ]
    return [*remarks, ORACLE] if any(row.oracle for row in results.promptings) else remarks
