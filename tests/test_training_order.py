"""The order of training examples: fixed beforehand by lengths, options and seed."""

from collections import Counter

from stat_train.training.order import training_order

LENGTHS = [10 + 7 * i % 90 for i in range(203)]


def test_every_epoch_holds_every_example_once() -> None:
    for grouped in (False, True):
        order = training_order(LENGTHS, epochs=3, batch=8, seed=1, group_by_length=grouped)
        epochs = [order[i : i + 203] for i in range(0, 609, 203)]
        assert all(sorted(epoch) == list(range(203)) for epoch in epochs)
        assert epochs[0] != epochs[1]


def test_the_seed_decides() -> None:
    orders = [training_order(LENGTHS, 2, 8, seed, True) for seed in (1, 1, 2)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_grouping_saves_padding_and_keeps_batches_in_random_order() -> None:
    def padding(order: list[int]) -> int:
        batches = [[LENGTHS[i] for i in order[start : start + 8]] for start in range(0, 200, 8)]
        return sum(max(batch) * len(batch) - sum(batch) for batch in batches)

    grouped = training_order(LENGTHS, 1, 8, 1, group_by_length=True)
    assert padding(grouped) < 0.2 * padding(training_order(LENGTHS, 1, 8, 1))
    firsts = [LENGTHS[i] for i in grouped[::8]]
    assert firsts != sorted(firsts, reverse=True)
    assert Counter(grouped) == Counter(range(203))
