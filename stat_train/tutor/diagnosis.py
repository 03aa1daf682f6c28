"""What a student's answer got wrong, and the skills that it failed to apply."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from stat_train.tutor.alignment import align
from stat_train.tutor.domain import ProblemType, load_domain
from stat_train.tutor.expressions import Equation, apply
from stat_train.tutor.path import Path, readings
from stat_train.tutor.problem import BARE_OPERATIONS, Problem, operation_skill
from stat_train.tutor.reading import Work, read_work

MOST_MISSING = 3


@dataclass(frozen=True, slots=True)
class TutorDiagnosis:
    """`missing_skills` in order of importance, at most three; () for a correct answer or a mere slip."""

    verdict: Literal["correct", "wrong"]
    reason: str
    missing_skills: tuple[str, ...] = ()


def diagnose(problem: Problem, response: str, kind: ProblemType | None = None) -> TutorDiagnosis:
    """Compare the student's own path with the problem; `kind` is its type where that is not the package's.

    The path is computed again with right arithmetic. If it then gives the right answer, the steps were
    right, and the operations of its false equations are missing. If not, the steps that are wrong or
    missing name their concepts (a bare step its operation), then false equations on the way their
    operations. A right answer after a false equation is wrong all the same. Right steps with
    another final answer are a slip: wrong, and no skill is missing.
    """
    kind = kind or next(kind for kind in load_domain().types if kind.name == problem.type)
    work = read_work(response)
    target = Fraction(problem.answer)
    equations = tuple(_meant(equation, problem) for equation in work.equations)
    paths = list(readings(equations, frozenset(map(Fraction, problem.numbers.values()))))
    end = _end(equations, work)
    if work.answer == target and not (equations and _faults(paths[0], _reached(paths[0], work))):
        return TutorDiagnosis("correct", f"The answer {target} is right.")
    if not equations:
        given = "" if work.answer is None else f"{work.answer} is not the answer and "
        return _wrong(f"{given}no step is shown; the first is {problem.steps[0]}.", _stated_skills(problem))
    for path in paths:
        if path.corrected(end) == target and path.leaves(end):
            return _right_path(problem, path, end, work)
    return _wrong_path(problem, kind, paths[0], end)


def _right_path(problem: Problem, path: Path, end: int, work: Work) -> TutorDiagnosis:
    """Every step was the right one: what was computed wrong?"""
    faults = _faults(path, path.behind(end))
    fair = [at for at in faults if _fair(path.equations, at)]
    if fair:
        return _wrong(_correction(path.equations[fair[0]]), _operations(path, fair))
    if faults:
        value = path.corrected(faults[0])
        step = next((step for step in problem.steps if step.value == value), problem.steps[-1])
        return _wrong(f"{_written(path.equations[faults[0]])} is wrong: it is {value}.", [step.skill])
    return _wrong(f"The steps are right, but {work.answer} is not their result {problem.answer}.", [])


def _wrong_path(problem: Problem, kind: ProblemType, path: Path, end: int) -> TutorDiagnosis:
    """A step is wrong or missing: which?"""
    aligned = align(problem, kind.steps, path)
    lacking = [step for place, step in enumerate(problem.steps) if place not in aligned.shown]
    if lacking:
        reason = f"The step {lacking[0]} is wrong or missing."
    else:
        lacking = [problem.steps[-1]]
        reason = f"The steps lead to {problem.answer}, but the answer given is another value."
    looked_at = sorted(aligned.used | set(path.behind(end)))
    fair = [at for at in _faults(path, looked_at) if _fair(path.equations, at)]
    if fair:
        reason += f" {_correction(path.equations[fair[0]])}"
    return _wrong(reason, [*(step.skill for step in lacking), *_operations(path, fair)])


def _wrong(reason: str, skills: Iterable[str]) -> TutorDiagnosis:
    return TutorDiagnosis("wrong", reason, tuple(dict.fromkeys(skills))[:MOST_MISSING])


def _stated_skills(problem: Problem) -> list[str]:
    """The concepts of the problem; its operations where it has none."""
    return [s.concept for s in problem.steps if s.concept] or [s.operation for s in problem.steps]


def _end(equations: Sequence[Equation], work: Work) -> int:
    """The last equation that states the final answer, else the last of all."""
    places = [at for at, equation in enumerate(equations) if equation.stated == work.answer]
    return places[-1] if places else len(equations) - 1


def _reached(path: Path, work: Work) -> list[int]:
    """The equations behind the final answer; none where no equation states it."""
    end = _end(path.equations, work)
    return path.behind(end) if path.equations[end].stated == work.answer else []


def _faults(path: Path, places: Iterable[int]) -> list[int]:
    return [at for at in places if not path.equations[at].true]


def _fair(equations: Sequence[Equation], at: int) -> bool:
    """A computation in whole numbers, all parts of the expression included, so that its skill was tested."""
    equation = equations[at]
    result = apply(equation.left, equation.operator, equation.right)
    numbers = (equation.left, equation.right, result)
    whole = all(number is not None and number.denominator == 1 and number >= 0 for number in numbers)
    return whole and all(_fair(equations, part) for part in _parts(equation))


def _parts(equation: Equation) -> list[int]:
    """The places of the equations inside the same expression that supply its operands."""
    return [part for part in (equation.left_from, equation.right_from) if part is not None]


def _operations(path: Path, places: Iterable[int]) -> list[str]:
    return [_operation(path.equations, at) for at in places]


def _operation(equations: Sequence[Equation], at: int) -> str:
    """The skill that a false equation took; in a longer expression that of its hardest part."""
    equation = equations[at]
    own = operation_skill(int(equation.left), equation.operator, int(equation.right))
    skills = [own, *(_operation(equations, part) for part in _parts(equation))]
    return next((skill for skill in skills if skill not in BARE_OPERATIONS), own)


def _meant(equation: Equation, problem: Problem) -> Equation:
    """`6 + 3 = 18` where the step is 6 * 3 = 18: the right step, computed, with another sign."""
    for step in problem.steps:
        same = {equation.left, equation.right} == {step.left, step.right}
        if same and not equation.true and equation.stated == step.value:
            turned = equation.left != step.left
            sources = (equation.left_from, equation.right_from)
            return replace(
                equation,
                left=Fraction(step.left),
                operator=step.operator,
                right=Fraction(step.right),
                left_from=sources[turned],
                right_from=sources[not turned],
            )
    return equation


def _correction(equation: Equation) -> str:
    value = apply(equation.left, equation.operator, equation.right)
    return f"{_written(equation)} is wrong: it is {value}."


def _written(equation: Equation) -> str:
    return f"{equation.left} {equation.operator} {equation.right} = {equation.stated}"
