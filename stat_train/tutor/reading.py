"""What a student wrote, read as equations and a final answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from stat_train.tutor.expressions import EQUALS, Equation, flat, statements

MOST_TEXT = 20_000
MOST_EQUATIONS = 60
MOST_TOKENS = 60
MOST_UNIT_WORDS = 2


@dataclass(frozen=True, slots=True)
class Work:
    """The equations in the student's order, and the final answer, None where there is none."""

    equations: tuple[Equation, ...]
    answer: Fraction | None


_SPELLINGS = (
    (r"[^\S\n]+", " "),
    (r"\s*\n\s*", "\n"),
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
    (r"\n ?(?==)", " "),
)
_REWRITES = tuple((re.compile(pattern), replacement) for pattern, replacement in _SPELLINGS)


_TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)?(?: ?%)?)|(?P<equals>=|\b(?:is|are)\b)|(?P<sign>[-+*/])"
    r"|(?P<open>\()|(?P<close>\))|(?P<word>[^\W\d]+)|(?P<other>\S|\n)",
    re.IGNORECASE,
)
_LONGEST_NUMBER = 15
_DIGITS = rf"(?<![\w.])(-?\d{{1,{_LONGEST_NUMBER}}}+(?:\.\d{{1,{_LONGEST_NUMBER}}}+)?+)"
_MARKED = re.compile(rf"####[^\d\n-]{{0,40}}{_DIGITS}")
_BOXED = re.compile(rf"boxed\{{[^\d{{}}-]{{0,40}}{_DIGITS}")
_SAID = re.compile(rf"answer(?: is| ?[:=])[^\d\n.-]{{0,40}}{_DIGITS}(?! ?[-+*/=])", re.IGNORECASE)
_LAST = re.compile(_DIGITS)


def read_work(text: str) -> Work:
    """The student's equations and final answer; what comes after a `####` answer is not read.

    An equation written again is read once. The answer is what `####` marks, else a box, else
    `answer is`, else the last equation's value, else the last number.
    """
    text = text[:MOST_TEXT]
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    marked = _MARKED.search(text)
    if marked:
        text = text[: marked.start()]
    stated = dict.fromkeys(pair for run in _runs(text) for pair in statements(run))
    equations = tuple(flat(list(stated))[:MOST_EQUATIONS])
    said = [Fraction(found) for pattern in (_BOXED, _SAID) for found in pattern.findall(text)[-1:]]
    if marked:
        return Work(equations, Fraction(marked[1]))
    if said:
        return Work(equations, said[0])
    if stated:
        return Work(equations, list(stated)[-1][1])
    numbers = _LAST.findall(text)
    return Work((), Fraction(numbers[-1]) if numbers else None)


def _runs(text: str) -> Iterator[list[str]]:
    """The stretches of the text that read as arithmetic with a sign of equality; units are left out."""
    run: list[str] = []
    words = 0
    for match in _TOKEN.finditer(text):
        kind, token = str(match.lastgroup), match[0]
        after_value = bool(run) and (run[-1][-1].isdigit() or run[-1][-1] in "%)")
        if kind == "word" and after_value and words < MOST_UNIT_WORDS:
            words += 1
            continue
        words = 0
        if after_value and kind in ("equals", "sign", "close"):
            run.append(EQUALS if kind == "equals" else token)
            continue
        begins_value = kind in ("number", "open") or (
            token == "-" and text[match.end() : match.end() + 1].isdigit()
        )
        if after_value or not begins_value:
            yield from _usable(run)
            run = []
        if begins_value:
            run.append(token)
    yield from _usable(run)


def _usable(run: list[str]) -> Iterator[list[str]]:
    """The run up to its last number, where it is an equation of a size that people write."""
    while run and not (run[-1][-1].isdigit() or run[-1][-1] in "%)"):
        run.pop()
    if EQUALS in run and len(run) <= MOST_TOKENS and max(map(len, run)) <= _LONGEST_NUMBER:
        yield run
