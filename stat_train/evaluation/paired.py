"""Two models on the same questions: the difference, its interval, and how many questions flipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stat_train.evaluation.scores import Scores
from stat_train.intervals import CHUNK, RESAMPLES, Interval, bonett_price, percentiles, resampled_means

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


FEW_FLIPS = 25
"""Below so many questions that went better or worse a bootstrap is too sure of itself."""


@dataclass(frozen=True, slots=True)
class Paired:
    """`a` minus `b` over `n` shared questions.

    `p` is the exact McNemar test, two-sided (with several samples a question: the sign test
    on each question's share correct). `gained` questions went better with `a`, `lost` ones worse.
    """

    difference: float
    ci95: Interval
    p: float
    gained: int
    lost: int
    n: int


@dataclass(frozen=True, slots=True)
class PairedOverSeeds:
    """Mean over seeds of `a` minus `b`; the interval counts seeds and questions as drawn."""

    difference: float
    ci95: Interval
    per_seed: tuple[float, ...]


def paired(a: Scores, b: Scores, *, seed: int = 0, resamples: int = RESAMPLES) -> Paired:
    """`a` against `b`: paired bootstrap over questions for the interval, exact McNemar for p.

    Where fewer than 25 questions went another way the interval is Bonett and Price's: resampling few flips is
    too sure of itself, and none at all gives an interval without width. Of shares of several samples, which
    that takes for whole flips, it is the widest of both.
    Raises ValueError where the two did not answer the same questions.
    """
    import numpy as np
    from scipy.stats import binomtest

    differences = _differences(a.questions, b.questions)
    gained, lost = int((differences > 0).sum()), int((differences < 0).sum())
    few, whole = gained + lost < FEW_FLIPS, bool(np.isin(differences, (-1, 0, 1)).all())
    ci95 = bonett_price(gained, lost, len(differences))
    if not (few and whole):
        low, high = percentiles(resampled_means(differences, resamples, np.random.default_rng(seed)))
        ci95 = (min(low, ci95[0]), max(high, ci95[1])) if few else (low, high)
    return Paired(
        difference=float(differences.mean()),
        ci95=ci95,
        p=float(binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0,
        gained=gained,
        lost=lost,
        n=len(differences),
    )


def paired_over_seeds(
    a: Sequence[Scores], b: Sequence[Scores], *, seed: int = 0, resamples: int = RESAMPLES
) -> PairedOverSeeds:
    """Mean of `a[s]` minus `b[s]` over the seeds s, with a two-level bootstrap: seeds, then questions.

    Where all seeds share their questions a question is drawn for all seeds at once, since what
    is hard about it recurs; otherwise each drawn seed draws its own. Two seeds at least.
    """
    import numpy as np

    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"{len(a)} and {len(b)} seeds; give the same two or more for both")
    differences = [_differences(one.questions, other.questions) for one, other in zip(a, b, strict=True)]
    generator = np.random.default_rng(seed)
    if all(list(scores.questions) == list(a[0].questions) for scores in a):
        means = _crossed(np.stack(differences), resamples, generator)
    else:
        means = _nested(differences, resamples, generator)
    per_seed = tuple(float(values.mean()) for values in differences)
    return PairedOverSeeds(sum(per_seed) / len(per_seed), percentiles(means), per_seed)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979), in the given order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _differences(a: Mapping[str, float], b: Mapping[str, float]) -> "NDArray[np.float64]":
    import numpy as np

    if a.keys() != b.keys():
        missing = sorted(a.keys() ^ b.keys())
        raise ValueError(f"not the same questions: {len(missing)} in one only, such as {missing[0]}")
    return np.array([a[question] - b[question] for question in a])


def _crossed(
    differences: "NDArray[np.float64]", resamples: int, generator: "np.random.Generator"
) -> "NDArray[np.float64]":
    """Means of resamples of a (seeds, questions) table, rows and columns drawn together."""
    import numpy as np

    seeds, questions = differences.shape
    rows = max(1, CHUNK // questions)
    means = []
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=size) / seeds
        drawn = generator.integers(questions, size=(size, questions))
        means.append(np.take_along_axis(weights @ differences, drawn, axis=1).mean(axis=1))
    return np.concatenate(means)


def _nested(
    differences: "Sequence[NDArray[np.float64]]", resamples: int, generator: "np.random.Generator"
) -> "NDArray[np.float64]":
    import numpy as np

    seeds = len(differences)
    drawn = generator.integers(seeds, size=(resamples, seeds))
    means = np.zeros((resamples, seeds))
    for seed, values in enumerate(differences):
        places = drawn == seed
        if places.any():
            means[places] = resampled_means(values, int(places.sum()), generator)
    averages: NDArray[np.float64] = means.mean(axis=1)
    return averages
