"""Intervals of the profile's rates."""

from collections.abc import Sequence
from math import sqrt

Z95 = 1.959963984540054
Interval = tuple[float, float]


def wilson(share: float, n: int) -> Interval:
    """Wilson's 95 % interval of a share of `n` questions; (0, 1) where there are none."""
    if n == 0:
        return 0.0, 1.0
    centre = share + Z95**2 / (2 * n)
    spread = Z95 * sqrt(share * (1 - share) / n + (Z95 / (2 * n)) ** 2)
    whole = 1 + Z95**2 / n
    return max(0.0, (centre - spread) / whole), min(1.0, (centre + spread) / whole)


def newcombe(share: float, n: int, other: float, m: int) -> Interval:
    """Newcombe's 95 % interval of `other` (of m questions) minus `share` (of n questions)."""
    low, high = wilson(share, n)
    other_low, other_high = wilson(other, m)
    difference = other - share
    return (
        max(-1.0, difference - sqrt((other - other_low) ** 2 + (high - share) ** 2)),
        min(1.0, difference + sqrt((other_high - other) ** 2 + (share - low) ** 2)),
    )


def bootstrap(shares: Sequence[float], *, draws: int = 2000, seed: int = 0) -> Interval:
    """Percentile 95 % interval of the mean of `shares`, resampling them (one value a question)."""
    import numpy as np

    values = np.asarray(shares, dtype=float)
    random = np.random.default_rng(seed)
    means = values[random.integers(len(values), size=(draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def interval(shares: Sequence[float]) -> Interval:
    """Interval of the mean of one value a question: Wilson's for yes and no, else by resampling questions.

    Where all values are equal, resampling would give no width: Wilson's again.
    """
    mean = sum(shares) / len(shares) if shares else 0.0
    if set(shares) <= {0.0, 1.0} or len(set(shares)) == 1:
        return wilson(mean, len(shares))
    return bootstrap(shares)
