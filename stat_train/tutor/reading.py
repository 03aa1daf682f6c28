"""What a student wrote, read as equations and a final answer."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

MOST_EXPRESSIONS = 60


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
class Work:
    """The equations in the student's order, and the final answer, None where there is none."""

    equations: tuple[Equation, ...]
    answer: Fraction | None


@dataclass(frozen=True, slots=True)
class _Number:
    value: Fraction
    percent: bool = False


@dataclass(frozen=True, slots=True)
class _Expression:
    operator: str
    left: "_Tree"
    right: "_Tree"


_Tree = _Number | _Expression

_SPELLINGS = (
    (r"\*\*|__|`|\\[()\[\]]|[$€£]|\\(?=[%,])", ""),
    (r"\\[dt]?frac\s*\{([^{}]+)\}\s*\{([^{}]+)\}", r"(\1)/(\2)"),
    (r"\\times|\\cdot|[×·•∙⋅]", "*"),
    (r"\\div|[÷∕]", "/"),
    (r"[−–—]", "-"),
    (r"\s*(?:->|→|⇒|=>|\bis equal to\b|\bequals?\b|\bmakes\b|\bgives\b)\s*", " = "),
    (r"(?<=[\w)%])\s+plus\s+(?=\d)", " + "),
    (r"(?<=[\w)%])\s+minus\s+(?=\d)", " - "),
    (r"(?<=[\w)%])\s+(?:times|multiplied by)\s+(?=\d)", " * "),
    (r"(?<=[\w)%])\s+divided by\s+(?=\d)", " / "),
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (r"\b(\d{1,2}):00\b", r"\1"),
    (r"(?<=[\d)%])\s*[xX]\s*(?=[\d(])", " * "),
    (r"(%|/\s*\d+)\s+of\s+(?:the\s+)?(?=\d)", r"\1 * "),
    (r"\n\s*(?==)", " "),
)
_REWRITES = tuple((re.compile(pattern), replacement) for pattern, replacement in _SPELLINGS)

_UNIT = r"(?:[ \t]*[^\W\d_]+\.?){0,2}?[ \t]*"
_TERM = rf"[ \t]*\(*[ \t]*-?\d+(?:\.\d+)?[ \t]*%?{_UNIT}\)*{_UNIT}"
_SIDE = rf"{_TERM}(?:[-+*/]{_TERM})*"
_EQUALITY = re.compile(rf"{_SIDE}(?:(?:=|\bis\b|\bare\b){_SIDE})+", re.IGNORECASE)
_TOKEN = re.compile(r"\d+(?:\.\d+)?[ \t]*%?|[-+*/()]|=|\bis\b|\bare\b", re.IGNORECASE)
_NUMBER = r"(?<![\w.])(-?\d+(?:\.\d+)?)"
_MARKED = re.compile(rf"####[^\d\n-]*{_NUMBER}")
_BOXED = re.compile(rf"boxed\{{[^\d{{}}-]*{_NUMBER}")
_SAID = re.compile(rf"answer(?:\s+is|\s*[:=])[^\d\n.-]*{_NUMBER}", re.IGNORECASE)


def read_work(text: str) -> Work:
    """The student's equations and final answer; what comes after a `####` answer is not read.

    An equation written again is read once. The answer is what `####` marks, else a box, else
    `answer is`, else the last equation's value, else the last number.
    """
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    marked = _MARKED.search(text)
    if marked:
        text = text[: marked.start()]
    stated = dict.fromkeys(pair for match in _EQUALITY.finditer(text) for pair in _statements(match[0]))
    equations = tuple(_flat(list(stated)[:MOST_EXPRESSIONS]))
    said = [Fraction(found) for pattern in (_BOXED, _SAID) for found in pattern.findall(text)[-1:]]
    if marked:
        return Work(equations, Fraction(marked[1]))
    if said:
        return Work(equations, said[0])
    if equations:
        return Work(equations, equations[-1].stated)
    numbers = re.findall(_NUMBER, text)
    return Work((), Fraction(numbers[-1]) if numbers else None)


def apply(left: Fraction, operator: str, right: Fraction) -> Fraction | None:
    """The exact value of `left operator right`; None for a division by zero."""
    if operator == "/":
        return left / right if right else None
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def _statements(text: str) -> Iterator[tuple[_Expression, Fraction]]:
    """`a = b = c` as expressions and the value that the student gives each.

    Each side may go on from the last (`3 + 4 = 7 + 5 = 12`) or write it anew (`2 + 3 * 4 = 2 + 12 = 14`).
    """
    sides = [side for side in map(_tree, _sides(text)) if side is not None]
    if len(sides) == 2 and isinstance(sides[0], _Number) and isinstance(sides[1], _Expression):
        sides.reverse()
    current: _Tree | None = None
    for side in sides:
        if isinstance(current, _Expression):
            first = _first(side)
            if isinstance(side, _Expression) and first != _value(current) and _same(current, side):
                continue
            yield _meant(current, first), first
        current = side


def _same(old: _Expression, new: _Expression) -> bool:
    """The new side is the old one written anew."""
    longer = isinstance(old.left, _Expression) or isinstance(old.right, _Expression)
    return longer or _value(old) == _value(new)


def _sides(text: str) -> list[list[str]]:
    sides: list[list[str]] = [[]]
    for token in _TOKEN.findall(text):
        if token.lower() in ("=", "is", "are"):
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
            tree = _Expression(rest.pop(0), tree, level("*/") if operators == "+-" else factor())
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


def _meant(tree: _Expression, stated: Fraction) -> _Expression:
    """The reading of the expression that gives the stated value, else the ordinary one."""
    ordinary = _percent_off(tree)
    for reading in (ordinary, tree, _from_the_left(tree)):
        if _value(reading) == stated:
            return reading
    return ordinary


def _from_the_left(tree: _Expression) -> _Expression:
    """`2 + 3 * 4` worked as `(2 + 3) * 4`."""
    right = tree.right
    if tree.operator in "+-" and isinstance(right, _Expression) and right.operator in "*/":
        return _Expression(right.operator, _Expression(tree.operator, tree.left, right.left), right.right)
    return tree


def _percent_off(tree: _Expression) -> _Expression:
    """`80 - 30%` as `80 - 80 * 30%`."""
    if tree.operator in "+-" and isinstance(tree.right, _Number) and tree.right.percent:
        return replace(tree, right=_Expression("*", tree.left, tree.right))
    return tree


def _flat(stated: Sequence[tuple[_Expression, Fraction]]) -> list[Equation]:
    equations: list[Equation] = []

    def place(
        tree: _Tree, value: Fraction | None = None, *, percent: bool = False
    ) -> tuple[Fraction, int | None]:
        if isinstance(tree, _Number):
            if not (percent and tree.percent):
                return tree.value, None
            tree = _Expression("/", _Number(tree.value), _Number(Fraction(100)))
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
