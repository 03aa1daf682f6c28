"""The letter of a choice, A to J, as the answer."""

import re

from stat_train.data.marks import boxed, hash_marked, stated
from stat_train.grading.candidates import joined

LETTER = re.compile(r"(?<![A-Za-z0-9\\])([A-J])(?![A-Za-z0-9'’])")
GOLD = re.compile(
    r"[\s(\[*$]*+(?:\\(?:text|textbf|mathrm|mathbf)\{)?+[\s(]*+([A-Ja-j])(?:[\s)\]}.:*$].*)?", re.DOTALL
)
BESIDE = re.compile(r"[\s()\[\]*$,/]*+(?:or|and)?[\s()\[\]*$]*+")
OPTION = re.compile(r"\(([A-J])\)|^[ \t*]*([A-J])(?:[.):]|[ \t*]*$)", re.MULTILINE)


def extract(text: str) -> str | None:
    """The letter boxed, else behind `####`, else stated, else the last "(B)" or "B." that opens a line.

    Different letters ("A or B") stay side by side and so are no choice.
    """
    marked = boxed(text) or hash_marked(text)
    if marked:
        return joined([letter for answer in marked for letter in _letters(answer)], str)
    statements = stated(text)
    if statements:
        return joined([letter for statement in statements for letter in _offered(statement)], str)
    return joined(_chains(text, OPTION)[-1], str) if OPTION.search(text) else None


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


def _letters(marked: str) -> list[str]:
    """The letter of a marked answer, or all that stand in it."""
    letter = _letter(marked)
    return [letter] if letter else LETTER.findall(marked)


def _offered(statement: str) -> list[str]:
    """The first letter, with those offered beside it ("B or C")."""
    chains = _chains(statement, LETTER)
    return chains[0] if chains else []


def _chains(text: str, option: re.Pattern[str]) -> list[list[str]]:
    """The letters, those side by side together."""
    chains: list[list[str]] = []
    end = 0
    for match in option.finditer(text):
        if chains and BESIDE.fullmatch(text, end, match.start()):
            chains[-1].append(match[match.lastindex or 1])
        else:
            chains.append([match[match.lastindex or 1]])
        end = match.end()
    return chains
