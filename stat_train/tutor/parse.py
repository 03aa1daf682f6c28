"""From a question's text back to the problem it was made from."""

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from stat_train.tutor.domain import SLOT, Domain, ProblemType, load_domain
from stat_train.tutor.problem import Problem


@dataclass(frozen=True, slots=True)
class ParsedQuestion:
    """A problem, with its type and the wording and words that its question was written with."""

    problem: Problem
    kind: ProblemType
    wording: str
    words: dict[str, str]


class QuestionParser:
    """All wordings of a domain, indexed by their text with names, things and numbers blotted out."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self._variable = re.compile(rf"\b(?:{_any(domain.names + domain.things)})\b|\d+", re.IGNORECASE)
        self._candidates: dict[str, list[tuple[ProblemType, str, re.Pattern[str]]]] = defaultdict(list)
        sample = {"name": domain.names[0], "name2": domain.names[1], "things": domain.things[0]}
        for kind in domain.types:
            for wording in dict.fromkeys(kind.wordings + kind.unseen):
                filled = SLOT.sub(lambda slot: sample.get(slot[1], "1"), wording)
                pattern = _pattern(wording, kind, domain)
                self._candidates[self._skeleton(filled)].append((kind, wording, pattern))

    def parse(self, question: str) -> ParsedQuestion | None:
        """What `question` states, None where it is not of the domain; white space and case do not matter."""
        text = " ".join(question.split())
        for kind, wording, pattern in self._candidates.get(self._skeleton(text), ()):
            if match := pattern.fullmatch(text):
                found = match.groupdict()
                numbers = {name: int(found[name]) for name in kind.numbers}
                if steps := kind.solve(numbers, self.domain.largest):
                    words = {name: word for name, word in found.items() if name not in numbers}
                    return ParsedQuestion(Problem(kind.name, text, numbers, steps), kind, wording, words)
        return None

    def _skeleton(self, text: str) -> str:
        return self._variable.sub("#", text).casefold()


def parse(question: str) -> Problem | None:
    """The problem that `question` states, or None where it is not of the package's domain."""
    parsed = default_parser().parse(question)
    return parsed.problem if parsed else None


@cache
def default_parser() -> QuestionParser:
    """The parser of the domain that comes with the package."""
    return QuestionParser(load_domain())


def _pattern(wording: str, kind: ProblemType, domain: Domain) -> re.Pattern[str]:
    slots = dict.fromkeys(kind.numbers, r"\d+")
    slots |= {"name": _any(domain.names), "name2": _any(domain.names), "things": _any(domain.things)}
    parts, seen, end = list[str](), set[str](), 0
    for slot in SLOT.finditer(wording):
        name = slot[1]
        parts.append(re.escape(wording[end : slot.start()]))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{slots[name]})")
        seen.add(name)
        end = slot.end()
    parts.append(re.escape(wording[end:]))
    return re.compile("".join(parts), re.IGNORECASE)


def _any(words: tuple[str, ...]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
