"""Which texts share n words in a row with an indexed one."""

from collections.abc import Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NgramIndex:
    """All word n-grams of some texts; a lookup takes time linear in its words (times a logarithm).

    Windows are found by a 64-bit polynomial hash and then compared word by word.
    """

    def __init__(self, texts: Sequence[Sequence[str]], n: int) -> None:
        import numpy as np

        self.n = n
        self._ids: dict[str, int] = {}
        for word in chain.from_iterable(texts):
            self._ids.setdefault(word, len(self._ids) + 1)
        generator = np.random.default_rng(0)
        self._codes = generator.integers(2**63, size=len(self._ids) + 1, dtype=np.uint64) * 2 + 1
        self._flat, owners = self._flatten(texts)
        places = self._whole_windows(self._flat)
        self._hashes, first = np.unique(self._hash(self._flat, places), return_index=True)
        self._places = places[first]
        self._owners = owners[self._places]

    def first_matches(self, texts: Sequence[Sequence[str]]) -> list[int | None]:
        """For each text the place of the indexed text that shares its first n shared words; None without."""
        import numpy as np

        matches: list[int | None] = [None] * len(texts)
        if not len(self._hashes):
            return matches
        flat, owners = self._flatten(texts)
        windows = self._whole_windows(flat)
        hashes = self._hash(flat, windows)
        slots = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        found = self._hashes[slots] == hashes
        for window, slot in zip(windows[found][::-1], slots[found][::-1], strict=True):
            place = self._places[slot]
            if np.array_equal(flat[window : window + self.n], self._flat[place : place + self.n]):
                matches[owners[window]] = int(self._owners[slot])
        return matches

    def _flatten(self, texts: Sequence[Sequence[str]]) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
        """(word numbers, 0 for a word not indexed and behind each text; the text that each belongs to)."""
        import numpy as np

        lengths = np.fromiter((len(text) + 1 for text in texts), dtype=np.int64, count=len(texts))
        words = chain.from_iterable(chain(text, ("",)) for text in texts)
        flat = np.fromiter(map(self._ids.get, words, repeat(0)), dtype=np.int64, count=int(lengths.sum()))
        return flat, np.repeat(np.arange(len(texts)), lengths)

    def _whole_windows(self, flat: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Starts of the windows without a 0."""
        import numpy as np

        gaps = np.concatenate(([0], np.cumsum(flat == 0)))
        return np.flatnonzero(gaps[self.n :] == gaps[: -self.n])

    def _hash(self, flat: "NDArray[np.int64]", starts: "NDArray[np.int64]") -> "NDArray[np.uint64]":
        import numpy as np

        base = np.uint64(0x9E3779B97F4A7C15)
        hashes = np.zeros(len(starts), dtype=np.uint64)
        for offset in range(self.n):
            hashes = hashes * base + self._codes[flat[starts + offset]]
        return hashes
