"""Which of a problem's steps a student showed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from stat_train.tutor.domain import StepRule
from stat_train.tutor.path import Path
from stat_train.tutor.problem import Problem


@dataclass(slots=True)
class Alignment:
    """`shown` holds the places of the steps that the student made, `used` the equations that show them."""

    shown: set[int] = field(default_factory=set)
    used: set[int] = field(default_factory=set)


def align(problem: Problem, rules: Sequence[StepRule], path: Path) -> Alignment:
    """Find the expected steps in the student's path, each with the student's own earlier values.

    A step is shown by an equation with its operator and operands, by any equation that rightly computed
    gives its value from the same numbers of the question, or, where an earlier step is wrong or missing,
    by an equation with its operator and its other operand. A step done in the head is shown
    by a later one that uses its value.
    """
    return _Aligning(problem, rules, path).run()


class _Aligning:
    def __init__(self, problem: Problem, rules: Sequence[StepRule], path: Path) -> None:
        self.problem, self.rules, self.path = problem, rules, path
        self.place_of = {rule.name: place for place, rule in enumerate(rules)}
        self.values = {name: Fraction(value) for name, value in problem.numbers.items()}
        self.found = Alignment()

    def run(self) -> Alignment:
        for place, rule in enumerate(self.rules):
            if (at := self._exact(rule)) is not None or (at := self._other_way(place)) is not None:
                self._show(place, rule)
            elif (at := self._after_wrong_step(rule)) is not None:
                self.found.shown.add(place)
            else:
                self._in_the_head(rule)
                continue
            self.found.used.add(at)
            self.values[rule.name] = self.path.equations[at].stated
        return self.found

    def _show(self, place: int, rule: StepRule) -> None:
        """This step, and with it every step that it rests on."""
        self.found.shown.add(place)
        for name in (rule.left, rule.right):
            if name in self.place_of and self.place_of[name] not in self.found.shown:
                self._show(self.place_of[name], self.rules[self.place_of[name]])

    def _value(self, name: str) -> Fraction | None:
        return Fraction(int(name)) if name.isdigit() else self.values.get(name)

    def _in_the_head(self, rule: StepRule) -> None:
        left, right = self._value(rule.left), self._value(rule.right)
        if left is not None and right is not None:
            computed = {"+": left + right, "-": left - right, "*": left * right}.get(rule.operator)
            if rule.operator == "/" and right:
                computed = left / right
            if computed is not None:
                self.values[rule.name] = computed

    def _exact(self, rule: StepRule) -> int | None:
        left, right = self._value(rule.left), self._value(rule.right)
        found = [at for at, operands in self._open(rule.operator) if operands == (left, right)]
        mended = [at for at in found if self.path.equations[at].true]
        return next(iter(mended + found), None)

    def _other_way(self, place: int) -> int | None:
        value, numbers = self.problem.steps[place].value, self._numbers(self.rules[place])
        for at in set(range(len(self.path.equations))) - self.found.used:
            if self.path.corrected(at) == value and self.path.leaves(at) == numbers:
                return at
        return None

    def _numbers(self, rule: StepRule) -> frozenset[Fraction]:
        """The question's numbers that a step rests on."""
        found = frozenset[Fraction]()
        for name in (rule.left, rule.right):
            if name in self.problem.numbers:
                found |= {Fraction(self.problem.numbers[name])}
            elif name in self.place_of:
                found |= self._numbers(self.rules[self.place_of[name]])
        return found

    def _after_wrong_step(self, rule: StepRule) -> int | None:
        names = (rule.left, rule.right)
        unknown = [name in self.place_of and self.place_of[name] not in self.found.shown for name in names]
        if not any(unknown):
            return None
        known = [None if open_ else self._value(name) for name, open_ in zip(names, unknown, strict=True)]
        loose = list[int]()
        for at, operands in self._open(rule.operator):
            if any(value not in (None, operand) for value, operand in zip(known, operands, strict=True)):
                continue
            earlier = {equation.stated for equation in self.path.equations[:at]}
            if all(operand in earlier for operand, open_ in zip(operands, unknown, strict=True) if open_):
                return at
            if not all(unknown):
                loose.append(at)
        return loose[0] if loose else None

    def _open(self, operator: str) -> list[tuple[int, tuple[Fraction, Fraction]]]:
        """Unused equations with this operator and their operands, in both orders where order is free."""
        found = list[tuple[int, tuple[Fraction, Fraction]]]()
        for at, equation in enumerate(self.path.equations):
            if at not in self.found.used and equation.operator == operator:
                found.append((at, (equation.left, equation.right)))
                if operator in "+*":
                    found.append((at, (equation.right, equation.left)))
        return found
