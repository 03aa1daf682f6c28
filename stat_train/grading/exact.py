"""A text as the answer, equal but for case, white space, quotes and closing punctuation."""

import re
import unicodedata
from functools import lru_cache

from stat_train.data.marks import boxed, hash_marked, stated
from stat_train.grading.candidates import joined

WRAPPING = " \t\n\"'“”‘’«»`*_$.,;:!?"
TEXT_COMMAND = re.compile(r"\\(?:text|mathrm|textbf|mbox)\{([^{}]*)\}")


def extract(text: str) -> str | None:
    """The answer boxed, else behind `####`, else stated ("the answer is"), else the last line."""
    answers = boxed(text) or hash_marked(text) or stated(text)
    if not answers:
        lines = text.split("\n")
        answers = [next((line.strip() for line in reversed(lines) if line.strip()), "")]
    return joined([answer for answer in answers if normalise(answer)], normalise)


def same(a: str, b: str) -> bool:
    return normalise(a) == normalise(b) != ""


def gradable(gold: str) -> bool:
    return normalise(gold) != ""


@lru_cache(maxsize=256)
def normalise(text: str) -> str:
    text = unicodedata.normalize("NFKC", TEXT_COMMAND.sub(r"\1", text))
    return " ".join(text.split()).strip(WRAPPING).casefold()
