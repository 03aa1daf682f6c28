"""The tasks about skills: discover, cluster, label, diagnose."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from stat_train.teacher.schemas import (
    Cluster,
    ClusterSkills,
    Diagnose,
    DiagnosedItem,
    DiscoveredItem,
    DiscoverSkills,
    LabelledItem,
    LabelSkills,
    SkillLabel,
)
from stat_train.tutor import diagnosis
from stat_train.tutor.blocks import RefusalError, TutorRequest
from stat_train.tutor.faults import drawing
from stat_train.tutor.parse import parse
from stat_train.tutor.problem import Problem
from stat_train.tutor.vocabulary import vocabulary

MOST_FINE = 3
MOST_LABELS = 5
FINE_NAME = "_in_"
STRANGERS = ("critical_thinking", "number_sense", "reading_carefully", "general_knowledge", "self_checking")


def understand(id: str, question: str) -> Problem:
    """The problem of a block; refused where the question is not of the domain."""
    if (problem := parse(question)) is None:
        raise RefusalError(f"block {id}: this is no question of the tutor's domain (school arithmetic)")
    return problem


def discover(request: TutorRequest) -> DiscoverSkills:
    """Fine names: the skill, in this type of problem."""
    answers = []
    for id, question in request.of("question").items():
        problem = understand(id, question)
        names = [f"{skill}{FINE_NAME}{problem.type}" for skill in problem.skills[:MOST_FINE]]
        answers.append(DiscoveredItem(id=id, skills=names))
    return DiscoverSkills(answers=answers)


def cluster(request: TutorRequest) -> ClusterSkills:
    """The tutor's own skills, each with the fine names that mean it; merged where they are too many."""
    members: dict[str, list[str]] = {}
    for id, name in request.of("fine_skill").items():
        skill = vocabulary().own(name) or vocabulary().own(name.rpartition(FINE_NAME)[0])
        if skill is None:
            raise RefusalError(f"block {id}: {name!r} is no skill of the tutor's domain (school arithmetic)")
        members.setdefault(skill, []).append(name)
    return ClusterSkills(
        clusters=[
            Cluster(name=skill, description=vocabulary().skills[skill].description, members=names)
            for skill, names in _merged(members, request.count("max_clusters")).items()
        ]
    )


def label(request: TutorRequest) -> LabelSkills:
    """The skills of the closed list that each question needs."""
    listed = list(request.of("skill"))
    answers = []
    for id, question in request.of("question").items():
        problem = understand(id, question)
        skills = vocabulary().all_listed(problem.skills, listed)
        skills = skills or vocabulary().all_listed((step.operation for step in problem.steps), listed)
        if not skills:
            raise RefusalError(f"block {id}: no skill of the list is one that this question needs")
        reasons = {name: _reason(problem, skill) for name, skill in list(skills.items())[:MOST_LABELS]}
        if request.faults.strikes("wrong_labels", request.sample, question):
            reasons = _replaced(reasons, listed, drawing("wrong_labels", request.sample, question))
        names = _with_strangers(request, reasons, question)
        labels = [
            SkillLabel(reason=why, skill=name) for name, why in zip(names, reasons.values(), strict=True)
        ]
        answers.append(LabelledItem(id=id, skills=labels))
    return LabelSkills(answers=answers)


def diagnose(request: TutorRequest) -> Diagnose:
    """What each response got wrong, in the words of the closed list."""
    listed = list(request.of("skill"))
    answers = []
    for id, question in request.of("question").items():
        response = request.beside("response", id)
        found = diagnosis.diagnose(understand(id, question), response)
        missing = dict.fromkeys(vocabulary().all_listed(found.missing_skills, listed), "")
        verdict = found.verdict
        if request.faults.strikes("wrong_diagnoses", request.sample, question, response):
            missing = _replaced(
                missing, listed, drawing("wrong_diagnoses", request.sample, question, response)
            )
            verdict = "wrong"
        names = _with_strangers(request, missing, question, response)
        answers.append(DiagnosedItem(id=id, reason=found.reason, verdict=verdict, missing_skills=names))
    return Diagnose(answers=answers)


def _merged(members: dict[str, list[str]], most: int) -> dict[str, list[str]]:
    """At most `most` skills: the smallest goes first, into its parent, or where none has one there into the
    skill that occurs most often in the same types of problem."""
    merged = dict(members)
    while len(merged) > most:
        below = [skill for skill in merged if vocabulary().skills[skill].parent in merged]
        smallest = min(below or merged, key=lambda skill: (len(merged[skill]), skill))
        names, parent = merged.pop(smallest), vocabulary().skills[smallest].parent
        into = parent if parent in merged else _nearest(names, merged)
        merged[into] = merged[into] + names
    return merged


def _nearest(names: Sequence[str], others: Mapping[str, Sequence[str]]) -> str:
    types = _types(names)
    return max(others, key=lambda skill: (len(types & _types(others[skill])), len(others[skill]), skill))


def _types(names: Iterable[str]) -> set[str]:
    """The types of problem that fine names speak of."""
    return {name.rpartition(FINE_NAME)[2] for name in names if FINE_NAME in name}


def _reason(problem: Problem, skill: str) -> str:
    step = next(step for step in problem.steps if skill in (step.concept, step.operation))
    return f"The step {step} needs it." if step.concept == skill else f"{step} has to be computed."


def _replaced(skills: dict[str, str], listed: Sequence[str], draw: Random) -> dict[str, str]:
    """The skills with another one of the list in the first place."""
    others = [name for name in listed if name not in skills]
    if not others:
        return skills
    return {draw.choice(others): "It seems to be needed."} | dict(list(skills.items())[1:])


def _with_strangers(request: TutorRequest, names: Iterable[str], *item: str) -> list[str]:
    """The names, some of them replaced by names that are on no list."""
    shown = list(names)
    for place, name in enumerate(shown):
        if request.faults.strikes("off_list", request.sample, name, *item):
            shown[place] = STRANGERS[place % len(STRANGERS)]
    return shown
