"""Controls: training sets of the same size that do not use the diagnosis (STAT §3)."""

from collections import Counter
from collections.abc import Sequence

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.methods.drawing import Drawer, allocate
from stat_train.methods.stat_sel import Draw, skill_rows
from stat_train.methods.training_set import TrainingSet, training_set


def random_set(pool: Sequence[Example], size: int, *, seed: int = 0) -> TrainingSet:
    """`size` questions of the pool, uniformly; a question comes twice only when the pool is smaller."""
    import numpy as np

    if not pool:
        raise UserError("the pool has no questions to draw from")
    rows = Drawer(len(pool), [seed, 2]).draw(np.arange(len(pool)), size)
    return training_set("random", [(pool[row], {}) for row in rows], _small_pool(pool, size))


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
        rows.setdefault(_group(example, group, "pool"), []).append(place)
    failures = Counter(_group(example, group, "validation") for example in failed)
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


def _group(example: Example, group: str, split: str) -> str:
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
