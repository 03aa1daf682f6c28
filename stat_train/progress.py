"""Progress on stderr: bars on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

LINE_EVERY_S = 30.0


class Bar(Protocol):
    """What `progress` hands out."""

    def advance(self, n: int = 1) -> None:
        """`n` more units are done."""


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Bar]:
    """A bar over `total` units (None: unknown) while the block runs.

    On a terminal it is a rich bar that disappears when done. Elsewhere (a log, a test) nothing
    is written for what ends soon, and a line every 30 s for what does not.
    """
    if sys.stderr.isatty():
        with _terminal_bar(description, total) as bar:
            yield bar
    else:
        yield _Lines(description, total)


class _Lines:
    def __init__(self, description: str, total: int | None) -> None:
        self.description, self.total, self.done = description, total, 0
        self.started = self.written = time.monotonic()

    def advance(self, n: int = 1) -> None:
        self.done += n
        now = time.monotonic()
        if now - self.written >= LINE_EVERY_S:
            self.written = now
            of_total = f" of {self.total:,}" if self.total is not None else ""
            seconds = now - self.started
            print(
                f"{self.description}: {self.done:,}{of_total}, {seconds:.0f} s", file=sys.stderr, flush=True
            )


@contextmanager
def _terminal_bar(description: str, total: int | None) -> Iterator[Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(description, total=total)

        class RichBar:
            def advance(self, n: int = 1) -> None:
                shown.advance(task, n)

        yield RichBar()
