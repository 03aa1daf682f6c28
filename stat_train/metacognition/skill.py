"""A skill, its key, and what makes two names the same."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

SkillKey = tuple[str, str]
"""(subject, skill): equal names in two subjects are two skills."""


@dataclass(frozen=True, slots=True)
class Skill:
    """One named skill. `subject` "" serves every subject; `parent` is another skill's name."""

    name: str
    description: str = ""
    subject: str = ""
    aliases: tuple[str, ...] = ()
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One edit of a taxonomy: the skills `before` became the skills `after`.

    `moved`: the skills under one that was split; they are under its own parent since, or under none.
    """

    change: Literal["merge", "split", "rename"]
    subject: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    moved: tuple[str, ...] = ()


def normalise(name: str) -> str:
    """The spelling that decides whether two names are the same: lower case, words joined by underscores."""
    return re.sub(r"[\s_\-‐-―]+", "_", unicodedata.normalize("NFKC", name).casefold()).strip("_")
