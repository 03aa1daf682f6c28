"""Embed-Syn: new questions like pool questions that read like the difficult ones (a control of STAT §3)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stat_train.data.example import Example
from stat_train.embedding.nearest import nearest
from stat_train.errors import UserError
from stat_train.methods.options import EmbedSynOptions
from stat_train.methods.proposing import SAMPLES_A_SEED, Call, Group

if TYPE_CHECKING:
    from stat_train.embedding.model import Vectors

TURNS = 5
"""Groups of neighbours of a difficult question; after these the first comes again, for another sample."""


class EmbedSynCalls:
    """Its requests: each shows a group of the pool questions nearest to one of the `failed`, no skills.

    The failed questions take turns, in an order of the seed's: first each with its `options.references`
    nearest, then with the next nearest. Calling it gives the next requests for one subject, as the group
    (subject, "").
    """

    def __init__(
        self,
        failed: Sequence[Example],
        vectors: "Vectors",
        pool: Sequence[Example],
        pool_vectors: "Vectors",
        options: EmbedSynOptions,
        *,
        seed: int = 0,
    ) -> None:
        import numpy as np

        if not failed:
            raise UserError(
                "no validation question is difficult, so Embed-Syn has nothing to go by; leave embed-syn "
                "out of `arms`, or give harder validation questions"
            )
        self._size = options.references
        near = nearest(vectors, pool_vectors, TURNS * self._size)
        self._groups: dict[Group, list[tuple[Example, list[Example]]]] = defaultdict(list)
        for place in np.random.default_rng([seed, 7]).permutation(len(failed)):
            neighbours = [pool[row] for row in near[place]]
            self._groups[failed[place].subject, ""].append((failed[place], neighbours))
        self._given: dict[Group, int] = defaultdict(int)
        self._same = Counter[tuple[Group, tuple[str, ...]]]()
        self._first_sample = SAMPLES_A_SEED * seed

    def __call__(self, group: Group, n: int) -> list[Call]:
        asking, first = self._groups[group], self._given[group]
        self._given[group] += n
        return [self._call(group, *divmod(turn, len(asking))) for turn in range(first, first + n)]

    def _call(self, group: Group, round: int, place: int) -> Call:
        difficult, neighbours = self._groups[group][place]
        turns = max(1, len(neighbours) // self._size)
        turn = round % turns
        shown = neighbours[turn * self._size : (turn + 1) * self._size]
        same = (group, tuple(example.id for example in shown))
        sample = self._first_sample + self._same[same]
        self._same[same] += 1
        return Call(group, tuple(shown), None, sample, {"difficult_question": difficult.id})
