"""Questions that repeat an earlier one."""

import random
from itertools import product

import pytest

from stat_train.data.duplicates import Duplicate, DuplicateIndex

LONG = "A shop sells {n} red apples and {m} green apples each day of a week how many are sold in {d} days"
WORDS = ["".join(letters) for letters in product("abcdefg", repeat=3)]


def found(questions: list[str], threshold: float | None = 0.8) -> list[Duplicate | None]:
    return DuplicateIndex(threshold).add([(f"q{n}", question) for n, question in enumerate(questions)])


def jaccard(a: str, b: str) -> float:
    def runs(text: str) -> set[tuple[str, ...]]:
        tokens = text.split()
        return {tuple(tokens[at : at + 3]) for at in range(len(tokens) - 2)}

    return len(runs(a) & runs(b)) / len(runs(a) | runs(b))


def test_spelling_makes_no_difference_and_is_an_exact_repeat() -> None:
    assert found(["What is $\\dfrac{1}{2}+1$?", "what is  $\\frac12 + 1$"]) == [None, Duplicate("q0", 1.0)]


def test_one_changed_number_in_a_long_question_is_a_near_repeat_and_three_are_not() -> None:
    first, one = (LONG.format(n=12, m=7, d=n) for n in (3, 4))
    three = LONG.format(n=31, m=8, d=9)
    assert found([first, one])[1] == Duplicate("q0", pytest.approx(jaccard(first, one)))
    assert found([first, three]) == [None, None]
    assert found([first, one], threshold=None) == [None, None]


def test_signs_tell_questions_apart() -> None:
    assert found(["What is 7 + 5?", "What is 7 - 5?", "What is 7 + 5 ?"]) == [
        None,
        None,
        Duplicate("q0", 1.0),
    ]


def test_what_repeats_something_dropped_is_compared_with_what_was_kept() -> None:
    draw = random.Random(0)
    base = [draw.choice(WORDS) for _ in range(40)]
    chain = []
    for _ in range(6):  # each differs a little from the one before it, and more and more from the first
        base[draw.randrange(40)] = draw.choice(WORDS)
        chain.append(" ".join(base))
    kept: list[str] = []
    for question, duplicate in zip(chain, found(chain), strict=True):
        close = [other for other in kept if jaccard(question, other) >= 0.8]
        assert (duplicate is not None) == bool(close)
        kept += [] if close else [question]
    assert 1 < len(kept) < len(chain)


def test_the_index_finds_what_comparing_all_pairs_finds() -> None:
    draw = random.Random(1)
    texts = [" ".join(draw.choice(WORDS) for _ in range(30)) for _ in range(120)]
    for _ in range(180):
        copy = draw.choice(texts[:120]).split()
        for _ in range(draw.randrange(1, 5)):
            copy[draw.randrange(30)] = draw.choice(WORDS)
        texts.append(" ".join(copy))
    kept: list[tuple[str, str]] = []
    expected: list[Duplicate | None] = []
    for n, text in enumerate(texts):
        near = [(jaccard(text, other), id) for id, other in kept if jaccard(text, other) >= 0.8]
        best = max(near, key=lambda pair: pair[0], default=None)
        expected.append(None if best is None else Duplicate(best[1], pytest.approx(best[0])))
        if best is None:
            kept.append((f"q{n}", text))
    assert 30 < sum(duplicate is not None for duplicate in expected) < 170
    assert found(texts) == expected


def test_questions_of_one_word_and_of_none() -> None:
    assert found(["Why?", "why", "", "Who?"]) == [None, Duplicate("q0", 1.0), None, None]
