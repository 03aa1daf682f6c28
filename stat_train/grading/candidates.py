"""The final answer of a free text: marked, stated, or else the last value written.

A text that offers several different values ("the answer is 3 or 4", boxes that differ) has
all of them as its answer, joined by " or ", and so is right for none.
"""

import re
from collections.abc import Callable

from stat_train.data.marks import boxed, hash_marked, stated

NUMBER = (
    r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?"
    r"(?![0-9]|[eE][+-]?[0-9])"
)
SIGN = r"(?:[-−+]|(?<=[=(:])[-−][ \t]+|(?<=[=(:] )[-−][ \t]+)?"
SIGNED = rf"{SIGN}(?:\\?[$€£¥][ \t]*)?[-−]?{NUMBER}"
UNSIGNED_FRACTION = r"\\[dtc]?frac\{[^{}]*\}\{[^{}]*\}"
FRACTION = rf"(?:[-−][ \t]*)?{UNSIGNED_FRACTION}"
MIXED = rf"{SIGNED} +[0-9]+/[0-9]+"
JUXTAPOSED = rf"(?:{FRACTION}|{SIGNED})(?: *+{UNSIGNED_FRACTION})++"
TERM = rf"(?:{JUXTAPOSED}|{FRACTION}|{MIXED}|{SIGNED})"
OPERATOR = r"(?:[-−+*/×÷^:]|\\(?:cdot|times|div)(?![a-zA-Z]))"
EXPRESSION = rf"{TERM}(?:[ \t]*+{OPERATOR}[ \t]*+{TERM})*+(?:[ \t]*+(?:\\?%|percent\b))?+"
NOT_INSIDE = r"(?<![\w.:/^])(?<![\^_]\{)"
ROOT = r"\\sqrt(?:\[[^\[\]]*\])?\{[^{}]*\}"
LATEX_FACTOR = rf"(?:{ROOT}|\\(?:[dtc]?frac|sqrt|pi)(?![a-zA-Z]))"
TIMES_A_FRACTION = rf"(?<![\w\\])\\?[A-Za-z]++{UNSIGNED_FRACTION}"
NUMERIC_VALUE = re.compile(
    rf"{NOT_INSIDE}{EXPRESSION}(?:[ \t]*+{LATEX_FACTOR})?+|{TIMES_A_FRACTION}|(?<!\\){ROOT}"
)
ALTERNATIVE = re.compile(
    r"[ \t]*+[,;]?[ \t]*+(?:\(?(?:or|and|vs)\b\.?|[,;/|&]|\\(?:lor|vee)\b)[ \t]*+"
    r"(?:(?:maybe|perhaps|possibly|even|else|also)\b,?[ \t]*+)*+"
    r"|(?:[ \t]++[^\W\d]++){1,3},?[ \t]++or\b[ \t]*+"
)
EQUALS = re.compile(r"(?<![<>!:=])=(?!=)")
SPACED_SIGN = re.compile(r"^([-−])[ \t]+")
TAIL = 1500


def marked_answers(text: str) -> list[str]:
    """The boxed answers, else those behind `####`, in order."""
    return boxed(text) or [answer for answer in hash_marked(text) if not re.match(r"[A-Za-z]{3}", answer)]


def last_values(text: str) -> list[str]:
    """The values that an unmarked text ends with: more than one where it wavers between them."""
    statements = stated(text)
    if statements:
        return [found for statement in statements for found in first_chain(last_side(statement))]
    return last_chain(text[-TAIL:])


def first_chain(text: str, value: re.Pattern[str] = NUMERIC_VALUE) -> list[str]:
    """The first value and the alternatives beside it ("3 or 4")."""
    chains = _chains(text, value)
    return chains[0] if chains else []


def last_chain(text: str, value: re.Pattern[str] = NUMERIC_VALUE) -> list[str]:
    """The last value and the alternatives beside it."""
    chains = _chains(text, value)
    return chains[-1] if chains else []


def all_values(text: str) -> list[str]:
    """Every value of a text, in order."""
    return [value for chain in _chains(text, NUMERIC_VALUE) for value in chain]


def joined(answers: list[str], value: Callable[[str], object]) -> str | None:
    """One answer; those of different value with " or " between; None without any."""
    distinct = {value(answer): answer for answer in reversed(answers)}
    return " or ".join(reversed(distinct.values())) or None


def last_side(statement: str) -> str:
    """What stands right of the last plain "=": "4 + 2 = 6" states 6."""
    return EQUALS.split(statement)[-1]


def _chains(text: str, value: re.Pattern[str]) -> list[list[str]]:
    chains: list[list[str]] = []
    end = -1
    for match in value.finditer(text):
        found = SPACED_SIGN.sub(r"\1", match[0])
        if chains and ALTERNATIVE.fullmatch(text, end, match.start()):
            chains[-1].append(found)
        else:
            chains.append([found])
        end = match.end()
    return chains
