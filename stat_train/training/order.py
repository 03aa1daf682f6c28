"""The order in which training examples are seen: a function of lengths, options and seed."""

import random
from collections.abc import Sequence

MEGABATCHES = 50  # batches that are sorted by length together, as transformers' own sampler does


def training_order(
    lengths: Sequence[int], epochs: int, batch: int, seed: int, group_by_length: bool = False
) -> list[int]:
    """Indices of the examples over all epochs, each epoch shuffled anew; `len(lengths) * epochs` of them.

    With `group_by_length`, batches of `batch` hold examples of similar length, and come in random order.
    Fixed beforehand, so that a resumed run sees exactly what an uninterrupted one would.
    """
    chance = random.Random(seed)
    order: list[int] = []
    for _ in range(epochs):
        epoch = list(range(len(lengths)))
        chance.shuffle(epoch)
        order += _grouped(epoch, lengths, batch, chance) if group_by_length else epoch
    return order


def _grouped(epoch: list[int], lengths: Sequence[int], batch: int, chance: random.Random) -> list[int]:
    size = batch * MEGABATCHES
    batches = []
    for start in range(0, len(epoch), size):
        alike = sorted(epoch[start : start + size], key=lambda i: lengths[i], reverse=True)
        batches += [alike[i : i + batch] for i in range(0, len(alike), batch)]
    whole = [b for b in batches if len(b) == batch]
    rest = [i for b in batches if len(b) < batch for i in b]
    chance.shuffle(whole)
    return [i for b in whole for i in b] + rest
