"""Rewrites of solutions: verified, counted, asked again where lost."""

import pytest
from scripted_teacher import Asked, ScriptedTeacher

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.grading.grader import Grader
from stat_train.methods.options import RewritingOptions
from stat_train.methods.rewriting import Rewriting, rewrite
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.prompts import Prompts
from stat_train.tutor.domain import load_domain
from stat_train.tutor.faults import TutorFaults
from stat_train.tutor.server import tutor_app
from stat_train.tutor.splits import even_split

ASKED = [Example("a", "2 + 3?", "2 + 3 = 5\n#### 5", "5"), Example("b", "4 + 4?", "4 + 4 = 8\n#### 8")]


def rewriting(script, examples=ASKED, **options) -> tuple[Rewriting, ScriptedTeacher]:
    teacher = ScriptedTeacher(script)
    made = rewrite(teacher, Prompts(None), Grader("numeric"), examples, RewritingOptions(**options))
    lost = len(made.rejected) + len(made.quarantined) + len(made.owed)
    assert made.asked == sum(map(len, made.solutions.values())) + lost
    return made, teacher


def answers(asked: Asked, text) -> dict:
    made = [
        {"id": id, "solution": text(question), "answer": ""}
        for id, question in asked.blocks("question").items()
    ]
    return {"answers": made}


def total(question: str) -> int:
    return sum(int(part) for part in question.rstrip("?").split(" + "))


def test_a_rewrite_that_reaches_another_answer_is_rejected_and_one_more_is_asked() -> None:
    def script(asked: Asked) -> dict:
        wrong = asked.sample == 1
        return answers(asked, lambda question: f"Way {asked.sample}.\n#### {total(question) + wrong}")

    made, teacher = rewriting(script)
    ways = [0, 2, 3]
    assert made.solutions == {
        "a": tuple(f"Way {n}.\n#### 5" for n in ways),
        "b": tuple(f"Way {n}.\n#### 8" for n in ways),
    }
    assert [(row.question_id, row.sample) for row in made.rejected] == [("a", 1), ("b", 1)]
    assert "'6', not '5'" in made.rejected[0].reason
    assert made.asked == len(teacher.asked) == 8


def test_what_says_nothing_new_is_no_rewrite() -> None:
    made, _ = rewriting(lambda asked: answers(asked, lambda question: "2 + 3 = 5\n#### 5 "), ASKED[:1])
    assert made.solutions == {"a": ()}
    assert {row.reason for row in made.rejected} == {"says nothing new"}
    assert len(made.rejected) == 6


def test_owed_answers_are_owed_and_nothing_more_is_asked() -> None:
    made, teacher = rewriting(lambda asked: None)
    assert (len(made.owed), len(teacher.asked)) == (6, 6)


def test_an_empty_solution_is_asked_again_and_then_quarantined() -> None:
    made, teacher = rewriting(lambda asked: answers(asked, lambda question: " "), ASKED[:1], answers=1)
    assert [row.reason for row in made.quarantined] == ["the solution is empty"] * 2
    assert [asked.error is None for asked in teacher.asked] == [True, False, True, False]


def test_several_solutions_share_a_request() -> None:
    made, teacher = rewriting(
        lambda asked: answers(asked, lambda q: f"{asked.sample}\n#### {total(q)}"), batch_size=2
    )
    assert len(teacher.asked) == 3
    assert {id: len(its) for id, its in made.solutions.items()} == {"a": 3, "b": 3}


@pytest.mark.parametrize(
    ("example", "words"),
    [(Example("x", "?"), "no solution"), (Example("x", "?", "It is so."), "no answer to verify by")],
)
def test_a_row_that_cannot_be_verified_is_named(example: Example, words: str) -> None:
    with pytest.raises(UserError, match=f"row 'x' has {words}"):
        rewriting(lambda asked: None, [example])


def test_the_tutor_rewrites_its_own_domain_and_refuses_a_wrong_solution(tmp_path) -> None:
    examples = even_split(load_domain(), 30, seed=2, name="r")
    broken = Example("broken", examples[0].question, "It is 1.\n#### 1", examples[0].answer)
    options = TeacherOptions(endpoint="http://tutor/v1", structured="json_schema")
    with Teacher(options, tmp_path / "cache.sqlite", tutor_app(TutorFaults(other_order=0.5))) as teacher:
        made = rewrite(teacher, Prompts(None), Grader("numeric"), [*examples, broken])
    assert made.solutions.pop("broken") == ()
    assert {row.question_id for row in made.quarantined} == {"broken"}
    assert all("cannot be kept" in row.reason for row in made.quarantined)
    assert sum(map(len, made.solutions.values())) > 2.5 * len(examples)
    for example in examples:
        assert all(text.endswith(f"#### {example.answer}") for text in made.solutions[example.id])
