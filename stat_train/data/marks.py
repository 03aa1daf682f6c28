"""Where a text marks its final answer: `\\boxed{...}`, `#### ...`, "the answer is ..."."""

import re
from collections import deque

BOX_OR_BRACE = re.compile(
    r"\\{1,3}(?:boxed|fbox)(?![a-zA-Z])\s*+(?:(?P<box>\{)|(?P<bare>\\[a-zA-Z]+|[^\s\\{}$])|)|\\.|[{}]",
    re.DOTALL,
)
HASHES = re.compile(r"^[ \t]*#{4}(?!#)[ \t]*(.*)$", re.MULTILINE)
FOUR_HASHES = re.compile(r"(?<!#)#{4}(?!#)")
ANSWER = re.compile(
    r"\banswers?(?:[ \t]+to[ \t][^.\n:]{0,80}?)?[ \t*]{0,20}+"
    r"(?:(?:is|are|was|be|equals)\b(?:[ \t]*:)?|(?:should|would|must)[ \t]+be\b|[:=])[ \t*]*",
    re.IGNORECASE,
)
WORD = re.compile(r"\w")
SENTENCE_END = re.compile(r"[.!?](?=\s|$|\*)|\n")
MOST_STATEMENTS = 50


def boxed(text: str) -> list[str]:
    """Contents of all `\\boxed{}` (or TeX's `\\boxed 2`), in order, without empty ones. Linear time.

    Of boxes inside a box the inner ones count. A box that is never closed is none: the text was cut off.
    """
    found: list[str] = []
    opened: list[tuple[int, int] | None] = []  # a box: where its content begins, and how many came before
    for match in BOX_OR_BRACE.finditer(text):
        if match["bare"]:
            found.append(match["bare"])
        elif match["box"]:
            opened.append((match.end(), len(found)))
        elif match[0] == "{":
            opened.append(None)
        elif match[0] == "}" and opened and (box := opened.pop()):
            start, before = box
            if len(found) == before and (content := text[start : match.start()].strip()):
                found.append(content)
    return found


def hash_marked(text: str) -> list[str]:
    """What stands behind each `####` at a line's start, in order."""
    return [content for line in HASHES.findall(text) if (content := line.strip())]


def behind_hashes(text: str) -> list[str]:
    """What stands behind each `####` up to the next one or the line's end, wherever in a line, in order."""
    parts = (part for line in text.splitlines() for part in FOUR_HASHES.split(line)[1:])
    return [content for part in parts if (content := part.strip())]


def hash_sections(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """(sections, last): the headings among what stands behind `####`, with the text under each; the rest.

    The rest are those at the end, which no text follows.
    """
    marks = [match for match in HASHES.finditer(text) if match[1].strip()]
    ends = [*(match.start() for match in marks), len(text)][1:]
    under = [text[match.end() : end].strip() for match, end in zip(marks, ends, strict=True)]
    written = [number for number, body in enumerate(under, 1) if WORD.search(body)]
    count = written[-1] if written else 0
    titles = [match[1].strip() for match in marks]
    return list(zip(titles[:count], under[:count], strict=True)), titles[count:]


def stated(text: str) -> list[str]:
    """The sentences' rests behind the last 50 of "answer is", "answer:" and the like, in order."""
    found = []
    for match in deque(ANSWER.finditer(text), MOST_STATEMENTS):
        rest = text[match.end() : match.end() + 1000]
        end = SENTENCE_END.search(rest)
        if content := rest[: end.start() if end else len(rest)].strip(" \t*"):
            found.append(content)
    return found
