"""One number as the answer: 1,234; $5; 3/4; 1 1/2; 50%; 5 apples."""

import re
import unicodedata
from fractions import Fraction

from stat_train.grading.candidates import (
    SIGNED,
    all_values,
    first_chain,
    joined,
    last_side,
    last_values,
    marked_answers,
)

RELATIVE_TOLERANCE = Fraction(1, 10**6)
LONGEST_NUMBER = 200
LONGEST_ANSWER = 2000
LONGEST_TEXT = 100_000
PLAIN = re.compile(SIGNED)
MIXED = re.compile(
    rf"(?P<whole>{SIGNED})(?: +(?P<top>[0-9]+)/(?P<bottom>[0-9]+)"
    r"| *\\[dtc]?frac\{\s*(?P<over>[0-9]+)\s*\}\{\s*(?P<under>[0-9]+)\s*\})"
)
RATIO = re.compile(rf"(?P<top>{SIGNED})[ \t]*/[ \t]*(?P<bottom>{SIGNED})")
LATEX_FRACTION = re.compile(r"(?P<sign>[-−]?)[ \t]*\\[dtc]?frac\{(?P<top>[^{}]*)\}\{(?P<bottom>[^{}]*)\}")
DROPPED = re.compile(r"\\!|\\?[$€£¥]|\*\*|\\(?:left|right|displaystyle|textstyle)(?![a-zA-Z])")
APART = re.compile(r"\b(?:or|and)\b|;|,(?=\s)")
TEXT = re.compile(r"\\(?:text|mathrm|mbox)\{([^{}]*)\}")
SPACING = re.compile(r"\\[,;: ()\[\]]|~")
QUAD = re.compile(r"\\q?quad(?![a-zA-Z])")
NUMERATOR = re.compile(r"(?<!\\)\\{1,2}([dtc]?frac)\s*(?:([0-9])|(?=\{))")
DENOMINATOR = re.compile(r"(\\[dtc]?frac)(\{[^{}]*\})\s*(?:\{([^{}]*)\}|([0-9]))")
BRACED_FRACTION = re.compile(r"(?<=[0-9])\{(\\[dtc]?frac\{[^{}]*\}\{[^{}]*\})\}")
VULGAR_FRACTION = re.compile(r"(?<=[0-9])(?=[¼½¾⅐-⅞])|[¼½¾⅐-⅞]")


def extract(text: str) -> str | None:
    """The final number as written: boxed, behind `####`, stated ("the answer is"), else the last."""
    marked = marked_answers(text)
    if marked:
        return joined([_as_value(answer) for answer in marked], _value)
    return joined(last_values(_plain(text[-LONGEST_TEXT:])), _value)


def same(a: str, b: str) -> bool:
    """Equal to a relative 1e-6; where just one has a per cent sign, 50% is 50 and 0.5."""
    first, second = parse(a), parse(b)
    if first is None or second is None:
        return False
    if first[1] == second[1]:
        return _close(first[0], second[0])
    percent, plain = (first[0], second[0]) if first[1] else (second[0], first[0])
    return _close(percent, plain) or _close(percent / 100, plain)


def gradable(gold: str) -> bool:
    return parse(gold) is not None


def parse(text: str) -> tuple[Fraction, bool] | None:
    """(value, whether in per cent), None where the text is not one number, or endless."""
    if len(text) > LONGEST_ANSWER:
        return None
    values = set(first_chain(_plain(text)))
    if len(values) != 1:
        return None
    value = values.pop()
    number = re.sub(r"[ \t]*(?:\\?%|percent)$", "", value)
    parsed = _number(number) if len(number) <= LONGEST_NUMBER else None
    return None if parsed is None else (parsed, number != value)


def _as_value(answer: str) -> str:
    """A marked answer's number without its unit, where it holds one; all its numbers where they differ."""
    if len(answer) > LONGEST_ANSWER:
        return answer
    sides = map(last_side, APART.split(_plain(answer)))
    return joined([value for side in sides for value in all_values(side)], _value) or answer


def _value(text: str) -> object:
    return parse(text) or text


def _plain(text: str) -> str:
    """Without LaTeX's spacing, text commands, math delimiters and currency signs; a quad is a tab."""
    text = DROPPED.sub("", TEXT.sub(r" \1 ", text).replace("{,}", ","))
    text = SPACING.sub(" ", QUAD.sub("\t", text))
    return VULGAR_FRACTION.sub(_in_digits, _with_braces(text))


def _with_braces(text: str) -> str:
    """With braces around what a fraction is of, and none around a fraction behind a digit."""
    text = NUMERATOR.sub(lambda match: rf"\{match[1]}" + (f"{{{match[2]}}}" if match[2] else ""), text)
    return BRACED_FRACTION.sub(r"\1", DENOMINATOR.sub(r"\1\2{\3\4}", text))


def _in_digits(fraction: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", fraction[0]).replace("⁄", "/") or " "


def _number(text: str) -> Fraction | None:
    if match := LATEX_FRACTION.fullmatch(text):
        top, bottom = _number(match["top"].strip()), _number(match["bottom"].strip())
        if top is None or not bottom:
            return None
        return -top / bottom if match["sign"] else top / bottom
    if match := RATIO.fullmatch(text):
        top, bottom = _decimal(match["top"]), _decimal(match["bottom"])
        return top / bottom if bottom else None
    if match := MIXED.fullmatch(text):
        return _mixed(match["whole"], match["top"] or match["over"], match["bottom"] or match["under"])
    return _decimal(text) if PLAIN.fullmatch(text) else None


def _mixed(whole: str, top: str, bottom: str) -> Fraction | None:
    """1 1/2 as 3/2 and -1 1/2 as -3/2; None where the whole part is not whole."""
    if "." in whole or "e" in whole.lower() or not int(bottom):
        return None
    part = Fraction(int(top), int(bottom))
    return _decimal(whole) - part if whole.startswith(("-", "−")) else _decimal(whole) + part


def _decimal(text: str) -> Fraction:
    digits = re.sub(r"[,\s+]", "", text).replace("−", "-")
    negative = digits.startswith("-")
    return Fraction(digits.lstrip("-")) * (-1 if negative else 1)


def _close(a: Fraction, b: Fraction) -> bool:
    return abs(a - b) <= RELATIVE_TOLERANCE * max(abs(a), abs(b))
