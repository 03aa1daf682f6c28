"""Questions that say again what an earlier one said: exactly, or nearly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stat_train.data.normalise import TOKEN, normalise_readable, readable

if TYPE_CHECKING:
    from rensa import RMinHash

SHINGLE = 3
PERMUTATIONS = 120
ROWS_A_BAND = (1, 2, 3, 4, 5, 6, 8, 10)
RECALL = 0.995
BATCH = 8192


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A question repeats question `of`; `similarity` is 1.0 where they are equal after normalisation."""

    of: str
    similarity: float


class DuplicateIndex:
    """The questions seen so far, each said once.

    Two are near duplicates where the sets of their runs of three tokens (words, numbers and signs, spelled
    alike) have a Jaccard similarity of at least `threshold`; None: only equal ones are duplicates.
    Candidates are found by MinHash (rensa), whose bands find 99.5 % or more of the pairs at the threshold,
    and are then compared exactly: what is called a duplicate is one.
    """

    def __init__(self, threshold: float | None) -> None:
        self.threshold = threshold
        self._exact: dict[str, str] = {}
        self._questions: list[tuple[str, str]] = []
        if threshold is not None:
            from rensa import RMinHashLSH

            self._index = RMinHashLSH(
                threshold=threshold, num_perm=PERMUTATIONS, num_bands=PERMUTATIONS // _rows_a_band(threshold)
            )

    def add(self, questions: Sequence[tuple[str, str]]) -> list[Duplicate | None]:
        """For each (id, question) the earlier one that it repeats, else None, and it is in the index."""
        found: list[Duplicate | None] = []
        for start in range(0, len(questions), BATCH):
            batch = questions[start : start + BATCH]
            texts = [readable(question) for _, question in batch]
            shingles = [_shingles(text) for text in texts] if self.threshold is not None else []
            hashes = self._hashes(shingles)
            for place, ((id, question), text) in enumerate(zip(batch, texts, strict=True)):
                key = normalise_readable(text)
                duplicate: Duplicate | None = None
                if key in self._exact:
                    duplicate = Duplicate(self._exact[key], 1.0)
                elif hashes:
                    duplicate = self._near(hashes[place], shingles[place])
                if duplicate is None:
                    self._exact[key] = id
                    if hashes:
                        self._index.insert(len(self._questions), hashes[place])
                        self._questions.append((id, question))
                found.append(duplicate)
        return found

    def _hashes(self, shingles: "Sequence[Sequence[str]]") -> "list[RMinHash]":
        from rensa import RMinHash

        return RMinHash.from_token_sets(shingles, num_perm=PERMUTATIONS, seed=42) if shingles else []

    def _near(self, hashed: "RMinHash", shingles: Sequence[str]) -> Duplicate | None:
        """The most similar earlier question, the first among equals, where it is similar enough."""
        assert self.threshold is not None
        own, best = set(shingles), None
        for place in sorted(self._index.query(hashed)):
            id, question = self._questions[place]
            other = set(_shingles(readable(question)))
            similarity = len(own & other) / len(own | other)
            if similarity >= self.threshold and (best is None or similarity > best.similarity):
                best = Duplicate(id, similarity)
        return best


def _shingles(text: str) -> list[str]:
    tokens = TOKEN.findall(text)
    runs = zip(*(tokens[start:] for start in range(SHINGLE)), strict=False)
    return list(map(" ".join, runs)) or [" ".join(tokens)]


def _rows_a_band(threshold: float) -> int:
    """The longest bands (the fewest needless candidates) that still find a pair at the threshold."""
    found = [rows for rows in ROWS_A_BAND if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) >= RECALL]
    return max(found, default=1)
