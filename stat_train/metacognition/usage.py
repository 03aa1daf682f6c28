"""How a taxonomy is used by labels: skills too rare, too coarse, or never apart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from stat_train.data.example import Example
from stat_train.metacognition.skill_map import SkillMap
from stat_train.metacognition.taxonomy import SkillTaxonomy


@dataclass(frozen=True, slots=True)
class Proposal:
    """An edit of the taxonomy worth a look: merge the `skills`, or split the one there is."""

    change: Literal["merge", "split"]
    subject: str
    skills: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Usage:
    """(subject, skill) -> questions; `rare` ones have fewer than asked, unused ones included.

    `together`: (subject, skill, skill) that hardly ever occur apart.
    """

    counts: dict[tuple[str, str], int]
    rare: list[tuple[str, str]]
    together: list[tuple[str, str, str]]


def usage(examples: Iterable[Example], taxonomy: SkillTaxonomy, *, min_count: int, together: float) -> Usage:
    """Usage of the taxonomy by the examples' labels.

    Two skills are together where at least `min_count` questions have both, which are at least the share
    `together` of those that have either.
    """
    examples = list(examples)
    skill_map = SkillMap(examples)
    subjects = dict.fromkeys(example.subject for example in examples)
    counts = {
        (subject, name): len(skill_map.get((subject, name), ()))
        for subject in subjects
        for name in taxonomy.names(subject)
    }
    both: dict[tuple[str, str, str], int] = {}
    for example in examples:
        for a, b in combinations(sorted(set(example.skills)), 2):
            both[example.subject, a, b] = both.get((example.subject, a, b), 0) + 1
    found = [
        key
        for key, n in sorted(both.items())
        if n >= min_count
        and n >= together * (len(skill_map[key[0], key[1]]) + len(skill_map[key[0], key[2]]) - n)
    ]
    return Usage(counts, [key for key, n in counts.items() if n < min_count], found)


def proposals(
    found: Usage, taxonomy: SkillTaxonomy, examples: Sequence[Example], *, coarse: float
) -> list[Proposal]:
    """What usage suggests: merge what is never apart and what is too rare, split what is everywhere.

    A rare skill is proposed for merging with its parent, or with the skill it most often stands beside.
    A skill that more than the share `coarse` of a subject's questions need is too coarse to target.
    """
    questions: dict[str, int] = {}
    beside: dict[tuple[str, str], dict[str, int]] = {}
    for example in examples:
        questions[example.subject] = questions.get(example.subject, 0) + bool(example.skills)
        for skill in set(example.skills):
            others = beside.setdefault((example.subject, skill), {})
            for other in set(example.skills) - {skill}:
                others[other] = others.get(other, 0) + 1
    proposed = [
        Proposal("merge", subject, (a, b), "they hardly ever occur apart") for subject, a, b in found.together
    ]
    for subject, skill in found.rare:
        parents = [entry.parent for entry in taxonomy.skills(subject) if entry.name == skill and entry.parent]
        others = beside.get((subject, skill), {})
        into = parents or sorted(others, key=lambda name: (-others[name], name))[:1]
        if into:
            reason = f"only {found.counts[subject, skill]} questions need {skill}"
            proposed.append(Proposal("merge", subject, (skill, into[0]), reason))
    for (subject, skill), n in found.counts.items():
        if questions[subject] and n > coarse * questions[subject]:
            share = n / questions[subject]
            proposed.append(Proposal("split", subject, (skill,), f"{share:.0%} of the questions need it"))
    return proposed
