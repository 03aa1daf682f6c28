"""Another wording of solutions that are there: the same answer, told afresh by the teacher (STAT §2.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.grading.grader import Grader
from stat_train.metacognition.asking import Asks, Batch, Unanswered, ask_batches, in_batches
from stat_train.methods.options import RewritingOptions
from stat_train.teacher.prompts import Prompts
from stat_train.teacher.request import Message
from stat_train.teacher.schemas import Rewrite


@dataclass(frozen=True, slots=True)
class Rewriting:
    """`solutions`: example id -> its verified rewrites, `options.answers` of them or, where too many were
    rejected, fewer; no two are alike and none is the original.

    `asked` = rewrites + `rejected` (another answer, or nothing new) + `quarantined` + `owed`.
    """

    solutions: dict[str, tuple[str, ...]]
    asked: int
    rejected: list[Unanswered]
    quarantined: list[Unanswered]
    owed: list[Unanswered]


def rewrite(
    teacher: Asks,
    prompts: Prompts,
    grader: Grader,
    examples: Sequence[Example],
    options: RewritingOptions | None = None,
) -> Rewriting:
    """`options.answers` rewrites of the solution of each example, each a sample of the same request.

    A rewrite is kept if the grader finds the example's answer (where it has none, its solution's) in it, and
    if it says something new. For those that are lost more samples are asked, once. Raises UserError for an
    example without a solution or without an answer to verify by.
    """
    options = options or RewritingOptions()
    gold = {example.id: _answer(example, grader) for example in examples}
    kept: dict[str, list[str]] = {example.id: [] for example in examples}
    made = Rewriting({}, 0, [], [], [])
    asked = 0
    for first in (0, options.answers):
        batches = [
            batch
            for more in range(options.answers)
            for batch in in_batches(
                [example for example in examples if len(kept[example.id]) + more < options.answers],
                lambda example: example.subject,
                options.batch_size,
                sample=first + more,
            )
        ]
        asked += sum(len(batch.items) for batch in batches)
        for example, sample, text in _verified(teacher, prompts, grader, batches, gold, options, made):
            if text.strip() in ((example.solution or "").strip(), *kept[example.id]):
                made.rejected.append(Unanswered(example.id, "says nothing new", sample))
            else:
                kept[example.id].append(text.strip())
        if made.owed:
            break
    order = {example.id: place for place, example in enumerate(examples)}
    for left in (made.rejected, made.quarantined, made.owed):
        left.sort(key=lambda row: (order[row.question_id], row.sample))
    return Rewriting(
        {id: tuple(its) for id, its in kept.items()}, asked, made.rejected, made.quarantined, made.owed
    )


def _verified(
    teacher: Asks,
    prompts: Prompts,
    grader: Grader,
    batches: Sequence[Batch[Example]],
    gold: dict[str, str],
    options: RewritingOptions,
    made: Rewriting,
) -> list[tuple[Example, int, str]]:
    """The answers to `batches` that reach the gold answer; the others are put down in `made`."""

    def render(batch: Batch[Example]) -> Sequence[Message]:
        items = [
            {"id": id, "question": example.question, "solution": example.solution or ""}
            for id, example in batch.items.items()
        ]
        return prompts.render(Rewrite.task, subject=batch.subject, items=items)

    answered: list[tuple[Example, int, str]] = []
    temperature = options.temperature
    for reply in ask_batches(
        teacher, batches, render, Rewrite, _fault, temperature=temperature, label="rewriting"
    ):
        if reply.status == "ok" and reply.answer:
            answered.append((reply.item, reply.sample, reply.answer.solution))
        else:
            left = made.owed if reply.status == "owed" else made.quarantined
            left.append(Unanswered(reply.item.id, reply.reason, reply.sample))
    verdicts = grader.grade(
        [(text, gold[example.id]) for example, _, text in answered],
        [example.question for example, _, _ in answered],
    )
    for (example, sample, text), verdict in zip(answered, verdicts, strict=True):
        if verdict != "correct":
            found = f"its answer is {grader.extract(text)!r}, not {gold[example.id]!r} ({verdict})"
            reason = f"it does not reach the answer ({verdict})" if grader.reads_whole else found
            made.rejected.append(Unanswered(example.id, reason, sample))
    return [row for row, verdict in zip(answered, verdicts, strict=True) if verdict == "correct"]


def _answer(example: Example, grader: Grader) -> str:
    if not example.solution:
        raise UserError(f"row {example.id!r} has no solution to rewrite; map `data.columns.solution` to one")
    answer = example.answer or grader.extract(example.solution)
    if not answer:
        raise UserError(f"row {example.id!r} has no answer to verify by; map `data.columns.answer` to one")
    return answer


def _fault(part: Any, subject: str) -> str | None:
    return None if part.solution.strip() else "the solution is empty"
