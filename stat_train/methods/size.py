"""Training sets of as many tokens, for arms whose pairs differ in length."""

import math
from collections.abc import Callable
from dataclasses import replace

from stat_train.methods.training_set import TrainingRow, TrainingSet

TRIES = 8
SPARE = 1.02
"""A set of up to so many times the tokens wanted is cut; a larger one is drawn anew, smaller."""


def within_tokens(
    make: Callable[[int], TrainingSet],
    tokens: int,
    cost: Callable[[TrainingRow], int],
    *,
    guess: int,
    most: int | None = None,
    seed: int = 0,
) -> TrainingSet:
    """The set that `make(pairs)` gives for as many pairs as hold `tokens`, less than a pair short.

    `cost` is a pair's tokens; the search starts at `guess` pairs and never asks for more than `most`, at
    which a set may stay short: it is noted. What is drawn beyond the tokens is left out at random, so that
    the proportions that the arm stands for are kept.
    """

    def capped(pairs: int) -> int:
        return max(1, pairs if most is None else min(pairs, most))

    def draw(pairs: int) -> tuple[int, TrainingSet, int]:
        made = make(pairs)
        return pairs, made, sum(map(cost, made.rows))

    pairs, made, total = draw(capped(guess))
    for _ in range(TRIES):
        nearer = capped(-(-pairs * tokens // total))
        if tokens <= total <= SPARE * tokens or nearer == pairs:
            break
        pairs, made, total = draw(nearer)
    while total < tokens and pairs != most:
        pairs, made, total = draw(capped(math.ceil(SPARE * pairs)))
    if total < tokens:
        short = f"{total:,} of {tokens:,} tokens: there are no more pairs"
        return replace(made, notes=(*made.notes, short))
    return cut_to_tokens(made, tokens, cost, seed=seed)


def cut_to_tokens(
    made: TrainingSet, tokens: int, cost: Callable[[TrainingRow], int], *, seed: int = 0
) -> TrainingSet:
    """The set without as many pairs, chosen at random, as bring it to at most `tokens`."""
    import numpy as np

    costs = [cost(row) for row in made.rows]
    total = sum(costs)
    out = set[int]()
    for place in np.random.default_rng([seed, 8]).permutation(len(costs)):
        if total <= tokens:
            break
        out.add(int(place))
        total -= costs[place]
    rows = tuple(row for place, row in enumerate(made.rows) if place not in out)
    return replace(made, rows=rows)
