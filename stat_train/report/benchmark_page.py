"""`benchmarks.md` and the terminal's tables: what benchmarks found, for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from stat_train.report.benchmarks import Benchmarks, Figure
from stat_train.report.markdown import bullets, code, prose, table
from stat_train.report.wording import p_value, percent, percent_interval, points, points_interval

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

HEADERS = ["benchmark", "metric", "arm", "score", "95% interval", "n", "cut off"]
COMPARED = ["benchmark", "arm", "against", "points", "95% interval", "gained", "lost", "p", "p (Holm)"]


def score_rows(found: Benchmarks) -> Iterator[list[str]]:
    """A row of cells for each benchmark and arm."""
    for task in found.tasks:
        for arm, its in task.arms.items():
            yield [
                task.task,
                task.metric,
                arm,
                percent(its.score.value),
                percent_interval(its.score.ci95),
                f"{its.score.n:,}",
                f"{its.cut_off:,} of {its.answers:,}" if its.cut_off else "0",
            ]


def compared_rows(found: Benchmarks) -> Iterator[list[str]]:
    """A row of cells for each comparison."""
    for task in found.tasks:
        for its in task.compared:
            yield [
                task.task,
                its.arm,
                its.against,
                points(its.difference),
                points_interval(its.ci95),
                f"{its.gained:,}",
                f"{its.lost:,}",
                p_value(its.p),
                p_value(its.p_adjusted),
            ]


def page(found: Benchmarks) -> str:
    """`benchmarks.md`."""
    return "\n\n".join(_sections(found)) + "\n"


def _sections(found: Benchmarks) -> Iterator[str]:
    yield f"# Benchmarks of {prose(found.name)}"
    if found.warnings:
        yield bullets(f"**{prose(warning)}.**" for warning in found.warnings)
    yield table(HEADERS, (_cells(row, 3) for row in score_rows(found)), right=(3, 4, 5, 6))
    if rows := list(compared_rows(found)):
        yield "## Paired differences (points, same questions; questions that went better and worse)"
        yield table(COMPARED, (_cells(row, 3) for row in rows), right=range(3, 9))
    for task in found.tasks:
        yield f"## {prose(task.task)}"
        yield (
            f"Temperature {task.temperature:g}, {task.samples} answers a question of at most "
            f"{task.max_tokens:,} tokens, judged by {code(task.grader)}."
        )
        parts = {
            "metric": {arm: its.metrics for arm, its in task.arms.items()},
            "subject": {arm: its.per_subject for arm, its in task.arms.items()},
            "level": {arm: its.per_level for arm, its in task.arms.items()},
            "skill": {arm: its.per_skill for arm, its in task.arms.items()},
        }
        for what, figures in parts.items():
            yield from _by_group(what, figures)


def _by_group(what: str, figures: Mapping[str, Mapping[str, Figure]]) -> Iterator[str]:
    """A table with a row for each group and a column for each arm."""
    names = list(next(iter(figures.values())))
    if not names:
        return
    of = next(iter(figures.values()))
    yield table(
        [what, *map(code, figures), "n"],
        (
            [
                code(name, cell=True),
                *(
                    f"{percent(its[name].value)} ({percent_interval(its[name].ci95)})"
                    for its in figures.values()
                ),
                f"{of[name].n:,}",
            ]
            for name in names
        ),
        right=range(1, len(figures) + 2),
    )


def _cells(row: Sequence[str], names: int) -> list[str]:
    return [*(code(cell, cell=True) for cell in row[:names]), *row[names:]]


def print_benchmarks(found: Benchmarks, console: "Console") -> None:
    """Warnings, scores and paired differences."""
    from rich.text import Text

    for warning in found.warnings:
        console.print(Text(f"Warning: {warning}", style="bold yellow"))
    console.print(_terminal("Benchmarks", HEADERS, list(score_rows(found))))
    if rows := list(compared_rows(found)):
        console.print(_terminal("Paired differences (points, same questions)", COMPARED, rows))


def _terminal(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> "RenderableType":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, header in enumerate(headers):
        shown.add_column(header, justify="left" if place < 3 else "right", overflow="fold")
    for place, row in enumerate(rows):
        last = place + 1 == len(rows) or rows[place + 1][0] != row[0]
        shown.add_row(*map(Text, row), end_section=last)
    return shown
