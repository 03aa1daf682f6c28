"""The letter of a choice, A to J, as the answer."""

import re

from stat_train.data.marks import boxed, hash_marked, stated
from stat_train.grading.candidates import joined

LETTER = re.compile(r"(?<![A-Za-z0-9\\])([A-J])(?![A-Za-z0-9'’])")
GOLD = re.compile(
    r"[\s(\[*$]*(?:\\(?:text|textbf|mathrm|mathbf)\{)?[\s(]*([A-Ja-j])(?:[\s)\]}.:*$].*)?", re.DOTALL
)
OPTION = re.compile(r"\(([A-J])\)|^[ \t*]*([A-J])(?:[.):]|[ \t*]*$)", re.MULTILINE)


def extract(text: str) -> str | None:
    """The letter boxed, else behind `####`, else stated, else the last "(B)" or "B." that opens a line.

    Different letters ("A or B") stay side by side and so are no choice.
    """
    marked = boxed(text) or hash_marked(text)
    if marked:
        return joined([letter for answer in marked if (letter := _letter(answer))], str)
    statements = stated(text)
    if statements:
        return joined([letter for statement in statements for letter in _offered(statement)], str)
    options = [match[1] or match[2] for match in OPTION.finditer(text)]
    return options[-1] if options else None


def same(a: str, b: str) -> bool:
    return _letter(a) is not None and _letter(a) == _letter(b)


def gradable(gold: str) -> bool:
    return _letter(gold) is not None


def _letter(text: str) -> str | None:
    """The one letter that a short answer consists of or opens with: "B", "(b)", "B. Paris"."""
    if len(set(LETTER.findall(text))) > 1:
        return None
    match = GOLD.fullmatch(text)
    return match[1].upper() if match else None


def _offered(statement: str) -> list[str]:
    """The first letter, with those offered beside it ("B or C")."""
    letters = list(LETTER.finditer(statement))
    offered = []
    for before, letter in zip([None, *letters], letters, strict=False):
        between = statement[before.end() : letter.start()] if before else ""
        if before and not re.fullmatch(r"[\s()\[\]*$,/]*(?:or|and)?[\s()\[\]*$]*", between):
            break
        offered.append(letter[1])
    return offered
