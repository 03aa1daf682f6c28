"""Intervals for means over questions."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Interval = tuple[float, float]
RESAMPLES = 10_000
CHUNK = 4_000_000
Z95 = 1.959963984540054


def wilson(share: float, n: int) -> Interval:
    """95 % Wilson score interval of a share of `n` questions (Wilson 1927); (0, 1) where there are none."""
    if n == 0:
        return 0.0, 1.0
    scale = 1 + Z95**2 / n
    centre = (share + Z95**2 / (2 * n)) / scale
    half = Z95 / scale * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def bonett_price(gained: int, lost: int, n: int) -> Interval:
    """95 % interval of a difference of paired shares: of `n` pairs so many went better and so many worse.

    Adjusted Wald (Bonett and Price 2012): it has a width even where no pair differs.
    """
    better, worse = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    difference = better - worse
    half = Z95 * math.sqrt((better + worse - difference**2) / (n + 2))
    return max(-1.0, difference - half), min(1.0, difference + half)


def bootstrap(values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """95 % percentile interval of the mean, resampling the values (one a question)."""
    import numpy as np

    means = resampled_means(np.asarray(values, dtype=float), resamples, np.random.default_rng(seed))
    return percentiles(means)


def resampled_means(
    values: "NDArray[np.float64]", resamples: int, generator: "np.random.Generator"
) -> "NDArray[np.float64]":
    """Means of `resamples` resamples with replacement, drawn in chunks of bounded memory."""
    import numpy as np

    if len(values) == 0:
        raise ValueError("an interval needs at least one question")
    rows = max(1, CHUNK // len(values))
    means = [
        values[generator.integers(len(values), size=(min(rows, resamples - start), len(values)))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    return np.concatenate(means)


def percentiles(means: "NDArray[Any]") -> Interval:
    import numpy as np

    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
