"""Skill-Map: skill -> the questions that need it (STAT §2.1)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from stat_train.data.example import Example
from stat_train.metacognition.skill import SkillKey


class SkillMap(Mapping[SkillKey, Sequence[str]]):
    """(subject, skill) -> ids of the examples labelled with it, in input order, each once.

    One pass over the examples; a million of them cost a reference a label.
    """

    def __init__(self, examples: Iterable[Example]) -> None:
        self._ids: dict[SkillKey, list[str]] = {}
        for example in examples:
            for skill in dict.fromkeys(example.skills):
                self._ids.setdefault((example.subject, skill), []).append(example.id)

    def __getitem__(self, key: SkillKey) -> Sequence[str]:
        return self._ids[key]

    def __iter__(self) -> Iterator[SkillKey]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def counts(self) -> dict[SkillKey, int]:
        """Examples per skill, the most frequent first; ties in order of first appearance."""
        return dict(sorted(((key, len(ids)) for key, ids in self._ids.items()), key=lambda item: -item[1]))
