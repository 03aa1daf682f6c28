"""Markdown in which text from a model or a data set stays text."""

import re
import textwrap
from collections.abc import Iterable, Sequence

from stat_train.report.wording import one_line, printable

LONGEST = 2000
WRAP = 84


def prose(text: str) -> str:
    """One line of running text with every character that markdown or HTML would act on escaped.

    An underscore inside a word (`rate_speed`) is no markup and stays.
    """
    escaped = re.sub(r"[\\`*\[\]<>|~$#!]", r"\\\g<0>", one_line(text).replace("&", "&amp;"))
    escaped = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", escaped)
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", escaped)


def code(text: str, cell: bool = False) -> str:
    """A code span around one line of text; `cell` escapes pipes for a table."""
    line = one_line(text)
    if not line:
        return "(empty)"
    ticks = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    if cell:
        line = line.replace("|", r"\|")
    return f"{ticks}{pad}{line}{pad}{ticks}"


def fence(text: str) -> str:
    """A fenced block that no text can close; long lines are wrapped, very long texts are cut and say so."""
    shown = printable(text).strip("\n")
    if len(shown) > LONGEST:
        shown = f"{shown[:LONGEST]}...\n({len(shown) - LONGEST} more characters)"
    lines = [part for line in shown.split("\n") for part in textwrap.wrap(line, WRAP) or [""]]
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return "\n".join([f"{ticks}text", *lines, ticks])


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table of ready cells; the columns in `right` hold figures."""
    rule = ["---:" if column in right else "---" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
