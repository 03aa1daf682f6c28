"""Votes on solutions: which are believed, and how often a faulty teacher gets past them."""

import math
from pathlib import Path

import pytest
from scripted_teacher import Asked, ScriptedTeacher

from stat_train.data.example import Example
from stat_train.grading.grader import Grader
from stat_train.methods.options import SynthesisOptions
from stat_train.methods.solving import Solving, Vote, solve
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.prompts import Prompts
from stat_train.tutor.domain import load_domain
from stat_train.tutor.faults import TutorFaults
from stat_train.tutor.server import tutor_app
from stat_train.tutor.splits import even_split

QUESTION = [Example("n1", "How much is it?")]


def voted(solutions: list[tuple[str, str]], grader: str = "numeric", **options) -> tuple[Vote, Solving]:
    """The vote on one question; each sample of the teacher's is a (solution, answer)."""

    def script(asked: Asked) -> dict:
        solution, answer = solutions[asked.sample]
        return {"answers": [{"id": "q1", "solution": solution, "answer": answer}]}

    with Grader(grader) as judge:
        solving = solve(
            ScriptedTeacher(script),
            Prompts(None),
            judge,
            QUESTION,
            SynthesisOptions(solutions=len(solutions), **options),
        )
    return solving.votes[0], solving


def test_votes_are_equal_by_the_grader_not_by_letters() -> None:
    vote, _ = voted(
        [("#### \\frac{2}{4}", "2/4"), ("So it is $0.5$.\n#### 0.5", "0.5"), ("#### 3", "3")], "math"
    )
    assert (vote.agreeing, vote.of, vote.answer) == (2, 3, "\\frac{2}{4}")
    assert vote.solutions == ("#### \\frac{2}{4}", "So it is $0.5$.\n#### 0.5")


@pytest.mark.parametrize(
    ("answers", "agreeing", "reason"),
    [
        (["1", "1", "1"], 3, "3 of 3 solutions agree"),
        (["1", "2", "1"], 2, "2 of 3 solutions agree"),
        (["1", "2", "3"], 0, "1 of 3 solutions agree, as many on another answer"),
        (["1", "1", "2", "2"], 0, "2 of 4 solutions agree, as many on another answer"),
        (["1", "1", "2", "3"], 2, "2 of 4 solutions agree"),
    ],
)
def test_enough_must_agree_and_more_than_on_any_other_answer(
    answers: list[str], agreeing: int, reason: str
) -> None:
    vote, _ = voted([(f"Way {n}.\n#### {answer}", answer) for n, answer in enumerate(answers)])
    assert (len(vote.solutions), vote.reason) == (agreeing, reason)


def test_a_solution_that_says_one_thing_and_answers_another_is_no_vote() -> None:
    vote, _ = voted([("#### 5", "5"), ("#### 5", "6"), ("#### 6", "6")])
    assert (vote.solutions, vote.agreeing) == ((), 1)


def test_a_function_that_takes_whole_responses_votes_for_what_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ends_with.py").write_text("def ends(response, gold): return response.endswith(gold)")
    monkeypatch.chdir(tmp_path)
    vote, _ = voted([("So 5", "5"), ("Hence 5", "5"), ("Maybe 6", "5")], "ends_with:ends")
    assert (vote.agreeing, vote.answer, vote.solutions) == (2, "5", ("So 5", "Hence 5"))


def test_equal_solutions_are_one_pair_and_as_many_votes() -> None:
    vote, _ = voted([("#### 5", "5"), ("#### 5 ", "5"), ("Five.\n#### 5", "5")])
    assert (vote.agreeing, vote.solutions) == (3, ("#### 5", "Five.\n#### 5"))


def test_what_states_no_answer_is_quarantined_and_the_rest_still_votes() -> None:
    vote, solving = voted([("", "5"), ("I do not know.", "5"), ("#### 5", "5")], min_votes=1)
    assert [(left.sample, left.reason) for left in solving.quarantined] == [
        (0, "the solution or the answer is empty"),
        (1, "the solution states no final answer"),
    ]
    assert (vote.agreeing, vote.of) == (1, 3)


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_planted_wrong_solutions_are_caught_as_often_as_the_arithmetic_says(rate: float, tmp_path) -> None:
    """Each of 3 solutions is wrong with probability p, and then one of w wrong values. Right by majority:
    (1-p)^3 + 3p(1-p)^2. Wrong by majority: two wrong ones alike, 3p^2(1-p)/w, or two or three of three."""
    questions = even_split(load_domain(), 700, seed=3, name="votes")
    options = TeacherOptions(endpoint="http://tutor/v1", structured="json_schema")
    faulty = tutor_app(TutorFaults(wrong_solutions=rate))
    with Teacher(options, tmp_path / "cache.sqlite", faulty) as teacher:
        solving = solve(teacher, Prompts(None), Grader("numeric"), questions, SynthesisOptions(batch_size=50))
    assert not solving.quarantined
    rate_right = wrong = 0.0
    for question in questions:
        value = int(question.answer or "")
        w = sum(value + off > 0 for off in (-10, -2, -1, 1, 2, 10))
        rate_right += (1 - rate) ** 3 + 3 * rate * (1 - rate) ** 2
        wrong += 3 * rate**2 * (1 - rate) / w + rate**3 * (1 - (w - 1) * (w - 2) / w**2)
    kept = [vote for vote in solving.votes if vote.solutions]
    truth = {question.id: question.answer for question in questions}
    right = sum(vote.answer == truth[vote.question_id] for vote in kept)
    for seen, expected in ((right, rate_right), (len(kept) - right, wrong)):
        share = expected / len(questions)
        assert abs(seen - expected) < 3.3 * math.sqrt(len(questions) * share * (1 - share))
    assert len(kept) - right > 0
