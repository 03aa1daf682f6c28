"""Several samples a question: pass@k, average@n, majority@k."""

from collections import Counter
from collections.abc import Sequence
from math import comb

from stat_train.grading.verdict import Verdict


def pass_at_k(verdicts: Sequence[Sequence[Verdict]], k: int) -> list[float]:
    """Per question, the chance that one of k samples is correct, unbiased: 1 - C(n-c, k) / C(n, k).

    Chen et al. 2021 (arXiv 2107.03374), §2.1. Raises ValueError where a question has fewer than k samples.
    """
    _check(verdicts, k)
    chances = []
    for samples in verdicts:
        n, correct = len(samples), sum(verdict == "correct" for verdict in samples)
        chances.append(1 - comb(n - correct, k) / comb(n, k))
    return chances


def average_at_n(verdicts: Sequence[Sequence[Verdict]]) -> list[float]:
    """Per question, the share of its samples that are correct."""
    _check(verdicts, 1)
    return [sum(verdict == "correct" for verdict in samples) / len(samples) for samples in verdicts]


def majority_at_k(
    verdicts: Sequence[Sequence[Verdict]], votes: Sequence[Sequence[int | None]], k: int
) -> list[float]:
    """Per question, 1.0 where the most frequent answer of the first k samples is correct, else 0.0.

    `votes` numbers the different answers of a question (`Grader.groups`); None, no answer, does not
    vote. A tie goes to the answer that came first.
    """
    _check(verdicts, k)
    outcomes = []
    for samples, groups in zip(verdicts, votes, strict=True):
        if len(samples) != len(groups):
            raise ValueError(f"{len(samples)} verdicts but {len(groups)} votes for one question")
        counts = Counter(group for group in groups[:k] if group is not None)
        if not counts:
            outcomes.append(0.0)
            continue
        winner = counts.most_common(1)[0][0]
        outcomes.append(float(samples[list(groups).index(winner)] == "correct"))
    return outcomes


def _check(verdicts: Sequence[Sequence[Verdict]], k: int) -> None:
    fewest = min((len(samples) for samples in verdicts), default=0)
    if k < 1 or fewest < k:
        raise ValueError(f"k is {k} but a question has {fewest} samples; k must be 1 to that")
