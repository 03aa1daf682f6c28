"""The tasks about questions and solutions: synthesize, solve, rewrite, judge."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from random import Random

from stat_train.teacher.schemas import (
    Judge,
    JudgedItem,
    NewQuestion,
    Rewrite,
    Solve,
    SolvedItem,
    Synthesize,
)
from stat_train.tutor.blocks import RefusalError, TutorRequest
from stat_train.tutor.faults import drawing
from stat_train.tutor.parse import default_parser
from stat_train.tutor.problem import Problem, Step, render_solution
from stat_train.tutor.reading import read_work
from stat_train.tutor.skill_tasks import understand
from stat_train.tutor.vocabulary import vocabulary

MOST_DRAWS = 2000


def synthesize(request: TutorRequest) -> Synthesize:
    """As many new questions as asked for that need the target skill, of the references' types where these
    can need it; without a target, of the references' types."""
    targets = list(request.blocks.get("skill", ()))
    if len(targets) > 1:
        raise RefusalError(f"block {targets[1]}: there are {len(targets)} skills; name one, the target")
    wanted = vocabulary().own(targets[0]) if targets else ""
    if wanted is None:
        raise RefusalError(f"block {targets[0]}: no skill of the tutor's domain (school arithmetic)")
    references = request.of("reference_question")
    known = [understand(id, question) for id, question in references.items()]
    draw = drawing("synthesize", request.sample, *targets, *references.values())
    new = _new_questions(wanted, request.count("n"), known, draw)
    return Synthesize(questions=[NewQuestion(question=question) for question in new])


def solve(request: TutorRequest) -> Solve:
    """Worked solutions in the form of the pool's, but for the planted `other_order` and `wrong_solutions`."""
    answers = []
    for id, question in request.of("question").items():
        problem = understand(id, question)
        draw = drawing("solve", request.sample, question)
        steps = [_turned(step, request.faults.other_order, draw) for step in problem.steps]
        if request.faults.strikes("wrong_solutions", request.sample, question):
            steps[-1] = replace(steps[-1], value=_wrong_value(steps[-1].value, draw))
        answer = str(steps[-1].value)
        answers.append(SolvedItem(id=id, solution=render_solution(steps), answer=answer))
    return Solve(answers=answers)


def rewrite(request: TutorRequest) -> Rewrite:
    """The same steps told in another way, with the same answer; a wrong solution is refused."""
    answers = []
    for id, question in request.of("question").items():
        problem, given = understand(id, question), request.beside("solution", id)
        if read_work(given).answer != Fraction(problem.answer):
            raise RefusalError(
                f"block {id}: the solution's answer is not {problem.answer}; it cannot be kept"
            )
        draw = drawing("rewrite", request.sample, question, given)
        lines = _told([_turned(step, request.faults.other_order, draw) for step in problem.steps], draw)
        text = "\n".join([*lines, f"#### {problem.answer}"])
        answers.append(SolvedItem(id=id, solution=text, answer=problem.answer))
    return Rewrite(answers=answers)


def judge(request: TutorRequest) -> Judge:
    """Whether each response ends with the reference's number; a question, where given, is of the domain."""
    answers = []
    for id, response in request.of("response").items():
        if question := request.blocks.get("question", {}).get(id):
            understand(id, question)
        reference = request.beside("reference", id)
        if (wanted := read_work(reference).answer) is None:
            raise RefusalError(f"block {id}: the reference holds no number")
        given = read_work(response).answer
        right = given == wanted
        if request.faults.strikes("wrong_verdicts", request.sample, response, reference):
            right = not right
        reason = f"The answer is {'none' if given is None else given}, the reference {wanted}."
        answers.append(JudgedItem(id=id, reason=reason, verdict="correct" if right else "wrong"))
    return Judge(answers=answers)


def _new_questions(wanted: str, n: int, known: list[Problem], draw: Random) -> list[str]:
    domain = default_parser().domain
    ordinary = [kind for kind in domain.types if not kind.ood]
    types = {problem.type for problem in known}
    near = [kind for kind in ordinary if kind.name in types]
    taken = {problem.question for problem in known}
    new: list[str] = []
    for attempt in range(MOST_DRAWS):
        kind = draw.choice(near if near and (attempt < MOST_DRAWS // 4 or not wanted) else ordinary)
        problem = domain.problem(kind, draw.choice(kind.wordings), draw)
        if (not wanted or wanted in problem.skills) and problem.question not in taken:
            new.append(problem.question)
            taken.add(problem.question)
        if len(new) == n:
            return new
    need = f" that need {wanted}" if wanted else ""
    raise RefusalError(f"only {len(new)} of {n} new questions{need} can be found")


def _turned(step: Step, share: float, draw: Random) -> Step:
    if step.operator in "+*" and draw.random() < share:
        return replace(step, left=step.right, right=step.left)
    return step


def _wrong_value(value: int, draw: Random) -> int:
    return draw.choice([wrong for off in (-10, -2, -1, 1, 2, 10) if (wrong := value + off) > 0])


def _told(steps: Iterable[Step], draw: Random) -> list[str]:
    """A line a step, in one of several styles; none names a result before it is computed, which a small
    student would learn to guess."""
    equations = list(steps)
    style = draw.choice(("named", "ordered", "spoken"))
    if style == "named":
        return [f"{step.skill.replace('_', ' ').capitalize()}: {step}" for step in equations]
    if style == "ordered":
        leads = ["First", *["Then"] * (len(equations) - 2), "Last"] if len(equations) > 1 else ["Compute"]
        return [f"{lead}: {step}" for lead, step in zip(leads, equations, strict=True)]
    return [f"We work out {step}" for step in equations]
