"""How far two labellings of the same questions agree."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from stat_train.metacognition.diagnosis import Diagnosis
from stat_train.metacognition.skill import SkillKey


def cohen_kappa(first: Sequence[bool], second: Sequence[bool]) -> float | None:
    """Cohen's kappa of two yes-or-no codings of the same items; None where chance alone agrees fully."""
    n = len(first)
    if n == 0:
        return None
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    yes, other_yes = sum(first) / n, sum(second) / n
    chance = yes * other_yes + (1 - yes) * (1 - other_yes)
    return None if chance == 1 else (observed - chance) / (1 - chance)


def krippendorff_alpha(
    pairs: Mapping[str, Sequence[tuple[frozenset[str], frozenset[str]]]],
) -> float | None:
    """Krippendorff's alpha of two codings by sets, with the Jaccard distance between sets.

    `pairs`: subject -> (first, second) set of each of its items. Expected disagreement is taken within
    a subject, since sets of two subjects cannot agree. None where no disagreement could be expected.
    """
    observed = expected = 0.0
    for coded in pairs.values():
        sets = Counter(value for pair in coded for value in pair)
        values = sum(sets.values())
        unlike = sum(n * m * jaccard_distance(a, b) for (a, n), (b, m) in combinations(sets.items(), 2))
        if values > 2:
            expected += 2 * unlike / (values - 1)
            observed += 2 * sum(jaccard_distance(a, b) for a, b in coded)
    return None if expected == 0 else 1 - observed / expected


def jaccard_distance(a: Collection[str], b: Collection[str]) -> float:
    """1 - |a and b| / |a or b|; 0 for two empty sets."""
    union = {*a, *b}
    return 1 - len({*a} & {*b}) / len(union) if union else 0.0


def skill_agreement(
    first: Sequence[Diagnosis], repeated: Sequence[Diagnosis], subjects: Mapping[str, str]
) -> dict[SkillKey, float]:
    """(subject, skill) -> the teacher's agreement with itself on who lacks it.

    Over all pairs of a first and a repeated judgment of one response: twice the pairs in which both name
    the skill, divided by the times that either names it (Dice; 1.0 is full agreement).
    """
    named = {(diagnosis.question_id, diagnosis.sample): diagnosis.missing_skills for diagnosis in first}
    both: Counter[SkillKey] = Counter()
    either: Counter[SkillKey] = Counter()
    for diagnosis in repeated:
        key = (diagnosis.question_id, diagnosis.sample)
        if key not in named or diagnosis.question_id not in subjects:
            continue
        subject = subjects[diagnosis.question_id]
        both.update((subject, skill) for skill in {*named[key]} & {*diagnosis.missing_skills})
        either.update((subject, skill) for skill in (*named[key], *diagnosis.missing_skills))
    return {key: 2 * both[key] / n for key, n in either.items()}
