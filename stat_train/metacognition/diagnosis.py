"""Which skills a response failed to apply (STAT §2.2)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.metacognition.asking import Asks, Batch, Unanswered, ask_batches, in_batches
from stat_train.metacognition.labelling import list_fault, skill_blocks
from stat_train.metacognition.skill import SkillKey
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.options import Options
from stat_train.student.response import Response
from stat_train.teacher.prompts import Prompts
from stat_train.teacher.request import Message
from stat_train.teacher.schemas import Diagnose

Asked = tuple[Example, Response]


class DiagnosisOptions(Options):
    """How responses are diagnosed."""

    batch_size: int = Field(1, ge=1, description="responses a request")
    max_skills: int = Field(3, ge=1, description="missing skills a response may have")
    with_reference: bool = Field(False, description="show the teacher the reference solution or answer")
    repeats: int = Field(
        1, ge=1, description="judgments of each response; the first counts, the others measure self-agreement"
    )


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The teacher's judgment of one response; `missing_skills` are of the subject's list, () if correct."""

    question_id: str
    sample: int
    verdict: Literal["correct", "wrong"]
    reason: str
    missing_skills: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagnosing:
    """Items in = `diagnoses` (input order) + `quarantined` + `owed`.

    `repeated` are the further judgments of the same responses (`repeats` > 1) as far as they are valid;
    `repeats_left` those that are not. `off_list`: (subject, name as written) -> how often a final answer
    used a name that is not on the list.
    """

    diagnoses: list[Diagnosis]
    quarantined: list[Unanswered]
    owed: list[Unanswered]
    repeated: list[Diagnosis]
    repeats_left: list[Unanswered]
    off_list: dict[SkillKey, int]


def diagnose(
    teacher: Asks,
    prompts: Prompts,
    taxonomy: SkillTaxonomy,
    items: Iterable[Asked],
    options: DiagnosisOptions,
) -> Diagnosing:
    """Diagnose each (example, response) against the closed list of the example's subject.

    A response that the teacher finds correct, or in which it finds no skill missing, is recorded as such.
    A name off the list after the one repair quarantines its response. Raises UserError for a subject that
    the taxonomy does not know, a question beside another's answer, or where `with_reference` finds neither
    solution nor answer.
    """
    items = list(items)
    for example, response in items:
        taxonomy.skills(example.subject)
        if example.id != response.question_id:
            raise UserError(
                f"question {example.id!r} stands beside the answer to {response.question_id!r}; pair each "
                "question with its own"
            )
        if options.with_reference and not (example.solution or example.answer):
            raise UserError(
                f"question {example.id!r} has no solution or answer to show; turn `with_reference` off"
            )
    first, *later = [
        _judge(teacher, prompts, taxonomy, items, options, repeat) for repeat in range(options.repeats)
    ]
    return replace(
        first,
        repeated=[diagnosis for judged in later for diagnosis in judged.diagnoses],
        repeats_left=[left for judged in later for left in (*judged.quarantined, *judged.owed)],
        off_list=dict(sum((Counter(judged.off_list) for judged in (first, *later)), Counter())),
    )


def _judge(
    teacher: Asks,
    prompts: Prompts,
    taxonomy: SkillTaxonomy,
    items: Sequence[Asked],
    options: DiagnosisOptions,
    repeat: int,
) -> Diagnosing:
    """One judgment of every item."""
    judged = Diagnosing([], [], [], [], [], {})
    off_list: Counter[SkillKey] = Counter()

    def render(batch: Batch[Asked]) -> Sequence[Message]:
        return prompts.render(
            Diagnose.task,
            subject=batch.subject,
            skills=skill_blocks(taxonomy, batch.subject),
            items=[_shown(id, item, options.with_reference) for id, item in batch.items.items()],
            max_missing=options.max_skills,
        )

    def fault(part: Any, subject: str) -> str | None:
        return list_fault(part.missing_skills, subject, taxonomy, options.max_skills)

    batches = in_batches(items, lambda item: item[0].subject, options.batch_size, sample=repeat)
    for reply in ask_batches(teacher, batches, render, Diagnose, fault, label="diagnosis"):
        (example, response), part = reply.item, reply.answer
        names = [
            (name, taxonomy.resolve(name, example.subject)) for name in (part.missing_skills if part else [])
        ]
        off_list.update((example.subject, written) for written, name in names if name is None)
        if reply.status == "ok" and part:
            wrong = part.verdict == "wrong"
            missing = tuple(dict.fromkeys(name for _, name in names if name)) if wrong else ()
            judged.diagnoses.append(
                Diagnosis(example.id, response.sample, part.verdict, part.reason, missing)
            )
        else:
            left = judged.owed if reply.status == "owed" else judged.quarantined
            left.append(Unanswered(example.id, reply.reason, response.sample))
    order = {(example.id, response.sample): place for place, (example, response) in enumerate(items)}
    for rows in (judged.diagnoses, judged.quarantined, judged.owed):
        rows.sort(key=lambda row: order[row.question_id, row.sample])
    return replace(judged, off_list=dict(off_list))


def _shown(id: str, item: Asked, with_reference: bool) -> dict[str, str]:
    example, response = item
    shown = {"id": id, "question": example.question, "response": response.text}
    if with_reference:
        shown["reference"] = example.solution or example.answer or ""
    return shown
