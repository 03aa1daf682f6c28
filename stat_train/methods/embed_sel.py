"""Embed-Sel: pool questions that read like the difficult ones, skills unseen (a control of STAT §3)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stat_train.data.example import Example
from stat_train.embedding.nearest import nearest
from stat_train.errors import UserError
from stat_train.methods.stat_sel import Draw
from stat_train.methods.training_set import TrainingSet, training_set

if TYPE_CHECKING:
    from stat_train.embedding.model import Vectors


def embed_sel(
    difficult: Sequence[Example],
    vectors: "Vectors",
    pool: Sequence[Example],
    pool_vectors: "Vectors",
    size: int,
    *,
    seed: int = 0,
) -> TrainingSet:
    """`size` pool questions, nearest to the difficult ones by the cosine of their `vectors`.

    The difficult questions take turns in a random order; at its turn each takes the nearest question that
    no other has taken, so that the set is distinct as far as the pool reaches and none has more than one
    question more than another. (The paper's 5 a difficult question are 5 such rounds.)
    """
    import numpy as np

    if not difficult:
        raise UserError(
            "no validation question is difficult, so Embed-Sel has nothing to go by; "
            "leave embed-sel out of `arms`, or give harder validation questions"
        )
    turns = np.random.default_rng([seed, 6]).permutation(len(difficult))
    rounds = -(-size // len(difficult))
    near = _Neighbours(vectors, pool_vectors, 4 * rounds + 16)
    drawn: list[Draw] = []
    taken = set[int]()
    ranks = [0] * len(difficult)
    for turn in range(size):
        if len(taken) == len(pool):
            taken, ranks = set(), [0] * len(difficult)
        asker = int(turns[turn % len(turns)])
        while (place := near.of(asker, ranks[asker])) in taken:
            ranks[asker] += 1
        taken.add(place)
        why = {"difficult_question": difficult[asker].id, "neighbour": ranks[asker]}
        drawn.append((pool[place], why))
    repeats = f"the pool has {len(pool):,} questions for {size:,} pairs, so questions repeat"
    return training_set("embed-sel", drawn, [repeats] if size > len(pool) else [])


class _Neighbours:
    """The pool's places by nearness to each query, found a few at a time."""

    def __init__(self, queries: "Vectors", pool: "Vectors", k: int) -> None:
        self.queries, self.pool, self.k = queries, pool, min(k, len(pool))
        self._places = nearest(queries, pool, self.k)

    def of(self, query: int, rank: int) -> int:
        """The place of the query's neighbour of that rank (0: the nearest)."""
        if rank >= self.k:
            self.k = min(2 * self.k, len(self.pool))
            self._places = nearest(self.queries, self.pool, self.k)
        return int(self._places[query, rank])
