"""Rehearsal: pairs of the pool as it is beside the targeted ones."""

from collections import Counter

import pytest

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.methods.rehearsal import most_pairs, rehearsal_pairs, rehearse
from stat_train.methods.training_set import TrainingSet, training_set

POOL = [Example(f"q{i}", f"question {i}", f"solution {i}", skills=("add",)) for i in range(20)]


def targeted(n: int) -> TrainingSet:
    return training_set("stat-sel", [(example, {"skill": "add"}) for example in POOL[:n]], ["a note"])


def test_the_pool_is_drawn_evenly_beside_what_the_arm_holds_already() -> None:
    made = rehearse(targeted(8), POOL, 12)
    assert made.rows[:8] == targeted(8).rows
    assert made.notes == ("a note",)
    more = made.rows[8:]
    assert {row.lineage["method"] for row in more} == {"rehearsal"}
    assert {row.lineage["source_id"] for row in more} == {f"q{i}" for i in range(8, 20)}
    assert made.counts()["per_skill"] == {"add": 8}
    assert len({row.id for row in made.rows}) == 20


def test_what_earlier_rounds_drew_comes_last_and_the_seed_decides_the_rest() -> None:
    earlier = {f"q{i}": 1 for i in range(8, 14)}
    more = rehearse(targeted(8), POOL, 6, drawn_before=earlier).rows[8:]
    assert {row.lineage["source_id"] for row in more} == {f"q{i}" for i in range(14, 20)}
    few = [rehearse(targeted(2), POOL, 4, seed=seed).rows[2:] for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]


def test_a_pool_that_is_too_small_repeats_each_question_equally_often() -> None:
    drawn = Counter(row.lineage["source_id"] for row in rehearse(targeted(0), POOL, 40).rows)
    assert set(drawn.values()) == {2}


def test_without_a_share_the_set_stays_as_it_is() -> None:
    assert rehearse(targeted(8), POOL, 0) == targeted(8)
    assert rehearsal_pairs(300, 0.0) == 0


def test_a_pool_without_questions_and_fewer_pairs_than_none_are_errors() -> None:
    with pytest.raises(UserError, match="the pool has no questions to draw from"):
        rehearse(targeted(8), [], 4)
    with pytest.raises(ValueError, match="-1 pairs of rehearsal; give 0 or more"):
        rehearse(targeted(8), POOL, -1)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_the_arm_keeps_a_pair_and_the_largest_set_uses_all_that_it_has(share: float) -> None:
    for own in range(1, 40):
        size = most_pairs(own, share)
        assert size - rehearsal_pairs(size, share) <= own < size + 1 - rehearsal_pairs(size + 1, share)
    assert rehearsal_pairs(1, share) == 0
    assert rehearsal_pairs(100, share) == round(100 * share)
