"""The student's own path: which value came from where, and what it gives when computed rightly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice, product

from stat_train.tutor.expressions import Equation, apply

MOST_READINGS = 256
LARGEST = 10**12

Sources = tuple[int | None, int | None]
"""For the two operands of an equation: the place of the equation that gave it, None for a plain number."""


@dataclass(frozen=True)
class Path:
    """Equations with one reading of where each operand came from."""

    equations: tuple[Equation, ...]
    sources: tuple[Sources, ...]
    given: frozenset[Fraction]

    def corrected(self, place: int) -> Fraction | None:
        """The value at `place` had everything on the way been computed rightly; None where that is absurd."""
        return self._corrected[place]

    @cached_property
    def _corrected(self) -> list[Fraction | None]:
        values: list[Fraction | None] = []
        for equation, (left, right) in zip(self.equations, self.sources, strict=True):
            a = equation.left if left is None else values[left]
            b = equation.right if right is None else values[right]
            value = None if a is None or b is None else apply(a, equation.operator, b)
            values.append(None if value is None or _absurd(value) else value)
        return values

    def behind(self, place: int) -> list[int]:
        """The places of all equations that `place` rests on, itself included, in the student's order."""
        found, waiting = set[int](), [place]
        while waiting:
            at = waiting.pop()
            found.add(at)
            waiting += [source for source in self.sources[at] if source is not None and source not in found]
        return sorted(found)

    def leaves(self, place: int) -> frozenset[Fraction]:
        """The question's numbers that the value at `place` was made from."""
        found = set[Fraction]()
        for at in self.behind(place):
            equation = self.equations[at]
            for number, source in zip((equation.left, equation.right), self.sources[at], strict=True):
                if source is None and number in self.given:
                    found.add(number)
        return frozenset(found)


def readings(equations: Sequence[Equation], given: frozenset[Fraction]) -> Iterator[Path]:
    """The ways to say where the operands came from, latest equation first, a plain number last.

    80 / 10 = 10 and then 60 / 10: is this 10 the earlier value, or just ten?
    """
    options: list[list[int | None]] = []
    for place, equation in enumerate(equations):
        for number, source in ((equation.left, equation.left_from), (equation.right, equation.right_from)):
            options.append([source] if source is not None else _sources(equations[:place], number))
    for chosen in islice(product(*options), MOST_READINGS):
        sources = tuple(zip(chosen[::2], chosen[1::2], strict=True))
        yield Path(tuple(equations), sources, given)


def _absurd(value: Fraction) -> bool:
    return max(abs(value.numerator), value.denominator) > LARGEST


def _sources(earlier: Sequence[Equation], number: Fraction) -> list[int | None]:
    places = [place for place, equation in enumerate(earlier) if equation.stated == number]
    return [*reversed(places), None]
