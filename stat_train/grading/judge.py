"""A teacher as the judge of answers that no rule can compare."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from stat_train.errors import Unfinished
from stat_train.grading.pool import Outcome
from stat_train.teacher.prompts import Prompts
from stat_train.teacher.request import TeacherRequest, TeacherResult, Usage
from stat_train.teacher.schemas import Judge

ID = "q1"
LONGEST_RESPONSE = 20_000
CUT = "[...] "


class Asks(Protocol):
    """What is needed of the teacher: `stat_train.teacher.client.Teacher` has it."""

    @property
    def usage(self) -> Usage:
        """What was asked so far."""

    def ask(self, requests: Iterable[TeacherRequest], label: str) -> list[TeacherResult]:
        """One result a request, in order."""

    def close(self) -> None:
        """Ends it."""


class TeacherJudge:
    """Asks the teacher, one request an answer, whether a response agrees with the reference answer.

    The template is `prompts/judge.jinja`; the requests go through the teacher's cache and budget. Of a
    response of more than 20,000 characters the end is shown. The judge closes its teacher.
    """

    def __init__(self, teacher: Asks, prompts: Prompts) -> None:
        self._teacher, self._prompts = teacher, prompts

    @property
    def usage(self) -> Usage:
        """What was asked of the teacher so far."""
        return self._teacher.usage

    def run(self, pairs: Sequence[tuple[str, ...]]) -> list[Outcome]:
        """(verdict, reason) for each (response, reference, question or ""), in order.

        An answer of the teacher that stays invalid is an "error". Raises Unfinished where answers are owed.
        """
        if not pairs:
            return []
        results = self._teacher.ask(judge_requests(self._prompts, pairs), label="judging")
        owed = [result for result in results if result.status == "owed"]
        if owed:
            raise Unfinished(
                f"judging: {len(owed)} verdicts are owed ({owed[0].reason}); the other answers are kept: run "
                "the same command again to go on"
            )
        return [_outcome(result) for result in results]

    def close(self) -> None:
        self._teacher.close()


def judge_requests(prompts: Prompts, pairs: Iterable[tuple[str, ...]]) -> Iterator[TeacherRequest]:
    """What is asked about each (response, reference, question or "")."""
    for response, reference, *question in pairs:
        item = {"id": ID, "response": _shown(response), "reference": _shown(reference)}
        if question and question[0]:
            item["question"] = _shown(question[0])
        yield TeacherRequest(
            Judge.task, prompts.render(Judge.task, subject="", items=[item]), Judge, check=_fault
        )


def _outcome(result: TeacherResult) -> Outcome:
    if result.status == "ok":
        return result.answer.answers[0].verdict, None
    return "error", f"the teacher gave no verdict: {result.reason}"


def _fault(answer: Any) -> str | None:
    if [part.id for part in answer.answers] == [ID]:
        return None
    return f"answer once, with the id {ID}"


def _shown(text: str) -> str:
    """The end of a long text; half surrogate pairs, which are no characters, are replaced."""
    whole = text.encode(errors="replace").decode()
    return whole if len(whole) <= LONGEST_RESPONSE else CUT + whole[-LONGEST_RESPONSE:]
