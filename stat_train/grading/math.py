"""Mathematical equality by math-verify. `compare` runs in a worker: it may take for ever."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from stat_train.data.marks import stated
from stat_train.grading.candidates import (
    EXPRESSION,
    TAIL,
    first_chain,
    joined,
    last_chain,
    last_side,
    marked_answers,
)
from stat_train.grading.verdict import Verdict

DELIMITED = r"\$[^$\n]+\$|\\\([^\n]+?\\\)|\\\[[^$]+?\\\]"
VALUE = re.compile(rf"(?:{DELIMITED}|(?<![\w.:/^{{\\]){EXPRESSION}(?![A-Za-z(]|[ \t]?\\[a-zA-Z]))")
FORMULA = re.compile(r"[A-Za-z]{0,2}+(?:[^A-Za-z]++(?:[A-Za-z]{1,2}(?![A-Za-z])|and|or|pi)?+)*+")
SPACES = r"(?:[ \t,;]|\\q?quad(?![a-zA-Z])|\\[,; ])*+"
OR = re.compile(
    rf"{SPACES}(?:\\(?:text|mathrm|mbox)\{{[^{{}}]{{0,20}}\bor\b[^{{}}]{{0,20}}\}}|\(?\bor\b|\\(?:lor|vee)(?![a-zA-Z]))"
    rf"{SPACES}"
)
INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
FRACTION = re.compile(
    r"(-?)(?:\\[dt]?frac\{([0-9]{1,4})\}\{([1-9][0-9]{0,3})\}|([0-9]{1,4})/([1-9][0-9]{0,3}))"
)
LONGEST_ANSWER = 2000


def extract(text: str) -> str | None:
    """The answer boxed, else behind `####`, else stated ("the answer is"), else the last value."""
    answers = marked_answers(text)
    if not answers:
        answers = [answer for statement in stated(text) for answer in _stated_values(statement)]
    if not answers:
        answers = last_chain(text[-TAIL:], VALUE)
    return joined(
        [bare for answer in answers if (bare := _bare(answer))], lambda answer: answer.replace(" ", "")
    )


def without_asking(answer: str, gold: str) -> tuple[Verdict, str | None] | None:
    """(verdict, reason) where no worker is needed for it."""
    if len(gold) > LONGEST_ANSWER or len(answer) > LONGEST_ANSWER:
        longer = "gold answer" if len(gold) > LONGEST_ANSWER else "answer"
        return "error", f"the {longer} is longer than {LONGEST_ANSWER} characters"
    verdict = compare_plain(answer, gold)
    return None if verdict is None else (verdict, None)


def compare_plain(answer: str, gold: str) -> Verdict | None:
    """The verdict where both are plain integers or short fractions, None elsewhere: it needs no worker."""
    first, second = _plain(answer), _plain(gold)
    if first is None or second is None:
        return None
    return "correct" if first == second else "wrong"


def _plain(answer: str) -> Fraction | None:
    if INTEGER.fullmatch(answer):
        return Fraction(int(answer))
    if match := FRACTION.fullmatch(answer):
        sign, top, bottom = match[1], match[2] or match[4], match[3] or match[5]
        return Fraction(int(f"{sign}{top}"), int(bottom))
    return None


def compare(answer: str, gold: str) -> tuple[Verdict, str | None]:
    """(verdict, reason of an error). Each alternative must be right, or all together be a gold of several."""
    gold = _bare(gold)
    if not _parsed(gold):
        return "error", "the gold answer cannot be parsed"
    verdict, reason = _verify(answer, gold)
    alternatives = OR.split(answer)
    if len(alternatives) == 1 or (verdict == "correct" and _has_parts(gold)):
        return verdict, reason
    verdicts = [_verify(alternative, gold) for alternative in alternatives]
    return next((found for found in verdicts if found[0] != "correct"), ("correct", None))


def _verify(answer: str, gold: str) -> tuple[Verdict, str | None]:
    """math-verify's own verdict; what it would call wrong because it failed is an error."""
    from math_verify import verify

    expected, found = _parsed(gold), _parsed(answer)
    if set(_texts(expected)) & set(_texts(found)):
        return "correct", None
    try:
        right = verify(expected, found, timeout_seconds=None, raise_on_error=True)
    except (Exception, RecursionError) as error:
        return "error", f"{type(error).__name__}: {error}"[:200]
    return ("correct" if right else "wrong"), None


def _has_parts(gold: str) -> bool:
    """Whether a gold answer can be several values: a set, a pair, a relation, "1 or 2"."""
    from sympy import Expr

    return bool(OR.search(gold)) or not isinstance(_parsed(gold)[0], Expr)


@lru_cache(maxsize=20_000)
def _parsed(answer: str) -> list[Any]:
    from math_verify import parse

    parsed: list[Any] = parse(f"\\boxed{{{answer}}}", parsing_timeout=None)
    return parsed


def _texts(parsed: list[Any]) -> list[str]:
    return [item.strip() for item in parsed if isinstance(item, str) and item.strip()]


def _stated_values(statement: str) -> list[str]:
    statement = statement.rstrip(".,;:!? ")
    if re.search(DELIMITED, statement):
        return first_chain(statement, re.compile(DELIMITED))
    statement = last_side(statement).strip()
    if "\\" in statement or FORMULA.fullmatch(statement):
        return [statement]
    return first_chain(statement, VALUE) or [statement]


def _bare(answer: str) -> str:
    """Without the math delimiters around it."""
    bare = answer.strip()
    if len(bare) > 1 and bare[0] == bare[-1] == "$":
        bare = bare.strip("$")
    elif bare[:2] + bare[-2:] in (r"\(\)", r"\[\]") and len(bare) > 3:
        bare = bare[2:-2]
    return bare.strip().rstrip(".")
