"""Labelling questions with skills of a closed list (STAT §2.1)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.metacognition.asking import Asks, Batch, Unanswered, ask_batches, in_batches
from stat_train.metacognition.skill import SkillKey
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.options import Options
from stat_train.teacher.prompts import Prompts
from stat_train.teacher.request import Message
from stat_train.teacher.schemas import LabelSkills

NO_SKILL = "no skill"
SHOWN = 40


class LabellingOptions(Options):
    """How questions are labelled."""

    batch_size: int = Field(8, ge=1, description="questions a request")
    max_skills: int = Field(5, ge=1, description="skills a question may have")


@dataclass(frozen=True, slots=True)
class Labelling:
    """Rows in = `examples` (labelled, input order) + `quarantined` + `owed`.

    `reasons`: question id -> skill -> the teacher's reason, for what the teacher labelled. `off_list`:
    (subject, name as written) -> how often a final answer used a name that is not on the list; `named`:
    all names in final answers.
    """

    examples: list[Example]
    quarantined: list[Unanswered]
    owed: list[Unanswered]
    reasons: dict[str, dict[str, str]]
    off_list: dict[SkillKey, int]
    named: int


def label(
    teacher: Asks,
    prompts: Prompts,
    taxonomy: SkillTaxonomy,
    examples: Iterable[Example],
    options: LabellingOptions,
    *,
    sample: int = 0,
    repair: bool = True,
    where: str = "questions",
) -> Labelling:
    """Label every example that has no skills yet with up to `max_skills` of its subject's closed list.

    Examples that have labels keep them and are not asked. Labels and subjects come back in the list's
    spelling. A question is quarantined where a name is off the list after the one repair, or where the
    teacher names no skill.
    `sample` asks for another draw of the same answers; `repair` off takes the first answers as they are.
    Raises UserError, which begins with `where` the examples are from, for an existing label or a subject that
    the taxonomy does not know.
    """
    examples = list(examples)
    if repeated := [id for id, n in Counter(example.id for example in examples).items() if n > 1]:
        raise UserError(f"{where}: id {repeated[0]!r} occurs twice; give each question its own id")
    check_listed(examples, taxonomy, where)
    labelled = {example.id: _in_its_spelling(example, taxonomy) for example in examples if example.skills}
    waiting = [example for example in examples if not example.skills]
    reasons: dict[str, dict[str, str]] = {}
    quarantined: list[Unanswered] = []
    owed: list[Unanswered] = []
    off_list: Counter[SkillKey] = Counter()
    named = 0

    def render(batch: Batch[Example]) -> Sequence[Message]:
        questions = [{"id": id, "text": example.question} for id, example in batch.items.items()]
        return prompts.render(
            LabelSkills.task,
            subject=batch.subject,
            skills=skill_blocks(taxonomy, batch.subject),
            questions=questions,
            max_skills=options.max_skills,
        )

    def fault(part: Any, subject: str) -> str | None:
        names = [named.skill for named in part.skills]
        return list_fault(names, subject, taxonomy, options.max_skills)

    batches = in_batches(waiting, lambda example: example.subject, options.batch_size, sample=sample)
    for reply in ask_batches(teacher, batches, render, LabelSkills, fault, repair=repair, label="labelling"):
        example, given = reply.item, reply.answer.skills if reply.answer else []
        found = [(taxonomy.resolve(part.skill, example.subject), part) for part in given]
        named += len(found)
        off_list.update((example.subject, part.skill) for name, part in found if name is None)
        if reply.status == "owed":
            owed.append(Unanswered(example.id, reply.reason))
        elif reply.status == "quarantined" or not found:
            quarantined.append(Unanswered(example.id, reply.reason or NO_SKILL))
        else:
            why: dict[str, str] = {}
            for name, part in found:
                why.setdefault(name or "", part.reason)
            reasons[example.id] = why
            labelled[example.id] = replace(example, skills=tuple(why))
    order = {example.id: place for place, example in enumerate(examples)}
    subjects = {its: taxonomy.subject(its) for its in {example.subject for example in examples}}
    return Labelling(
        examples=[
            replace(labelled[example.id], subject=subjects[example.subject])
            for example in examples
            if example.id in labelled
        ],
        quarantined=sorted(quarantined, key=lambda row: order[row.question_id]),
        owed=sorted(owed, key=lambda row: order[row.question_id]),
        reasons={id: reasons[id] for id in order if id in reasons},
        off_list=dict(off_list),
        named=named,
    )


def skill_blocks(taxonomy: SkillTaxonomy, subject: str) -> list[dict[str, str]]:
    """The closed list of a subject as the prompt's blocks: the id is the name, the text says what it is."""
    return [{"id": skill.name, "text": skill.description or skill.name} for skill in taxonomy.skills(subject)]


def list_fault(names: Sequence[str], subject: str, taxonomy: SkillTaxonomy, at_most: int) -> str | None:
    """What is wrong with a list of skill names of one item, or None."""
    resolved = {name: taxonomy.resolve(name, subject) for name in names}
    if strangers := [name for name, listed in resolved.items() if listed is None]:
        return f"off the list: {', '.join(map(repr, strangers))}; use names of the list only"
    if (n := len(set(resolved.values()))) > at_most:
        return f"{n} skills; name at most {at_most}"
    return None


def check_listed(examples: Iterable[Example], taxonomy: SkillTaxonomy, where: str) -> None:
    """Raises UserError, naming the first row, where a subject or a label of the data is not on the list."""
    known: set[str] = set()
    for example in examples:
        row = f"{where}: question {example.id!r} ({example.question[:SHOWN]!r})"
        if example.subject not in known:
            try:
                taxonomy.skills(example.subject)
            except UserError as error:
                raise UserError(f"{row}: {error}") from None
            known.add(example.subject)
        for skill in example.skills:
            if taxonomy.resolve(skill, example.subject) is None:
                subject = f" of subject {example.subject!r}" if example.subject else ""
                raise UserError(
                    f"{row} is labelled {skill!r}, which is no skill{subject} in {taxonomy.source}; add it "
                    "(or an alias) there, mend the label, or leave the question unlabelled"
                )


def _in_its_spelling(example: Example, taxonomy: SkillTaxonomy) -> Example:
    listed = [taxonomy.resolve(skill, example.subject) or skill for skill in example.skills]
    return replace(example, skills=tuple(dict.fromkeys(listed)))
