"""The closed list of skills, in a YAML file that people write and read."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from stat_train.errors import UserError
from stat_train.metacognition.skill import Change, Skill, SkillKey, normalise
from stat_train.metacognition.taxonomy_check import check_skills
from stat_train.metacognition.taxonomy_file import read_taxonomy_file, write_taxonomy_file

__all__ = ["Skill", "SkillTaxonomy"]


@dataclass(frozen=True)
class SkillTaxonomy:
    """Skills in the order of their list; immutable, so that every edit is a new taxonomy.

    Names are unique per subject after `normalise`, aliases included; a skill without a subject
    belongs to every subject. `log` holds the edits made so far, oldest first. `source` names the
    list in errors. Raises UserError for a list that cannot be used.
    """

    entries: tuple[Skill, ...]
    log: tuple[Change, ...] = ()
    source: str = "taxonomy"

    def __post_init__(self) -> None:
        check_skills(self.entries, self.source)

    @classmethod
    def read(cls, path: Path | str) -> "SkillTaxonomy":
        """The taxonomy of a YAML file: `skills:` is a list of names or of mappings with a `name`.

        Raises UserError naming file, entry and mend.
        """
        entries, log = read_taxonomy_file(Path(path))
        return cls(
            tuple(Skill(**entry) for entry in entries), tuple(Change(**entry) for entry in log), str(path)
        )

    @classmethod
    def from_names(cls, names: Sequence[str] | Mapping[str, Sequence[str]]) -> "SkillTaxonomy":
        """A taxonomy of bare names: a list, or a mapping subject -> list."""
        by_subject = names if isinstance(names, Mapping) else {"": names}
        if any(isinstance(listed, str) for listed in by_subject.values()):
            raise UserError(
                "taxonomy: a string stands where a list of skill names belongs; put it into a list"
            )
        return cls(
            tuple(Skill(name, subject=subject) for subject, listed in by_subject.items() for name in listed)
        )

    def write(self, path: Path | str) -> None:
        """Write the YAML file, log included; `read` gives back an equal taxonomy."""
        write_taxonomy_file(Path(path), self.entries, self.log)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects that have skills of their own, in order; () where the list serves every subject."""
        return tuple(dict.fromkeys(skill.subject for skill in self.entries if skill.subject))

    def subject(self, name: str) -> str:
        """The listed spelling of a subject, or the name as it is where the list has none for it."""
        return next((its for its in self.subjects if normalise(its) == normalise(name)), name)

    @property
    def parents(self) -> dict[SkillKey, str]:
        """(subject, skill) -> the listed name of its parent, for the skills that have one."""
        return {
            (skill.subject, skill.name): self.resolve(skill.parent, skill.subject) or skill.parent
            for skill in self.entries
            if skill.parent is not None
        }

    def skills(self, subject: str = "") -> tuple[Skill, ...]:
        """The closed list of one subject: its own skills and those that serve every subject.

        Raises UserError where the subject has none.
        """
        listed = self._listed.get(normalise(subject)) or self._listed.get("", ())
        if not listed:
            known = ", ".join(self.subjects)
            raise UserError(
                f"{self.source}: no skills for subject {subject!r}; its subjects are {known}: "
                "add skills for it, or map the data's subject column to these names"
            )
        return listed

    def names(self, subject: str = "") -> tuple[str, ...]:
        """The names of `skills(subject)`."""
        return tuple(skill.name for skill in self.skills(subject))

    def resolve(self, name: str, subject: str = "") -> str | None:
        """The listed name that `name` means, or None where it is off the list.

        Case, white space, underscores and hyphens do not matter; aliases count.
        """
        self.skills(subject)
        own = self._meanings.get(normalise(subject)) or self._meanings.get("", {})
        return own.get(normalise(name))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of the skills in order; the log does not count."""
        rows = [
            [skill.name, skill.description, skill.subject, skill.aliases, skill.parent]
            for skill in self.entries
        ]
        return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()

    def rename(self, old: str, new: str, subject: str = "") -> "SkillTaxonomy":
        """`old` is called `new`; the old name stays as an alias, so that existing labels still resolve."""
        skill = self._own(old, subject)
        aliases = [alias for alias in (skill.name, *skill.aliases) if normalise(alias) != normalise(new)]
        renamed = replace(skill, name=new, aliases=tuple(aliases))
        return self._edited("rename", subject, [skill], [renamed], new_parent=new)

    def merge(
        self, names: Sequence[str], into: str, subject: str = "", *, description: str | None = None
    ) -> "SkillTaxonomy":
        """The skills `names` become one, `into`, in the place of the first; their names stay as aliases."""
        merged = [self._own(name, subject) for name in dict.fromkeys(names)]
        if len(merged) < 2:
            raise UserError(f"{self.source}: merging into {into!r} needs two skills at least; name them")
        said = "; ".join(skill.description for skill in merged if skill.description)
        aliases = [alias for skill in merged for alias in (skill.name, *skill.aliases)]
        gone = {normalise(skill.name) for skill in merged}
        parents = [skill.parent for skill in merged if skill.parent and normalise(skill.parent) not in gone]
        whole = Skill(
            into,
            said if description is None else description,
            merged[0].subject,
            tuple(alias for alias in dict.fromkeys(aliases) if normalise(alias) != normalise(into)),
            parents[0] if parents else None,
        )
        return self._edited("merge", subject, merged, [whole], new_parent=into)

    def split(self, name: str, into: Sequence[Skill | str], subject: str = "") -> "SkillTaxonomy":
        """`name` is replaced by the skills `into`, which take its place and parent.

        The old name means nothing any more: what was labelled with it must be labelled again. Skills under
        `name` come under its parent, or under none, and the log names them (`moved`).
        """
        skill = self._own(name, subject)
        parts = [Skill(part) if isinstance(part, str) else part for part in into]
        if len(parts) < 2:
            raise UserError(f"{self.source}: splitting {name!r} needs two new skills at least; name them")
        placed = [replace(part, subject=skill.subject, parent=part.parent or skill.parent) for part in parts]
        return self._edited("split", subject, [skill], placed, new_parent=skill.parent)

    def _own(self, name: str, subject: str) -> Skill:
        wanted = self.resolve(name, subject)
        for skill in self.skills(subject):
            if skill.name == wanted:
                return skill
        raise UserError(
            f"{self.source}: no skill {name!r} for subject {subject!r}; `names()` lists those there are"
        )

    def _edited(
        self,
        change: Literal["merge", "split", "rename"],
        subject: str,
        before: Sequence[Skill],
        after: Sequence[Skill],
        new_parent: str | None,
    ) -> "SkillTaxonomy":
        gone = {normalise(skill.name) for skill in before}
        subject = before[0].subject
        entries: list[Skill] = []
        moved: list[str] = []
        for skill in self.entries:
            if skill == before[0]:
                entries += after
            elif skill in before:
                continue
            elif skill.parent and normalise(skill.parent) in gone and subject in ("", skill.subject):
                entries.append(replace(skill, parent=new_parent))
                moved.append(skill.name)
            else:
                entries.append(skill)
        names = [tuple(skill.name for skill in side) for side in (before, after)]
        logged = Change(change, subject, names[0], names[1], tuple(moved) if change == "split" else ())
        return replace(self, entries=tuple(entries), log=(*self.log, logged))

    @cached_property
    def _listed(self) -> dict[str, tuple[Skill, ...]]:
        """Normalised subject -> its closed list."""
        return {
            subject: tuple(skill for skill in self.entries if normalise(skill.subject) in ("", subject))
            for subject in {normalise(skill.subject) for skill in self.entries}
        }

    @cached_property
    def _meanings(self) -> dict[str, dict[str, str]]:
        """Normalised subject -> normalised name or alias -> listed name."""
        return {
            subject: {
                normalise(word): skill.name for skill in listed for word in (skill.name, *skill.aliases)
            }
            for subject, listed in self._listed.items()
        }
