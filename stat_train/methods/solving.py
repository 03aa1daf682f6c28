"""Solutions of new questions, and the vote on which of them to believe (STAT §2.3)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from stat_train.data.example import Example
from stat_train.grading.grader import Grader
from stat_train.metacognition.asking import Asks, Batch, Unanswered, ask_batches, in_batches
from stat_train.methods.options import SynthesisOptions
from stat_train.teacher.prompts import Prompts
from stat_train.teacher.request import Message
from stat_train.teacher.schemas import Solve


@dataclass(frozen=True, slots=True)
class Vote:
    """What `of` solutions of one question came to: `agreeing` of them give `answer` and are the
    `solutions`, each text once; () where too few agree. `reason` says what became of the vote."""

    question_id: str
    of: int
    agreeing: int
    answer: str
    solutions: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Solving:
    """`votes` on the questions, in order; single solutions that could not be had, which are no vote."""

    votes: list[Vote]
    quarantined: list[Unanswered]
    owed: list[Unanswered]


def solve(
    teacher: Asks, prompts: Prompts, grader: Grader, questions: Sequence[Example], options: SynthesisOptions
) -> Solving:
    """`options.solutions` solutions of each question, each a sample of its own, and the vote on them.

    A solution votes for the answer that the grader reads in it, if that is the answer it states beside; for
    the latter where the grader takes whole responses (`judge`, a user's function).
    Answers are equal where the grader says so (2/4 and 0.5 for `math`). A question needs
    `options.min_votes` for one answer and fewer for any other.
    """

    def render(batch: Batch[Example]) -> Sequence[Message]:
        shown = [{"id": id, "text": question.question} for id, question in batch.items.items()]
        return prompts.render(Solve.task, subject=batch.subject, questions=shown)

    batches = [
        batch
        for sample in range(options.solutions)
        for batch in in_batches(
            questions, lambda question: question.subject, options.batch_size, sample=sample
        )
    ]
    solved: dict[str, dict[int, tuple[str, str | None]]] = {question.id: {} for question in questions}
    made = Solving([], [], [])
    fault = partial(_fault, grader)
    for reply in ask_batches(
        teacher, batches, render, Solve, fault, temperature=options.temperature, label="solving"
    ):
        if reply.status == "ok" and reply.answer:
            solution, stated = reply.answer.solution, reply.answer.answer.strip()
            read = grader.extract(solution)
            agree = read is not None and grader.same(read, stated, reply.item.question)
            answer = stated if grader.reads_whole else read
            solved[reply.item.id][reply.sample] = solution.strip(), answer if agree else None
        else:
            left = made.owed if reply.status == "owed" else made.quarantined
            left.append(Unanswered(reply.item.id, reply.reason, reply.sample))
    asked = {question.id: question for question in questions}
    made.votes.extend(
        _vote(asked[id], [its[n] for n in sorted(its)], grader, options) for id, its in solved.items()
    )
    return made


def _vote(
    question: Example, solved: Sequence[tuple[str, str | None]], grader: Grader, options: SynthesisOptions
) -> Vote:
    groups = grader.groups([answer for _, answer in solved], question.question)
    ranked = Counter(group for group in groups if group is not None).most_common()
    first, second = [n for _, n in [*ranked, (None, 0), (None, 0)][:2]]
    reason = f"{first} of {options.solutions} solutions agree"
    if first < options.min_votes or first == second:
        reason += ", as many on another answer" if first == second else ""
        return Vote(question.id, options.solutions, first, "", (), reason)
    agreeing = [solved[place] for place, group in enumerate(groups) if group == ranked[0][0]]
    texts = tuple(dict.fromkeys(text for text, _ in agreeing))
    return Vote(question.id, options.solutions, first, agreeing[0][1] or "", texts, reason)


def _fault(grader: Grader, part: Any, subject: str) -> str | None:
    if not part.solution.strip() or not part.answer.strip():
        return "the solution or the answer is empty"
    return None if grader.extract(part.solution) is not None else "the solution states no final answer"
