"""Drawing rows at random, repeatably, and no row again while there are others."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from stat_train.data.example import Example
from stat_train.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    """Places of rows in the pool."""

Key = TypeVar("Key", bound=Hashable)


class Drawer:
    """Draws from a pool of `size` rows and remembers how often it drew each."""

    def __init__(self, size: int, seed: list[int], *, unique: bool = True) -> None:
        import numpy as np

        self.uses = np.zeros(size, dtype=np.int64)
        self.unique = unique
        self._random = np.random.default_rng(seed)

    def count(self, pool: Sequence[Example], drawn: Mapping[str, int]) -> None:
        """Take the rows of `pool` as drawn that often before, by id."""
        for place, example in enumerate(pool):
            self.uses[place] += drawn.get(example.id, 0)

    def hand(self, rows: "Places", n: int, preference: Any = 0.0) -> "Places":
        """Up to `n` distinct `rows`, those of the higher (whole-numbered) `preference` first, else at random.

        With `unique` the rows drawn least often come first, whatever their preference.
        """
        import numpy as np

        rank = preference + self._random.random(len(rows))
        if self.unique:
            rank -= 1_000.0 * self.uses[rows]
        n = min(n, len(rows))
        best = np.argpartition(-rank, n - 1)[:n] if n else np.arange(0)
        drawn: Places = rows[best[np.argsort(-rank[best])]]
        self.uses[drawn] += 1
        return drawn

    def draw(self, rows: "Places", n: int) -> "Places":
        """`n` of `rows`, each once before any comes twice, and so on; UserError where there are none."""
        import numpy as np

        if n and not len(rows):
            raise UserError("the pool has no questions to draw from")
        hands = [self.hand(rows, n)]
        while sum(map(len, hands)) < n:
            hands.append(self.hand(rows, n - sum(map(len, hands))))
        return np.concatenate(hands)


def allocate(weights: Mapping[Key, float], total: int) -> dict[Key, int]:
    """`total` places shared in proportion to `weights`, by largest remainder; ties in the mapping's order."""
    whole = sum(weights.values())
    exact = {key: total * weight / whole for key, weight in weights.items()}
    places = {key: int(share) for key, share in exact.items()}
    by_remainder = sorted(exact, key=lambda key: places[key] - exact[key])
    for key in by_remainder[: total - sum(places.values())]:
        places[key] += 1
    return places
