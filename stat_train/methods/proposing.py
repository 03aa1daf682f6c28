"""Asking the teacher for new questions like given ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from stat_train.data.example import Example
from stat_train.metacognition.asking import Asks, Requests
from stat_train.run.hashing import content_hash
from stat_train.teacher.prompts import Prompts
from stat_train.teacher.request import Message, TeacherRequest
from stat_train.teacher.schemas import Synthesize

Group = tuple[str, str]
"""(subject, skill): what a share of the set is owed to. ("", "") where a method knows no skills."""

SAMPLES_A_SEED = 10_000
"""Equal requests of two seeds are two requests: one seed's answers are not another's."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request for new questions like `references`.

    `skill` is the target as the template shows it ({"id": name, "text": description}), None for a method
    that knows none; `sample` tells equal requests apart; `lineage` goes into every row that comes of it.
    """

    group: Group
    references: tuple[Example, ...]
    skill: Mapping[str, str] | None = None
    sample: int = 0
    lineage: Mapping[str, Any] = field(default_factory=dict)

    def messages(self, prompts: Prompts, n: int) -> list[Message]:
        """The prompt for `n` new questions."""
        references = [
            {
                "id": f"r{n}",
                "question": example.question,
                "solution": example.solution or example.answer or "",
            }
            for n, example in enumerate(self.references, start=1)
        ]
        return prompts.render(
            Synthesize.task, subject=self.group[0], skill=self.skill, references=references, n=n
        )


@dataclass(frozen=True, slots=True)
class Proposed:
    """One question asked for: its text, or "" and why there is none (`owed`: it may still come).

    `prompt` is a hash of the prompt that it answers.
    """

    call: Call
    question: str
    prompt: str
    reason: str = ""
    owed: bool = False


def propose(
    teacher: Asks, prompts: Prompts, calls: Sequence[Call], n: int, temperature: float | None
) -> Iterator[Proposed]:
    """`n` new questions a call, in order, those that did not come included.

    An answer with too few or too many questions, or an empty one, is asked again once; then what can be
    used of it is.
    """

    def request(call: Call) -> TeacherRequest:
        messages = call.messages(prompts, n)
        return TeacherRequest(
            Synthesize.task, messages, Synthesize, call.sample, partial(_fault, n), temperature
        )

    results = teacher.ask(Requests(calls, request), label="new questions")
    for call, result in zip(calls, results, strict=True):
        prompt = content_hash(call.messages(prompts, n))[:16]
        written = [new.question.strip() for new in result.answer.questions] if result.answer else []
        reason = result.reason or "too few questions"
        for text in [*written, *[""] * n][:n]:
            yield Proposed(call, text, prompt, "" if text else reason, result.status == "owed")


def _fault(n: int, answer: Synthesize) -> str | None:
    if len(answer.questions) != n:
        return f"{len(answer.questions)} questions; write exactly {n}"
    return None if all(new.question.strip() for new in answer.questions) else "a question is empty"
