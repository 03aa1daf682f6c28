"""Arithmetic as students write it: tokens to expressions, expressions to single equations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

EQUALS = "="


@dataclass(frozen=True, slots=True)
class Equation:
    """`left operator right = stated`, as the student has it.

    `left_from` and `right_from` are the places of the equations that supply an operand inside
    one expression (`(3 + 4) * 2 = 14` is two equations); None where the student wrote a number.
    """

    left: Fraction
    operator: str
    right: Fraction
    stated: Fraction
    left_from: int | None = None
    right_from: int | None = None

    @property
    def true(self) -> bool:
        return apply(self.left, self.operator, self.right) == self.stated


@dataclass(frozen=True, slots=True)
class _Number:
    value: Fraction
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Expression:
    """An operator and its two sides."""

    operator: str
    left: "_Tree"
    right: "_Tree"


_Tree = _Number | Expression


def apply(left: Fraction, operator: str, right: Fraction) -> Fraction | None:
    """The exact value of `left operator right`; None for a division by zero."""
    if operator == "/":
        return left / right if right else None
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def statements(tokens: Sequence[str]) -> Iterator[tuple[Expression, Fraction]]:
    """`a = b = c` as expressions and the value that the student gives each.

    Each side may go on from the last (`3 + 4 = 7 + 5 = 12`) or write it anew (`2 + 3 * 4 = 2 + 12 = 14`).
    """
    sides = [side for side in map(_tree, _sides(tokens)) if side is not None]
    if len(sides) == 2 and isinstance(sides[0], _Number) and isinstance(sides[1], Expression):
        sides.reverse()
    current: _Tree | None = None
    for side in sides:
        if isinstance(current, Expression):
            first = _first(side)
            if isinstance(side, Expression) and first != _value(current) and _same(current, side):
                continue
            yield _meant(current, first), first
        current = side


def _same(old: Expression, new: Expression) -> bool:
    """The new side is the old one written anew."""
    longer = isinstance(old.left, Expression) or isinstance(old.right, Expression)
    return longer or _value(old) == _value(new)


def _sides(tokens: Sequence[str]) -> list[list[str]]:
    sides: list[list[str]] = [[]]
    for token in tokens:
        if token == EQUALS:
            sides.append([])
        else:
            sides[-1].append(token)
    return sides


def _tree(tokens: Sequence[str]) -> _Tree | None:
    """The expression with multiplication and division first; None where it is not one."""
    rest = list(tokens)

    def level(operators: str) -> _Tree:
        tree = level("*/") if operators == "+-" else factor()
        while rest and rest[0] in operators:
            tree = Expression(rest.pop(0), tree, level("*/") if operators == "+-" else factor())
        return tree

    def factor() -> _Tree:
        token = rest.pop(0)
        if token == "(":
            tree = level("+-")
            if rest.pop(0) != ")":
                raise ValueError
            return tree
        if token == "-":
            return _Number(-Fraction(rest.pop(0).rstrip("% \t")))
        return _Number(Fraction(token.rstrip("% \t")), token.endswith("%"))

    try:
        tree = level("+-")
    except (IndexError, ValueError):
        return None
    return tree if not rest and _value(tree) is not None else None


def _value(tree: _Tree) -> Fraction | None:
    if isinstance(tree, _Number):
        return tree.value
    left, right = _value(tree.left), _value(tree.right)
    if left is None or right is None:
        return None
    if tree.operator == "*":
        left, right = (_hundredths(side, v) for side, v in ((tree.left, left), (tree.right, right)))
    return apply(left, tree.operator, right)


def _hundredths(tree: _Tree, value: Fraction) -> Fraction:
    return value / 100 if isinstance(tree, _Number) and tree.percent else value


def _first(tree: _Tree) -> Fraction:
    return tree.value if isinstance(tree, _Number) else _first(tree.left)


def _meant(tree: Expression, stated: Fraction) -> Expression:
    """The reading of the expression that gives the stated value, else the ordinary one."""
    ordinary = _percent_off(tree)
    for reading in (ordinary, tree, _from_the_left(tree)):
        if _value(reading) == stated:
            return reading
    return ordinary


def _from_the_left(tree: Expression) -> Expression:
    """`2 + 3 * 4` worked as `(2 + 3) * 4`."""
    right = tree.right
    if tree.operator in "+-" and isinstance(right, Expression) and right.operator in "*/":
        return Expression(right.operator, Expression(tree.operator, tree.left, right.left), right.right)
    return tree


def _percent_off(tree: Expression) -> Expression:
    """`80 - 30%` as `80 - 80 * 30%`."""
    if tree.operator in "+-" and isinstance(tree.right, _Number) and tree.right.percent:
        return replace(tree, right=Expression("*", tree.left, tree.right))
    return tree


def flat(stated: Sequence[tuple[Expression, Fraction]]) -> list[Equation]:
    """The equations of each expression, innermost first; the last one has the value that was stated."""
    equations: list[Equation] = []

    def place(
        tree: _Tree, value: Fraction | None = None, *, percent: bool = False
    ) -> tuple[Fraction, int | None]:
        if isinstance(tree, _Number):
            if not (percent and tree.percent):
                return tree.value, None
            tree = Expression("/", _Number(tree.value), _Number(Fraction(100)))
        times = tree.operator == "*"
        left, left_from = place(tree.left, percent=times)
        right, right_from = place(tree.right, percent=times)
        computed = apply(left, tree.operator, right)
        assert computed is not None
        result = computed if value is None else value
        equation = Equation(left, tree.operator, right, result, left_from, right_from)
        equations.append(_turned(equation))
        return result, len(equations) - 1

    for tree, value in stated:
        place(tree, value)
    return equations


def _turned(equation: Equation) -> Equation:
    """`3 - 8 = 5` as `8 - 3 = 5`."""
    turned = replace(
        equation,
        left=equation.right,
        right=equation.left,
        left_from=equation.right_from,
        right_from=equation.left_from,
    )
    return turned if turned.true and not equation.true else equation
