"""Rehearsal: pairs of the pool as it is beside targeted ones, against forgetting what most of it is of
(experience replay, Robins 1995)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from stat_train.data.example import Example
from stat_train.methods.drawing import Drawer
from stat_train.methods.training_set import REHEARSAL, TrainingSet, training_set


def rehearsal_pairs(size: int, share: float) -> int:
    """Of a set of `size` pairs those that are rehearsal; one at least is left to the arm."""
    return min(round(share * size), size - 1)


def most_pairs(own: int, share: float) -> int:
    """The largest set of which no more than `own` pairs are the arm's."""
    size = int((own + 1) / (1 - share))
    while size - rehearsal_pairs(size, share) > own:
        size -= 1
    return size


def rehearse(
    targeted: TrainingSet,
    pool: Sequence[Example],
    pairs: int,
    *,
    seed: int = 0,
    drawn_before: Mapping[str, int] | None = None,
) -> TrainingSet:
    """`targeted` and `pairs` more, drawn uniformly from the pool.

    First those that neither `targeted` holds nor earlier rounds drew (`drawn_before`: how often, by id).
    Their lineage names `rehearsal` as the method. Raises UserError for an empty pool.
    """
    import numpy as np

    if pairs < 0:
        raise ValueError(f"{pairs} pairs of rehearsal; give 0 or more")
    if not pairs:
        return targeted
    drawer = Drawer(len(pool), [seed, 12])
    held = Counter(str(row.lineage["source_id"]) for row in targeted.rows)
    drawer.count(pool, held + Counter(drawn_before or {}))
    drawn = drawer.draw(np.arange(len(pool)), pairs)
    more = training_set(REHEARSAL, [(pool[row], {}) for row in drawn])
    return replace(targeted, rows=(*targeted.rows, *more.rows))
