"""Shuffled: STAT-Sel for skills that are not the ones missing, a placebo for the diagnosis."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stat_train.data.example import Example
from stat_train.methods.neighbours import Skill, skill_rows


def shuffled_profile(
    missing: Mapping[str, Sequence[str]],
    questions: Sequence[Example],
    pool: Sequence[Example],
    *,
    seed: int = 0,
) -> tuple[dict[str, tuple[str, ...]], list[Example]]:
    """The same profile of other skills: what `stat_sel` is given as `missing` and `questions`.

    Every skill takes the name of another of its subject, the same one everywhere: in what is missing and in
    the labels of the questions, since these tell as well what kind of question fails. What stays is the
    shape: how many questions, how many skills of each, how uneven. No skill keeps its name, unless its
    subject has no other.
    """
    names = _renamed(pool, questions, missing, seed)
    subjects = {question.id: question.subject for question in questions}
    return (
        {id: tuple(names[subjects[id], skill] for skill in skills) for id, skills in missing.items()},
        [
            replace(question, skills=tuple(names[question.subject, skill] for skill in question.skills))
            for question in questions
        ],
    )


def _renamed(
    pool: Sequence[Example],
    questions: Sequence[Example],
    missing: Mapping[str, Sequence[str]],
    seed: int,
) -> dict[Skill, str]:
    """One cycle through the pool's skills of each subject; a skill that the pool lacks joins it."""
    import numpy as np

    found = set(skill_rows(pool))
    for question in questions:
        found.update((question.subject, skill) for skill in question.skills)
        found.update((question.subject, skill) for skill in missing.get(question.id, ()))
    generator = np.random.default_rng([seed, 11])
    names: dict[Skill, str] = {}
    for subject in sorted({subject for subject, _ in found}):
        own = sorted(skill for its, skill in found if its == subject)
        cycle = [own[place] for place in generator.permutation(len(own))]
        names |= {(subject, skill): cycle[place - 1] for place, skill in enumerate(cycle)}
    return names
