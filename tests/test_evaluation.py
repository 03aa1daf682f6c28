from itertools import combinations
from random import Random

import pytest

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.evaluation.paired import holm, paired, paired_over_seeds
from stat_train.evaluation.samples import average_at_n, majority_at_k, pass_at_k
from stat_train.evaluation.scores import Scores, score
from stat_train.grading.verdict import Verdict
from stat_train.intervals import bonett_price, bootstrap, wilson


def scores(shares: list[int], prefix: str = "q") -> Scores:
    examples = [Example(f"{prefix}{n}", "?") for n in range(len(shares))]
    return score(examples, ["correct" if share else "wrong" for share in shares])


def test_accuracy_per_skill_subject_and_level() -> None:
    examples = [
        Example("a", "?", subject="algebra", skills=("x", "y"), level="1"),
        Example("b", "?", subject="algebra", skills=("x",), level="2"),
        Example("c", "?", subject="geometry", skills=("x",)),
        Example("d", "?"),
    ]
    result = score(examples, ["correct", "wrong", "timeout", "error"], cut_off=2)
    assert (result.accuracy, result.n, result.samples, result.cut_off) == (0.25, 4, 4, 2)
    assert result.ci95 == wilson(1 / 4, 4)
    assert {name: (g.accuracy, g.n) for name, g in result.per_skill.items()} == {
        "algebra/x": (0.5, 2),
        "algebra/y": (1.0, 1),
        "geometry/x": (0.0, 1),
    }
    assert {name: g.n for name, g in result.per_subject.items()} == {"algebra": 2, "geometry": 1}
    assert {name: g.accuracy for name, g in result.per_level.items()} == {"1": 1.0, "2": 0.0}
    assert result.verdicts == {"correct": 1, "wrong": 1, "error": 1, "timeout": 1}
    assert result.per_skill["algebra/x"].ci95 == wilson(1 / 2, 2)


@pytest.mark.parametrize(("verdict", "told"), [("Correct", "'Correct'"), (True, "True"), (["wrong", 1], "1")])
def test_a_verdict_that_is_none_is_named(verdict, told: str) -> None:
    with pytest.raises(UserError, match=rf"{told} is no verdict; give correct, wrong, error, timeout"):
        score([Example("a", "?"), Example("b", "?")], ["correct", verdict])


def test_several_samples_are_averaged_and_bootstrapped_over_questions() -> None:
    examples = [Example(str(n), "?", skills=("s",)) for n in range(40)]
    verdicts: list[list[Verdict]] = [["correct", "wrong"] if n % 2 else ["correct"] * 2 for n in range(40)]
    result = score(examples, verdicts)
    assert (result.accuracy, result.samples) == (0.75, 80)
    low, high = result.ci95
    assert 0.6 < low < 0.72 < 0.78 < high < 0.9
    assert result.ci95 == result.per_skill["s"].ci95
    assert result == score(examples, verdicts)


def test_what_cannot_be_scored_is_said() -> None:
    with pytest.raises(UserError, match="no questions to score"):
        score([], [])
    with pytest.raises(ValueError, match="1 questions, 2 lists"):
        score([Example("a", "?")], ["correct", "wrong"])
    with pytest.raises(ValueError, match="unique"):
        score([Example("a", "?"), Example("a", "?")], ["correct", "wrong"])


def test_wilson_against_published_values() -> None:
    low, high = wilson(81 / 263, 263)  # Newcombe 1998, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0.0, 10)[0] == 0.0
    assert wilson(1.0, 10)[1] == pytest.approx(1.0)


def test_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    generator = Random(0)
    covered = 0
    for trial in range(200):
        sample = [generator.random() for _ in range(50)]
        low, high = bootstrap(sample, seed=trial, resamples=500)
        covered += low <= 0.5 <= high
    assert 178 <= covered <= 199


def test_paired_difference_flips_and_mcnemar() -> None:
    a = scores([1] * 10 + [0] * 2 + [1] * 8)
    b = scores([0] * 10 + [1] * 2 + [1] * 8)
    result = paired(a, b)
    assert (result.gained, result.lost, result.n) == (10, 2, 20)
    assert result.difference == pytest.approx(0.4)
    assert result.p == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    low, high = result.ci95
    assert 0.0 < low < 0.4 < high < 0.8
    back = paired(b, a)
    assert (back.difference, back.gained, back.lost, back.p) == (-result.difference, 2, 10, result.p)
    assert paired(a, b) == result
    assert paired(a, b, seed=1).p == result.p


def test_equal_models_have_no_difference() -> None:
    result = paired(scores([1, 0]), scores([1, 0]))
    assert (result.difference, result.p) == (0.0, 1.0)


def test_few_flips_are_not_certain() -> None:
    none = paired(scores([1] * 40), scores([1] * 40))
    assert none.ci95 == bonett_price(0, 0, 40)
    assert none.ci95 == pytest.approx((-0.066, 0.066), abs=5e-4)
    four = paired(scores([1] * 4 + [0] * 36), scores([0] * 40))
    assert four.p == 0.125
    assert four.ci95 == pytest.approx((-0.0154, 0.2059), abs=5e-5)
    few, many = (paired(scores([1] * flips + [0] * 50), scores([0] * flips + [0] * 50)) for flips in (24, 25))
    assert few.ci95 == bonett_price(24, 0, 74)
    assert many.ci95 != bonett_price(25, 0, 75)
    assert paired(scores([1]), scores([0])).ci95[1] <= 1
    half = score([Example(f"q{n}", "?") for n in range(4)], [["correct", "wrong"]] + [["wrong"] * 2] * 3)
    assert paired(half, scores([0] * 4)).ci95 == bonett_price(1, 0, 4)  # wider than the bootstrap's


def test_figures_of_few_questions_are_not_too_sure_of_themselves() -> None:
    """Resampled, two questions of 32 and 33 right answers in 64 would be known to a point."""

    def sampled(*right: int, prefix: str = "q") -> Scores:
        examples = [Example(f"{prefix}{n}", "?") for n in range(len(right))]
        return score(examples, [["correct"] * its + ["wrong"] * (64 - its) for its in right])

    assert sampled(32, 33).ci95 == wilson(65 / 128, 2)
    low, high = sampled(*range(20, 40)).ci95
    assert high - low < 0.1
    nearly = paired(sampled(*[63] * 4, *[0] * 36), sampled(*[0] * 40))
    wholly = bonett_price(4, 0, 40)
    assert nearly.ci95[0] <= wholly[0] < 0
    assert nearly.ci95[1] >= wholly[1]


def test_shares_that_are_all_alike_are_not_certain() -> None:
    result = score([Example("a", "?", skills=("s",))], [["correct", "wrong"]])
    assert result.ci95 == result.per_skill["s"].ci95 == wilson(0.5, 1)


def test_the_order_of_questions_does_not_matter_but_the_questions_do() -> None:
    a, b = scores([1, 0, 1]), scores([0, 0, 1])
    turned = score([Example(f"q{n}", "?") for n in (2, 1, 0)], ["correct", "wrong", "wrong"])
    assert paired(a, turned) == paired(a, b)
    with pytest.raises(ValueError, match="2 in one only, such as q0"):
        paired(scores([1]), scores([1], prefix="r"))


def test_seeds_widen_the_interval() -> None:
    generator = Random(0)
    gains = [0.3, 0.0, 0.25, 0.05]
    a = [scores([int(generator.random() < 0.5 + gain) for _ in range(400)]) for gain in gains]
    b = [scores([int(generator.random() < 0.5) for _ in range(400)]) for _ in gains]
    result = paired_over_seeds(a, b, resamples=2000)
    assert result.difference == pytest.approx(sum(result.per_seed) / 4)
    assert list(result.per_seed) == [paired(x, y, resamples=10).difference for x, y in zip(a, b, strict=True)]
    one = paired(a[0], b[0], resamples=2000).ci95
    assert result.ci95[1] - result.ci95[0] > one[1] - one[0]
    assert result.ci95[0] < result.difference < result.ci95[1]


def test_shared_questions_are_drawn_for_all_seeds_at_once() -> None:
    pattern = [1] * 50 + [0] * 50
    shared = paired_over_seeds([scores(pattern)] * 5, [scores([0] * 100)] * 5, resamples=2000).ci95
    own = paired_over_seeds(
        [scores(pattern, f"s{seed}-") for seed in range(5)],
        [scores([0] * 100, f"s{seed}-") for seed in range(5)],
        resamples=2000,
    ).ci95
    assert shared[1] - shared[0] > 1.8 * (
        own[1] - own[0]
    )  # sqrt(5): five seeds are no five times the questions
    with pytest.raises(ValueError, match="1 and 1 seeds"):
        paired_over_seeds([scores([1])], [scores([1])])


def test_pass_at_k_is_the_share_of_subsets_with_a_correct_sample() -> None:
    samples: list[Verdict] = ["correct", "wrong", "wrong", "correct", "timeout", "wrong"]
    for k in range(1, 7):
        subsets = list(combinations(samples, k))
        assert pass_at_k([samples], k) == [pytest.approx(sum("correct" in s for s in subsets) / len(subsets))]
    assert average_at_n([samples, ["wrong"]]) == [pytest.approx(1 / 3), 0.0]
    with pytest.raises(ValueError, match="a question has 6 samples"):
        pass_at_k([samples], 7)


def test_majority_takes_the_most_frequent_answer_and_the_first_of_a_tie() -> None:
    verdicts: list[list[Verdict]] = [
        ["wrong", "correct", "correct"],
        ["wrong", "correct", "wrong"],
        ["wrong"] * 3,
    ]
    votes: list[list[int | None]] = [[0, 1, 1], [0, 1, None], [None, None, None]]
    assert majority_at_k(verdicts, votes, 3) == [1.0, 0.0, 0.0]
    assert majority_at_k(verdicts, votes, 2) == [0.0, 0.0, 0.0]


def test_holm_adjusts_step_by_step() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
