"""Data sets of the arithmetic domain: a skewed training pool, and evaluation splits even over types."""

import random
from collections.abc import Iterable, Sequence
from itertools import cycle, islice

from stat_train.data.example import Example
from stat_train.tutor.domain import Domain, ProblemType
from stat_train.tutor.problem import Problem


def pool(domain: Domain, size: int, skew: float, seed: int, without: Iterable[str] = ()) -> list[Example]:
    """`size` distinct problems whose types are as unevenly frequent as real data's skills are.

    A skill of frequency rank r = 1, 2, ... has weight (r + 2) ** -skew (0: even). The ranks are a permutation
    drawn from `seed`, so what is rare is independent of what is hard; a type is as rare as its
    rarest skill. `without` holds questions of other splits, which never occur here.
    """
    rng = random.Random(f"pool-{seed}")
    kinds = [kind for kind in domain.types if not kind.ood]
    weights = type_weights(kinds, skew, seed)
    chosen = rng.choices(kinds, [weights[kind.name] for kind in kinds], k=size)
    problems = _distinct_problems(domain, chosen, rng, set(without), unseen=False)
    return _examples(problems, f"pool{seed}")


def even_split(
    domain: Domain, size: int, seed: int, name: str, *, unseen: bool = False, without: Iterable[str] = ()
) -> list[Example]:
    """`size` distinct problems, even over types; `unseen`: out-of-distribution wordings and combinations."""
    rng = random.Random(f"{name}-{seed}")
    kinds = [kind for kind in domain.types if unseen or not kind.ood]
    chosen = list(islice(cycle(kinds), size))
    problems = _distinct_problems(domain, chosen, rng, set(without), unseen=unseen)
    return _examples(problems, f"{name}{seed}")


def type_weights(kinds: Sequence[ProblemType], skew: float, seed: int) -> dict[str, float]:
    """The relative frequency of each type in a pool."""
    skills = sorted({skill for kind in kinds for skill in _rare_by(kind)})
    random.Random(f"ranks-{seed}").shuffle(skills)
    weight = {skill: (rank + 2) ** -skew for rank, skill in enumerate(skills, start=1)}
    return {kind.name: min(weight[skill] for skill in _rare_by(kind)) for kind in kinds}


def _rare_by(kind: ProblemType) -> tuple[str, ...]:
    return kind.concepts or (kind.name,)


def _distinct_problems(
    domain: Domain, kinds: Iterable[ProblemType], rng: random.Random, seen: set[str], *, unseen: bool
) -> list[Problem]:
    problems = []
    for kind in kinds:
        wordings = kind.unseen if unseen else kind.wordings
        for _ in range(1000):
            problem = domain.problem(kind, rng.choice(wordings), rng)
            if problem.question not in seen:
                break
        else:
            continue  # a type with few distinct questions is used up
        seen.add(problem.question)
        problems.append(problem)
    return problems


def _examples(problems: Sequence[Problem], prefix: str) -> list[Example]:
    return [
        Example(
            id=f"{prefix}-{number:05d}",
            question=problem.question,
            solution=problem.solution,
            answer=problem.answer,
            meta={"type": problem.type},
        )
        for number, problem in enumerate(problems)
    ]
