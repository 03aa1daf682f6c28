"""Whether a teacher can be asked at all, and gives answers that can be read: what ended without one."""

from collections.abc import Sequence

from stat_train.errors import Unreadable, UserError
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Reply, TeacherResult

LEAST_ASKED = 32
"""Rows that are asked and end without a readable answer, and none with one, before no more are sent."""
LEAST_IN_ALL = 3
"""Rows that end so, where none at all has a readable answer, from which it is the teacher's fault."""
REFUSALS = ("refusal", "content_filter")
"""How a reply ends that is no answer."""
UNSENT = "not sent"
"""How the reason of a row begins that was too long to be asked."""


def over_context(prompt: int, options: TeacherOptions) -> str:
    """What a request of so many prompt tokens exceeds."""
    return (
        f"about {prompt:,} prompt tokens and up to {options.max_tokens:,} of the answer exceed "
        f"teacher.context {options.context:,}"
    )


class NothingFits(UserError):
    """No request was sent, since all exceed `teacher.context`; `results` are theirs."""

    def __init__(self, results: Sequence[TeacherResult], shortest: int, options: TeacherOptions) -> None:
        super().__init__(
            f"teacher {options.model!r}: none of the {len(results):,} requests is sent: of the shortest, "
            f"{over_context(shortest, options)}; lower teacher.max_tokens, raise teacher.context to the "
            "model's own, or take a teacher with a longer context"
        )
        self.results = list(results)


class Unread:
    """The rows of one `ask` that ended without a readable answer, refused ones among them.

    While rows are left those alone count that were asked now, so that a run that is given again gets further
    than the recorded ones. In the end all count, unless some were only cut off: these may be long by nature.
    """

    def __init__(self, options: TeacherOptions) -> None:
        self._options = options
        self._all = self._asked = self._cut_off = 0
        self._last_reason = self._last_finish = ""

    def add(self, last: Reply, reason: str, asked: bool) -> None:
        """A row ended with the reply `last`, for this `reason`; `asked` now, not only recorded."""
        self._last_finish, self._last_reason = last.finish_reason, " ".join(reason.split())
        self._all += 1
        self._asked += asked
        self._cut_off += last.finish_reason == "length"

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
        mend = "; name a teacher.model that answers in JSON"
        if self._last_finish == "length":
            mend = "; raise teacher.max_tokens"
        if self._last_finish in REFUSALS:
            mend = ": it refuses; name a teacher.model that does not, or reword the prompts (prompts_dir)"
        return Unreadable(
            f"teacher {self._options.model!r}: no answer to the first {self._all:,} requests can be "
            f"read{mend}. The last one: {self._last_reason}"
        )
