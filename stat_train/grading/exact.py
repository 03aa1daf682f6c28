"""A text as the answer, equal but for case, white space, quotes and closing punctuation."""

import re
import unicodedata
from functools import lru_cache

from stat_train.data.marks import boxed, hash_sections, stated
from stat_train.grading.candidates import joined

WRAPPING = " \t\n\"'“”‘’«»`*_$.,;:!?"
TEXT_COMMAND = re.compile(r"\\(?:text|mathrm|textbf|mbox)\{([^{}]*)\}")
HEADING = re.compile(
    r"\W*+(?:(?:step|part|case|phase|stage|section|method|approach|option|question|problem)\s+"
    r"(?:[0-9]+|[a-z]|[ivx]+)\b|[0-9]+[.):]\s"
    r"|(?:recall|identify|understand|analy[sz]e|consider|determine|compare|evaluate|eliminate|review|examine"
    r"|define|find|calculate|compute|solve|apply|verify|check)\b"
    r"|(?:(?:the|a|my|final|short|brief|detailed|step-by-step)\s+)*+(?:analysis|answer|conclusion|solution"
    r"|explanation|reasoning|justification|summary|introduction|background|context|overview|discussion"
    r"|verification|evaluation|interpretation|calculations?|results?|thoughts?|notes?|closer\s+look)"
    r"(?:\s+(?:of|for|to|and|the)\b|\W*$))",
    re.IGNORECASE,
)
OTHER_LEVEL = re.compile(r"^[ \t]*(?:#{2,3}|#{5,6})[ \t]+\S", re.MULTILINE)


def extract(text: str) -> str | None:
    """The answer boxed, else behind `####`, else stated ("the answer is"), else the last line."""
    answers = boxed(text) or _hash_marked(text) or stated(text)
    if not answers:
        lines = text.split("\n")
        answers = [next((line.strip() for line in reversed(lines) if line.strip()), "")]
    return joined([answer for answer in answers if normalise(answer)], normalise)


def same(a: str, b: str) -> bool:
    return normalise(a) == normalise(b) != ""


def gradable(gold: str) -> bool:
    return normalise(gold) != ""


def _hash_marked(text: str) -> list[str]:
    """What stands behind `####`, but for headings; what is stated under it counts where it is something else.

    In a text of headings (some look like one, or there are several) only the end counts, else a statement.
    """
    sections, last = hash_sections(text)
    titles = [title for title, _ in sections if not _is_heading(title)]
    marks = [answer for title in titles for answer in stated(title) or [title]]
    if last or not marks:
        return marks + last
    of_headings = len(titles) < len(sections) or OTHER_LEVEL.search(text)
    if (of_headings and stated(text)) or (len(sections) > 1 and stated(sections[-1][1])):
        return []
    statements = [statement for _, body in sections for statement in stated(body)]
    return marks + [other for other in statements if normalise(marks[0]) not in normalise(other)]


def _is_heading(title: str) -> bool:
    return title.rstrip(" \t*_").endswith((":", "?")) or bool(HEADING.match(title))


@lru_cache(maxsize=256)
def normalise(text: str) -> str:
    text = unicodedata.normalize("NFKC", TEXT_COMMAND.sub(r"\1", text))
    return " ".join(text.split()).strip(WRAPPING).casefold()
