"""The tutor's own skill names, and what a closed list calls them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import yaml

from stat_train.assets import asset


@dataclass(frozen=True, slots=True)
class Meaning:
    """A skill of the domain; `names` are its own name and its aliases, normalised."""

    description: str
    names: tuple[str, ...]
    parent: str | None


class Vocabulary:
    """The skills of the domain's taxonomy by name."""

    def __init__(self, skills: Mapping[str, Meaning]) -> None:
        self.skills = skills

    def listed_as(self, skill: str, listed: Iterable[str]) -> str | None:
        """The name on the list for a skill: its own, an alias, or a parent's; None where there is none."""
        names = {normalise(name): name for name in listed}
        for meaning in self._upward(skill):
            for name in meaning.names:
                if name in names:
                    return names[name]
        return None

    def all_listed(self, skills: Iterable[str], listed: Iterable[str]) -> dict[str, str]:
        """Listed name -> the skill that it stands for, in the order of `skills`; others are left out."""
        names = list(listed)
        found: dict[str, str] = {}
        for skill in skills:
            if name := self.listed_as(skill, names):
                found.setdefault(name, skill)
        return found

    def own(self, name: str) -> str | None:
        """The tutor's skill that a name or alias means."""
        wanted = normalise(name)
        return next((skill for skill, meaning in self.skills.items() if wanted in meaning.names), None)

    def _upward(self, skill: str | None) -> Iterator[Meaning]:
        while skill is not None:
            yield self.skills[skill]
            skill = self.skills[skill].parent


def normalise(name: str) -> str:
    """Lower case, words joined by underscores."""
    return re.sub(r"[\s_-]+", "_", name.casefold()).strip("_")


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary of the domain that comes with the package."""
    entries = yaml.safe_load(asset("data/arithmetic/taxonomy.yaml").read_text(encoding="utf-8"))["skills"]
    return Vocabulary(
        {
            entry["name"]: Meaning(
                entry["description"],
                tuple(normalise(name) for name in (entry["name"], *entry.get("aliases", ()))),
                entry.get("parent"),
            )
            for entry in entries
        }
    )
