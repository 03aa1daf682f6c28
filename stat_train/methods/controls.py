"""Controls: training sets of the same size that do not use the diagnosis (STAT §3)."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.methods.drawing import Drawer, allocate
from stat_train.methods.neighbours import skill_rows
from stat_train.methods.stat_sel import Draw
from stat_train.methods.training_set import TrainingSet, training_set


def random_set(pool: Sequence[Example], size: int, *, seed: int = 0) -> TrainingSet:
    """`size` questions of the pool, uniformly; a question comes twice only when the pool is smaller.

    Samples of two sizes are independent, even with one seed: a student that was warmed up on 1,500 random
    pairs is not given 300 of the same again.
    """
    return _uniform("random", pool, size, [seed, 2, size])


def train(
    pool: Sequence[Example], size: int, *, method: Literal["train", "augment"] = "train", seed: int = 0
) -> TrainingSet:
    """The pool as it is, brought to `size`: all of it, in whole rounds, and for the rest a uniform sample.

    A sample of its own, independent of `random_set`'s with the same seed. `augment` is one that the
    teacher's rewrites are to be added to.
    """
    return _uniform(method, pool, size, [seed, 9])


def _uniform(method: str, pool: Sequence[Example], size: int, seed: list[int]) -> TrainingSet:
    import numpy as np

    rows = Drawer(len(pool), seed).draw(np.arange(len(pool)), size)
    return training_set(method, [(pool[row], {}) for row in rows], _small_pool(pool, size))


def balanced(pool: Sequence[Example], size: int, *, seed: int = 0) -> TrainingSet:
    """The same number of questions for each (subject, skill) of the pool: even, but not adaptive.

    The rarest skills draw first, so that the frequent ones, which have others, leave them theirs.
    """
    rows = skill_rows(pool)
    if not rows:
        raise UserError("no question of the pool has a skill label; Balanced needs a labelled pool")
    drawer = Drawer(len(pool), [seed, 3])
    rarest_first = sorted(rows, key=lambda skill: (len(rows[skill]), skill))
    drawn: list[Draw] = [
        (pool[row], {"subject": skill[0], "skill": skill[1]})
        for skill, places in allocate(dict.fromkeys(rarest_first, 1.0), size).items()
        for row in drawer.draw(rows[skill], places)
    ]
    return training_set("balanced", drawn, _small_pool(pool, size))


def hard(
    failed: Sequence[Example], pool: Sequence[Example], size: int, *, group: str = "skills", seed: int = 0
) -> TrainingSet:
    """Questions of the groups that the student failed, in proportion to the failures, skills unseen.

    `failed` are the difficult questions. `group` says what is alike: `skills` (the same set of labels),
    `level`, `subject`, or a column of the data (`Example.meta`). Failed groups that the pool does not hold
    are left out and noted. Raises UserError where the column is missing or no failed group is in the pool.
    """
    import numpy as np

    if not failed:
        raise UserError(
            "no validation question is difficult, so Hard has nothing to go by; "
            "leave hard out of `arms`, or give harder validation questions"
        )
    rows: dict[str, list[int]] = {}
    for place, example in enumerate(pool):
        rows.setdefault(group_of(example, group, "pool"), []).append(place)
    failures = Counter(group_of(example, group, "validation") for example in failed)
    weights = {name: float(n) for name, n in sorted(failures.items()) if name in rows}
    if not weights:
        raise UserError(f"no {group} that the student failed is in the pool; change `selection.hard.group`")
    drawer = Drawer(len(pool), [seed, 4])
    drawn: list[Draw] = [
        (pool[row], {"group": name})
        for name, places in allocate(weights, size).items()
        for row in drawer.draw(np.array(rows[name]), places)
    ]
    absent = sorted(set(failures) - set(weights))
    notes = [f"failed {group} that the pool does not hold: {', '.join(absent)}"] if absent else []
    return training_set("hard", drawn, notes)


def hard_levels(pool: Sequence[Example], size: int, levels: Sequence[str], *, seed: int = 0) -> TrainingSet:
    """Questions of the given levels, uniformly (STAT §3: levels 4 and 5 of MATH); "5" means "Level 5" too.

    Raises UserError, naming the levels there are, where no question of the pool has one of these.
    """
    import numpy as np

    places = places_of_levels(pool, levels)
    rows = Drawer(len(pool), [seed, 4]).draw(np.array(places), size)
    repeats = size > len(places)
    notes = [f"the pool has {len(places):,} hard questions for {size:,} pairs, so questions repeat"]
    return training_set(
        "hard", [(pool[row], {"group": pool[row].level}) for row in rows], notes if repeats else []
    )


def places_of_levels(pool: Sequence[Example], levels: Sequence[str]) -> list[int]:
    """The places of the questions that `hard_levels` draws from, and its UserError where there are none."""
    wanted = {*levels, *(f"Level {level}" for level in levels)}
    places = [place for place, example in enumerate(pool) if example.level in wanted]
    if not places:
        there = ", ".join(sorted({example.level for example in pool if example.level is not None}))
        raise UserError(
            f"no question of the pool has level {' or '.join(levels)} (there are: {there or 'none'}); "
            "change `selection.hard.levels`"
        )
    return places


def group_of(example: Example, group: str, split: str) -> str:
    """The group of a question for `hard`; UserError, beginning with `split`, where the column is missing."""
    if group == "skills":
        return " + ".join(filter(None, [example.subject, *sorted(example.skills)]))
    value = getattr(example, group) if group in ("level", "subject") else example.meta.get(group)
    if value is None:
        raise UserError(f"{split}: row {example.id!r} has no {group!r}; change `selection.hard.group`")
    return str(value)


def _small_pool(pool: Sequence[Example], size: int) -> list[str]:
    if size <= len(pool):
        return []
    return [f"the pool has {len(pool):,} questions for {size:,} pairs, so questions repeat"]
