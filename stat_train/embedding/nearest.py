"""Exact nearest neighbours among vectors of length 1."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stat_train.embedding.model import Vectors

BLOCK = 32_768
"""Rows of the pool compared at once: similarities of 500 queries to them take 66 MB."""


def nearest(queries: "Vectors", pool: "Vectors", k: int) -> "NDArray[np.int64]":
    """The places of the `k` pool rows most like each query (cosine), nearest first: (queries, k).

    The k are distinct; equal likeness goes by place. `k` is at most the pool's size.
    """
    import numpy as np

    places = np.empty((len(queries), 0), dtype=np.int64)
    likeness = np.empty((len(queries), 0), dtype=np.float32)
    for start in range(0, len(pool), BLOCK):
        block = np.asarray(pool[start : start + BLOCK])
        more = np.broadcast_to(np.arange(start, start + len(block)), (len(queries), len(block)))
        likeness = np.concatenate([likeness, queries @ block.T], axis=1)
        places = np.concatenate([places, more], axis=1)
        kept = np.array([_largest(row, k) for row in likeness], dtype=np.int64).reshape(len(queries), -1)
        likeness = np.take_along_axis(likeness, kept, axis=1)
        places = np.take_along_axis(places, kept, axis=1)
    return places


def _largest(values: "NDArray[np.float32]", k: int) -> "NDArray[np.int64]":
    """The places of the (at most) k largest, in descending order, ties by place."""
    import numpy as np

    k = min(k, len(values))
    least = np.partition(values, len(values) - k)[len(values) - k]
    candidates = np.flatnonzero(values >= least)
    return candidates[np.argsort(-values[candidates], kind="stable")][:k]
