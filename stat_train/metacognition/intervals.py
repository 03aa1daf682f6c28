"""Intervals of the profile's rates."""

from collections.abc import Sequence
from math import sqrt

from stat_train.intervals import Interval, bootstrap, wilson


def newcombe(share: float, n: int, other: float, m: int) -> Interval:
    """Newcombe's 95 % interval of `other` (of m questions) minus `share` (of n questions)."""
    low, high = wilson(share, n)
    other_low, other_high = wilson(other, m)
    difference = other - share
    return (
        max(-1.0, difference - sqrt((other - other_low) ** 2 + (high - share) ** 2)),
        min(1.0, difference + sqrt((other_high - other) ** 2 + (share - low) ** 2)),
    )


def interval(shares: Sequence[float]) -> Interval:
    """Interval of the mean of one value a question: Wilson's for yes and no, else by resampling questions.

    Where all values are equal, resampling would give no width: Wilson's again.
    """
    mean = sum(shares) / len(shares) if shares else 0.0
    if set(shares) <= {0.0, 1.0} or len(set(shares)) == 1:
        return wilson(mean, len(shares))
    return bootstrap(shares)
