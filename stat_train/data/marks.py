"""Where a text marks its final answer: `\\boxed{...}`, `#### ...`, "the answer is ..."."""

import re

BOX = re.compile(r"\\(?:boxed|fbox)(?:\s*(\{)|\s*(\\[a-zA-Z]+|[^\s\\{}$])|)")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
HASHES = re.compile(r"^[ \t]*#{4}(?!#)[ \t]*(.*)$", re.MULTILINE)
ANSWER = re.compile(
    r"\banswers?(?:[ \t]+to[ \t][^.\n:]{0,80}?)?[ \t*]*"
    r"(?:(?:is|are|was|be|equals)\b(?:[ \t]*:)?|(?:should|would|must)[ \t]+be\b|[:=])[ \t*]*",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(r"[.!?](?=\s|$|\*)|\n")


def boxed(text: str) -> list[str]:
    """Contents of all `\\boxed{}` (or TeX's `\\boxed 2`), in order, without empty ones. Linear time.

    A box that is never closed is none: the text was cut off.
    """
    found = []
    position = 0
    while match := BOX.search(text, position):
        position = match.end()
        if match[1] is None:
            found += [match[2]] if match[2] else []
            continue
        end = _closing_brace(text, position)
        if end is None:
            break
        if content := text[position:end].strip():
            found.append(content)
        position = end + 1
    return found


def hash_marked(text: str) -> list[str]:
    """What stands behind each `####` at a line's start, in order."""
    return [content for line in HASHES.findall(text) if (content := line.strip())]


def stated(text: str) -> list[str]:
    """The sentences' rests behind each "answer is", "answer:" and the like, in order."""
    found = []
    for match in ANSWER.finditer(text):
        rest = text[match.end() : match.end() + 1000]
        end = SENTENCE_END.search(rest)
        if content := rest[: end.start() if end else len(rest)].strip(" \t*"):
            found.append(content)
    return found


def _closing_brace(text: str, start: int) -> int | None:
    depth = 1
    for match in BRACE.finditer(text, start):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    return None
