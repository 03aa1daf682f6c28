"""The controls that need embeddings, levels, rewrites or a number of tokens."""

from collections import Counter

import numpy as np
import pytest

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.methods.controls import balanced, hard_levels, random_set, train
from stat_train.methods.embed_sel import embed_sel
from stat_train.methods.embed_syn import EmbedSynCalls
from stat_train.methods.options import EmbedSynOptions
from stat_train.methods.rewritten import some_pairs, with_rewrites
from stat_train.methods.shuffled import shuffled_profile
from stat_train.methods.size import cut_to_tokens, within_tokens
from stat_train.methods.training_set import TrainingSet

POOL = [
    Example(f"p{n}", f"question {n}", "x" * (1 + n % 7), "1", skills=(f"s{n % 3}",), level=f"Level {n % 5}")
    for n in range(60)
]


def sources(made: TrainingSet) -> list[str]:
    return [row.lineage["source_id"] for row in made.rows]


def length(row) -> int:
    return 10 + len(row.solution)


def on_a_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_train_is_the_whole_pool_before_anything_comes_twice_and_not_randoms_sample() -> None:
    assert sorted(sources(train(POOL, 60))) == sorted(example.id for example in POOL)
    assert set(Counter(sources(train(POOL, 90))).values()) == {1, 2}
    assert set(sources(train(POOL, 20))) != set(sources(random_set(POOL, 20)))


def test_hard_levels_are_those_named_with_or_without_the_word() -> None:
    made = hard_levels(POOL, 20, ["3", "Level 4"])
    assert {row.lineage["group"] for row in made.rows} == {"Level 3", "Level 4"}
    assert (len(made), made.counts()["unique"], made.notes) == (20, 20, ())
    assert "the pool has 12 hard questions for 30 pairs" in hard_levels(POOL, 30, ["4"]).notes[0]
    with pytest.raises(UserError, match=r"level 7 \(there are: Level 0, .*change `selection\.hard\.levels`"):
        hard_levels(POOL, 5, ["7"])


def test_embed_sel_takes_the_nearest_in_turns_and_none_twice() -> None:
    pool = POOL[:6]
    asked = [Example("near", "?"), Example("far", "?")]
    made = embed_sel(asked, on_a_circle(0, 90), pool, on_a_circle(1, 2, 3, 80, 60, 4), 4)
    taken = {
        id: [
            s
            for s, row in zip(sources(made), made.rows, strict=True)
            if row.lineage["difficult_question"] == id
        ]
        for id in ("near", "far")
    }
    assert taken == {"near": ["p0", "p1"], "far": ["p3", "p4"]}
    assert [row.lineage["neighbour"] for row in made.rows] == [0, 0, 1, 1]


def test_embed_sel_reaches_past_what_others_took_and_repeats_only_when_the_pool_is_out() -> None:
    asked = [Example(f"v{n}", "?") for n in range(30)]
    vectors, pool_vectors = on_a_circle(*[45.0] * 30), on_a_circle(*range(60))
    whole = embed_sel(asked, vectors, POOL, pool_vectors, 60)
    assert sorted(sources(whole)) == sorted(example.id for example in POOL)
    twice = embed_sel(asked, vectors, POOL, pool_vectors, 90)
    assert set(Counter(sources(twice)).values()) == {1, 2}
    assert "questions repeat" in twice.notes[0]
    with pytest.raises(UserError, match="no validation question is difficult, so Embed-Sel"):
        embed_sel([], vectors[:0], POOL, pool_vectors, 5)


def test_embed_syn_shows_the_nearest_group_first_then_the_next_then_another_sample() -> None:
    calls = EmbedSynCalls(
        [Example("v", "?", subject="algebra")],
        on_a_circle(0),
        POOL,
        on_a_circle(*range(60)),
        EmbedSynOptions(references=2),
    )
    made = [*calls(("algebra", ""), 2), *calls(("algebra", ""), 4)]
    shown = [([reference.id for reference in call.references], call.sample) for call in made]
    assert shown[:2] == [(["p0", "p1"], 0), (["p2", "p3"], 0)]
    assert shown[5] == (["p0", "p1"], 1)
    assert made[0].skill is None
    assert made[0].lineage == {"difficult_question": "v"}


def test_embed_syn_asks_nothing_twice_and_another_seed_asks_anew() -> None:
    failed = [Example(f"v{n}", f"{n}?") for n in range(10)]
    asked = []
    for seed in (0, 1):
        calls = EmbedSynCalls(
            failed, on_a_circle(*[0] * 10), POOL, on_a_circle(*range(60)), EmbedSynOptions(), seed=seed
        )
        asked += [(tuple(its.id for its in call.references), call.sample) for call in calls(("", ""), 25)]
    assert len(set(asked)) == len(asked)


def test_embed_syn_makes_do_with_a_pool_smaller_than_a_group() -> None:
    calls = EmbedSynCalls([Example("v", "?")], on_a_circle(0), POOL[:2], on_a_circle(0, 1), EmbedSynOptions())
    assert [(len(call.references), call.sample) for call in calls(("", ""), 2)] == [(2, 0), (2, 1)]


@pytest.mark.parametrize("make", [lambda n: random_set(POOL, n), lambda n: balanced(POOL, n)])
def test_a_set_of_tokens_is_less_than_a_pair_short(make) -> None:
    for tokens in (100, 457, 2000):
        for guess in (1, 5, 400):
            made = within_tokens(make, tokens, length, guess=guess)
            assert tokens - 17 < sum(map(length, made.rows)) <= tokens


def test_a_set_of_pairs_that_differ_much_in_length_is_no_shorter() -> None:
    """Random draws anew for every size, so its tokens do not grow evenly with its pairs."""
    lengths = np.random.default_rng(0).lognormal(5, 1, 3000).astype(int) + 1
    pool = [Example(f"p{n}", f"question {n}", "x" * tokens, "1") for n, tokens in enumerate(lengths)]
    for seed in range(20):
        made = within_tokens(
            lambda n, seed=seed: random_set(pool, n, seed=seed),
            20_000,
            lambda row: len(row.solution),
            guess=90,
            seed=seed,
        )
        assert 20_000 - max(lengths) < sum(len(row.solution) for row in made.rows) <= 20_000
        assert made.notes == ()


def test_where_there_are_no_more_pairs_the_set_is_short_and_says_so() -> None:
    made = within_tokens(lambda n: random_set(POOL, n), 2000, length, guess=90, most=100)
    assert len(made) == 100
    assert f"{sum(map(length, made.rows)):,} of 2,000 tokens: there are no more pairs" in made.notes


def test_what_is_cut_depends_on_the_seed() -> None:
    made = random_set(POOL, 50)
    first, again, other = (cut_to_tokens(made, 400, length, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert sources(first) == [source for source in sources(made) if source in set(sources(first))]


def test_each_question_has_its_rewrites_and_the_pools_own_where_there_are_too_few() -> None:
    drawn = train(POOL, 4, method="augment")
    some, few = sources(drawn)[0], sources(drawn)[1]
    rewrites = dict.fromkeys(sources(drawn), ("first", "second", "third")) | {few: ("only",)}
    made = with_rewrites(drawn, rewrites, 3)
    answers = [(row.solution, row.lineage["rewritten"]) for row in made.rows[:6]]
    own = drawn.rows[1].solution
    assert answers[:3] == [("first", True), ("second", True), ("third", True)]
    assert answers[3:] == [("only", True), (own, False), (own, False)]
    assert {row.lineage["source_id"] for row in made.rows[:3]} == {some}
    assert made.notes == (
        "2 of 12 answers are the pool's own solutions: too few rewrites were right and new",
    )
    assert len({row.id for row in made.rows}) == 12


def test_fewer_pairs_are_as_many_questions_with_fewer_answers() -> None:
    made = with_rewrites(train(POOL, 20, method="augment"), {}, 3)
    fewer = some_pairs(made, 3, 51, seed=0)
    assert Counter(Counter(sources(fewer)).values()) == {3: 11, 2: 9}
    assert Counter(Counter(sources(some_pairs(made, 3, 15))).values()) == {1: 15}
    assert some_pairs(made, 3, 60) == made
    assert sources(fewer) != sources(some_pairs(made, 3, 51, seed=1))


def test_shuffled_keeps_the_shape_of_the_profile_and_none_of_its_names() -> None:
    pool = [*POOL, Example("q", "?", "1", "1", subject="logic", skills=("alone",))]
    asked = [Example(f"v{n}", "?", skills=(f"s{n % 3}",)) for n in range(9)]
    asked.append(Example("w", "?", subject="logic", skills=("alone",)))
    missing = {example.id: example.skills for example in asked} | {"v0": ("s0", "s1")}
    renamed, questions = shuffled_profile(missing, asked, pool)
    assert {id: len(skills) for id, skills in renamed.items()} == {
        id: len(its) for id, its in missing.items()
    }
    names = {old: new for id in missing for old, new in zip(missing[id], renamed[id], strict=True)}
    assert {new for old, new in names.items() if old != "alone"} == {"s0", "s1", "s2"}
    assert [old for old, new in names.items() if old == new] == ["alone"]
    assert [question.skills for question in questions] == [
        tuple(names[skill] for skill in example.skills) for example in asked
    ]
    drawn = {tuple(shuffled_profile(missing, asked, pool, seed=seed)[0]["v0"]) for seed in range(9)}
    assert len(drawn) == 2
