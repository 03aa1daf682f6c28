"""The Skill-Map by place, and where to look when a skill has too few questions."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from stat_train.data.example import Example
from stat_train.metacognition.skill import normalise

if TYPE_CHECKING:
    from stat_train.methods.drawing import Places

Skill = tuple[str, str]
"""(subject, skill): equal names of two subjects are two skills."""


def skill_rows(pool: Sequence[Example]) -> dict[Skill, "Places"]:
    """The Skill-Map by place: for each (subject, skill) the places in the pool that are labelled with it."""
    import numpy as np

    places: dict[Skill, list[int]] = defaultdict(list)
    for place, example in enumerate(pool):
        for skill in example.skills:
            places[example.subject, skill].append(place)
    return {skill: np.array(its, dtype=np.int64) for skill, its in places.items()}


class Neighbours:
    """The neighbours of a skill: its family by `parents` (the skills under the same parent, that parent, the
    skills under it), then those that most often stand beside it in the pool, by its `rows`.

    `parents` as `SkillTaxonomy.parents` has them: a skill of no subject is one of every subject's.
    """

    def __init__(
        self, pool: Sequence[Example], rows: Mapping[Skill, "Places"], parents: Mapping[Skill, str]
    ) -> None:
        self._pool, self._rows, self._parents = pool, rows, parents
        self._found: dict[Skill, list[Skill]] = {}

    def of(self, wanted: Skill, labels: Sequence[str] = ()) -> Iterator[Skill]:
        """The neighbours of `wanted`, nearest first, then a question's own `labels`."""
        if wanted not in self._found:
            beside = Counter(label for row in self._rows.get(wanted, ()) for label in self._pool[row].skills)
            self._found[wanted] = [
                *self._family(wanted),
                *((wanted[0], label) for label, _ in beside.most_common()),
            ]
        own = ((wanted[0], label) for label in labels)
        return (skill for skill in dict.fromkeys([*self._found[wanted], *own]) if skill != wanted)

    def _family(self, skill: Skill) -> list[Skill]:
        subject, name = skill
        serves = ("", normalise(subject))
        above = {its: up for (of, its), up in sorted(self._parents.items()) if normalise(of) in serves}
        parent = above.get(name)
        siblings = [its for its, up in above.items() if up == parent]
        below = [its for its, up in above.items() if up == name]
        return [(subject, its) for its in (*siblings, *([parent] if parent else []), *below)]
