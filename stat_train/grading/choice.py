"""The letter of a choice, A to J, as the answer."""

import re

from stat_train.data.marks import boxed, hash_sections, stated
from stat_train.grading.candidates import joined
from stat_train.grading.letters import chains, heading, labelled, named, offered, single

OPTION = re.compile(r"\(([A-J])\)|^[ \t*]*([A-J])(?:[.):]|[ \t*]*$)", re.MULTILINE)
ARTICLE_AT_LINE_END = re.compile(r"(?<=\s[ai])\n(?=[a-z])")


def extract(text: str) -> str | None:
    """The letter boxed, else behind `####`, else stated, else the last "(B)" or "B." that opens a line.

    Different letters ("A or B") stay side by side and so are no choice.
    """
    boxes = boxed(text)
    if boxes:
        return joined([letter for answer in boxes for letter in named(answer)], str)
    return joined(_hash_marked(text) or _stated(text) or _listed(text), str)


def same(a: str, b: str) -> bool:
    return single(a) is not None and single(a) == single(b)


def gradable(gold: str) -> bool:
    return single(gold) is not None


def _hash_marked(text: str) -> list[str]:
    """The letters behind `####`.

    A heading, which text follows, counts where it names an option, together with what is stated under it;
    headings that go through several options count only where no statement ends the last section.
    """
    sections, last = hash_sections(text)
    options = [(letter, body) for title, body in sections if (letter := heading(title))]
    letters = [letter for letter, _ in options]
    marked = [letter for answer in last for letter in named(answer)]
    if marked or not options:
        return letters + marked if marked else []
    if len(set(letters)) > 1 and all(body for _, body in options) and _stated(sections[-1][1]):
        return []
    return letters + [letter for _, body in sections for letter in _stated(body)]


def _stated(text: str) -> list[str]:
    statements = stated(ARTICLE_AT_LINE_END.sub(" ", text))
    return [letter for statement in statements for letter in offered(statement)]


def _listed(text: str) -> list[str]:
    """The last option that is bracketed or opens a line, with those beside it."""
    options = list(OPTION.finditer(text))
    if options:
        return chains(text, options)[-1]
    line = text.strip()
    return labelled(line) if "\n" not in line else []
