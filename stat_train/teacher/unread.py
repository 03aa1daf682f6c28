"""Whether a teacher gives answers that can be read at all: what ended without one, counted."""

from stat_train.errors import Unreadable
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Reply

LEAST_ASKED = 32
"""Rows that are asked and end without a readable answer, and none with one, before no more are sent."""
LEAST_IN_ALL = 3
"""Rows that end so, where none at all has a readable answer, from which it is the teacher's fault."""


class Unread:
    """The rows of one `ask` that ended without a readable answer.

    While rows are left those alone count that were asked now, so that a run that is given again gets further
    than the recorded ones. In the end all count, unless some were only cut off: these may be long by nature.
    """

    def __init__(self, options: TeacherOptions) -> None:
        self._options = options
        self._all = self._asked = self._cut_off = 0
        self._last_reason = ""
        self._last_cut_off = False

    def add(self, last: Reply, reason: str, asked: bool) -> None:
        """A row ended with the reply `last`, for this `reason`; `asked` now, not only recorded."""
        self._last_cut_off, self._last_reason = last.finish_reason == "length", reason
        self._all += 1
        self._asked += asked
        self._cut_off += self._last_cut_off

    @property
    def asked_in_vain(self) -> bool:
        """Whether enough were asked to give up: as many as are asked at a time, at least."""
        return self._asked >= max(LEAST_ASKED, self._options.max_in_flight)

    @property
    def all_in_vain(self) -> bool:
        """Whether these, if they are all there are, are the teacher's fault."""
        return self._all >= LEAST_IN_ALL and not self._cut_off

    def error(self) -> Unreadable:
        """What to say of it, with the mend."""
        mend = "name a teacher.model that answers in JSON"
        if self._last_cut_off:
            mend = "raise teacher.max_tokens"
        return Unreadable(
            f"teacher {self._options.model!r}: no answer to the first {self._all:,} requests can be read; "
            f"{mend}. The last one: {self._last_reason}"
        )
