"""The verified reward, the order of the questions, and the reward curves."""

from collections import Counter

import pytest

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.grading.grader import Grader
from stat_train.training.grpo_options import GRPOOptions
from stat_train.training.prompt_order import prompt_order, unasked
from stat_train.training.reward import VerifiedReward, verifiable
from stat_train.training.rewards import Group, curve, groups_of, reward_rows, thirds


@pytest.fixture(scope="module")
def math():
    with Grader("math", timeout_s=0.5, workers=1) as grader:
        yield grader


@pytest.mark.parametrize(
    ("response", "earned", "outcome"),
    [
        ("So \\boxed{4}.", 1.0, "correct"),
        ("The answer is 4", 1.0, "correct"),
        ("The answer is 3 or 4", 0.0, "wrong"),
        ("The answer is 4 or 3", 0.0, "wrong"),
        ("\\boxed{3} \\boxed{4}", 0.0, "extra_boxed"),
        ("\\boxed{4} and again \\boxed{4}", 0.0, "extra_boxed"),
        ("\\boxed{3}, no: \\boxed{4}", 0.0, "extra_boxed"),
        ("I do not know", 0.0, "wrong"),
        ("\\boxed{5}", 0.0, "wrong"),
    ],
)
def test_only_one_verified_answer_earns(math: Grader, response: str, earned: float, outcome: str) -> None:
    [scored] = VerifiedReward(math).score([(response, "4")], [True])
    assert (scored.reward, scored.outcome) == (earned, outcome)


def never_ends(response: str, gold: str) -> bool:
    while "loop" in response:
        pass
    return response == gold


def test_a_grading_that_times_out_earns_nothing_and_is_counted() -> None:
    with Grader(f"{__name__}:never_ends", timeout_s=0.2, workers=1) as grader:
        scored = VerifiedReward(grader).score([("loop", "4"), ("4", "4")], [True, True])
    assert [(its.reward, its.outcome) for its in scored] == [(0.0, "timeout"), (1.0, "correct")]


def test_a_users_function_judges_boxes_itself() -> None:
    with Grader(f"{__name__}:never_ends", workers=1) as grader:
        [scored] = VerifiedReward(grader).score([("\\boxed{1}\\boxed{1}",) * 2], [True])
    assert scored.outcome == "correct"


def test_the_format_is_rewarded_only_where_the_answer_ends_and_marks_once(math: Grader) -> None:
    reward = VerifiedReward(math, format_weight=0.2)
    answers = [
        ("\\boxed{4}", "4"),
        ("\\boxed{4}", "4"),
        ("\\boxed{5}", "4"),
        ("4", "4"),
        ("#### 4\n#### 4", "4"),
    ]
    scored = reward.score(answers, [True, False, True, True, True])
    assert [its.reward for its in scored] == pytest.approx([1.2, 1.0, 0.2, 1.0, 1.0])
    assert VerifiedReward(math).score(answers[:1], [True])[0].reward == 1.0


def test_gold_is_checked_against_itself(math: Grader) -> None:
    examples = [Example("a", "?", answer="\\frac{1}{2}"), Example("b", "?", answer=""), Example("c", "?")]
    kept, bad = verifiable(examples, math)
    assert [its.id for its in kept] == ["a"]
    assert [(gold.id, gold.verdict) for gold in bad] == [("b", "error"), ("c", "error")]


POOL = [
    Example(f"q{i}", f"{i}?", skills=("a",) if i < 8 else ("b", "c") if i < 10 else ()) for i in range(23)
]


def test_even_prompts_ask_every_question_once_an_epoch() -> None:
    options = GRPOOptions(questions=4, epochs=3)
    order = prompt_order(POOL, options)
    assert len(order) == 3 * 20
    for epoch in range(3):
        assert len(set(order[20 * epoch : 20 * epoch + 20])) == 20
    assert order[:20] != order[20:40]
    assert order == prompt_order(POOL, options)
    assert order != prompt_order(POOL, GRPOOptions(questions=4, epochs=3, seed=1))
    assert prompt_order(POOL, GRPOOptions(questions=4, max_batches=2)) == order[:8]


def test_prompts_by_the_profile_come_as_often_as_skills_were_missing() -> None:
    weights = {("", "a"): 3.0, ("", "b"): 1.0, ("", "elsewhere"): 5.0, ("", "never"): 0.0}
    order = prompt_order(POOL, GRPOOptions(questions=4, epochs=4), weights)
    skills = Counter(POOL[place].skills[0] for place in order)
    assert skills == {"a": 60, "b": 20}
    for start in range(0, len(order), 4):
        batch = order[start : start + 4]
        assert len(set(batch)) == 4
        assert sum(place < 8 for place in batch) == 3
    counts = Counter(order)
    assert {counts[place] for place in range(8)} <= {7, 8}
    assert unasked(POOL, weights) == [("", "elsewhere")]
    with pytest.raises(UserError, match="no question needs a skill that the profile found missing"):
        prompt_order(POOL, GRPOOptions(questions=4), {("", "elsewhere"): 1.0})


def rollout(batch: int, group: int, reward: float, skill: str = "a") -> dict:
    return {
        "batch": batch,
        "group": group,
        "subject": "",
        "skills": [skill],
        "reward": reward,
        "outcome": "correct" if reward else "wrong",
        "cut_off": False,
        "tokens": 5,
    }


def test_curves_thirds_and_flat_groups() -> None:
    rows = [
        rollout(batch, group, float(sample < (batch >= 6) + (group == 1)), "ab"[group])
        for batch in range(9)
        for group in range(2)
        for sample in range(2)
    ]
    groups = groups_of(rows)
    assert len(groups) == 18
    found = thirds(groups, 9)
    assert (found.first, found.last, found.n_first) == (0.25, 0.75, 6)
    assert found.difference == 0.5
    assert found.ci95 is not None
    assert found.ci95[0] < 0.5 < found.ci95[1]
    only_b = [group for group in groups if "b" in group.keys]
    assert curve(only_b, 9, spans=3) == [0.5, 0.5, 1.0]
    by_row = {(row["batch"], row["skill"]): row for row in reward_rows(rows)}
    assert by_row[0, ""]["flat"] == 1
    assert by_row[0, "a"]["flat"] == 1
    assert by_row[8, ""] | {"reward": 0.75, "groups": 2, "flat": 1, "correct": 3, "wrong": 1} == by_row[8, ""]
    assert thirds([], 9).ci95 is None


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ([1.0], [0.0, 1.0], False),
        ([0.0, 1.0], [1.0], False),
        ([0.0, 0.0], [0.0, 0.0], False),
        ([0.0, 0.0], [1.0, 1.0], False),
        ([0.0, 0.0], [0.0, 1.0], True),
    ],
)
def test_too_little_gives_no_interval_that_claims_certainty(
    first: list[float], last: list[float], told: bool
) -> None:
    groups = [Group(batch, ("",), reward, False) for batch, its in ((0, first), (8, last)) for reward in its]
    found = thirds(groups, 9)
    assert (found.ci95 is not None) == told
    assert found.difference == sum(last) / len(last) - sum(first) / len(first)
