"""A solved problem of the arithmetic domain: its steps, and the skill that each needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

OPERATIONS = ("+", "-", "*", "/")
MOST_SKILLS = 3


class NotWhole(ValueError):
    """A step whose value is not a whole number of at least 1."""


def compute(left: int, operator: str, right: int) -> int:
    """The value of one step; `NotWhole` where school arithmetic has no answer."""
    if operator == "/":
        if right == 0 or left % right:
            raise NotWhole(f"{left} / {right}")
        return left // right
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def operation_skill(left: int, operator: str, right: int) -> str:
    """The skill that computing `left operator right` takes: small numbers, or carrying, borrowing, ..."""
    if operator == "+":
        carries = any(_digit(left, place) + _digit(right, place) > 9 for place in range(3))
        return "addition_with_carrying" if carries and max(left, right) > 9 else "addition"
    if operator == "-":
        borrows = any(_digit(left, place) < _digit(right, place) for place in range(3))
        return "subtraction_with_borrowing" if borrows and left > 19 else "subtraction"
    if operator == "*":
        easy = min(left, right) <= 1 or 10 in (left, right) or max(left, right) <= 9
        return "multiplication" if easy else "multiplication_two_digit"
    return "division" if right == 10 or (right <= 9 and left <= right * 10) else "division_two_digit"


def _digit(number: int, place: int) -> int:
    return int(str(abs(number))[::-1][place : place + 1] or 0)


BARE_OPERATIONS = frozenset({"addition", "subtraction", "multiplication", "division"})
OPERATION_SKILLS = BARE_OPERATIONS | {
    "addition_with_carrying",
    "subtraction_with_borrowing",
    "multiplication_two_digit",
    "division_two_digit",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a worked solution. `concept` says why it is made, "" in a bare operation."""

    left: int
    operator: str
    right: int
    value: int
    concept: str = ""

    @property
    def operation(self) -> str:
        return operation_skill(self.left, self.operator, self.right)

    @property
    def skill(self) -> str:
        """The step's tag: its concept, else the operation itself."""
        return self.concept or self.operation

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right} = {self.value}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its worked steps. `numbers` are the values that stand in the wording."""

    type: str
    question: str
    numbers: Mapping[str, int]
    steps: tuple[Step, ...]

    @property
    def answer(self) -> str:
        return str(self.steps[-1].value)

    @property
    def solution(self) -> str:
        return render_solution(self.steps)

    @property
    def skills(self) -> tuple[str, ...]:
        """The up to three skills that matter most: concepts, operations beyond small numbers, the others."""
        operations = _distinct(step.operation for step in self.steps)
        beyond = [operation for operation in operations if operation not in BARE_OPERATIONS]
        concepts = [step.concept for step in self.steps if step.concept]
        return tuple(_distinct([*concepts, *beyond, *operations])[:MOST_SKILLS])


def render_solution(steps: Iterable[Step]) -> str:
    """Worked lines, then the final answer after `####`, as GSM8K writes it."""
    lines = list(steps)
    return "\n".join([*map(str, lines), f"#### {lines[-1].value}"])


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
