"""AdaptMI beside its controls: which answer counts, over all questions, and what each costs."""

import pytest

from stat_train.data.example import Example
from stat_train.evaluation.prompting import Answered, Judge, compare_prompts

QUESTIONS = [Example(f"q{n}", f"question {n}?", answer="1") for n in range(4)]
HARD = {"q2", "q3"}


def answers(right: str, prompt: int, written: int = 10) -> dict[str, Answered]:
    """The questions in `right` answered correctly."""
    return {
        question.id: Answered(["correct" if question.id[1] in right else "wrong"], None, prompt, written)
        for question in QUESTIONS
    }


SAMPLES = {
    "q0": Answered(["correct", "wrong", "correct"], [0, 1, 0], 300, 30),
    "q1": Answered(["wrong", "wrong", "correct"], [0, 0, 1], 300, 30),
    "q2": Answered(["wrong", "correct", "correct"], [0, 1, 1], 300, 30),
    "q3": Answered(["wrong", "wrong", "wrong"], [None, None, None], 300, 30),
}
ALL = {
    "zero-shot": answers("0", 20),
    "fixed": answers("01", 100),
    "random": answers("", 100),
    "skills": answers("23", 110),  # helps the difficult, hurts the easy
    "missing": {"q2": answers("2", 120)["q2"]},  # nothing is missing in q3
    "samples": SAMPLES,
}


@pytest.fixture(scope="module")
def compared():
    judges = [Judge("length", HARD, oracle=False), Judge("gold", {"q3"}, oracle=True)]
    return compare_prompts(QUESTIONS, ALL, judges)


@pytest.fixture
def by_name(compared):
    return {its.name: its for its in compared.promptings}


def test_accuracy_is_over_all_questions(by_name) -> None:
    accuracy = {name: its.scores.accuracy for name, its in by_name.items()}
    assert accuracy == {
        "zero-shot": 0.25,
        "fixed": 0.5,
        "random": 0.0,
        "skills": 0.5,
        "consistency@3": 0.5,
        "adaptmi": 1.0,
        "adaptmi+": 0.75,
        "adaptmi (oracle)": 0.75,
        "adaptmi+ (oracle)": 0.5,
    }
    assert (by_name["skills"].easy, by_name["skills"].difficult) == (0.0, 1.0)
    assert [name for name, its in by_name.items() if its.oracle] == ["adaptmi (oracle)", "adaptmi+ (oracle)"]


def test_what_is_answered_twice_costs_twice(by_name) -> None:
    assert by_name["fixed"].prompt_tokens == 400
    assert by_name["adaptmi"].prompt_tokens == 400 + 2 * 110
    assert by_name["adaptmi+"].prompt_tokens == 400 + 120
    assert by_name["adaptmi+"].completion_tokens == 50
    assert by_name["consistency@3"].prompt_tokens == 1200


def test_teacher_questions_are_counted(by_name) -> None:
    asked = {name: its.teacher_questions for name, its in by_name.items()}
    assert (asked["skills"], asked["adaptmi"], asked["adaptmi+"]) == (4, 2, 2)
    assert asked["fixed"] == asked["consistency@3"] == 0


def test_a_vote_that_finds_the_difficult_ones_is_paid_for() -> None:
    found = compare_prompts(QUESTIONS, ALL, [Judge("consistency", HARD, oracle=False)])
    (adapted,) = (its for its in found.promptings if its.name == "adaptmi")
    assert adapted.prompt_tokens == 1200 + 400 + 2 * 110


def test_adaptmi_is_paired_with_every_control_and_with_itself(compared) -> None:
    pairs = {(one, other): its for one, other, its in compared.paired}
    controls = {"zero-shot", "fixed", "random", "skills", "consistency@3"}
    assert {other for one, other in pairs if one == "adaptmi"} == controls
    assert pairs["adaptmi", "fixed"].difference == 0.5
    assert pairs["adaptmi", "fixed"].gained == 2
    assert pairs["adaptmi+", "adaptmi"].difference == -0.25
    assert ("adaptmi+ (oracle)", "adaptmi (oracle)") in pairs
