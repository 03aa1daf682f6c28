"""Several sampled answers a question: which are diagnosed, and what the profile makes of them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from scripted_teacher import ScriptedTeacher

from stat_train.data.example import Example
from stat_train.data.jsonl import write_jsonl
from stat_train.difficulty.difficult import find_difficult
from stat_train.difficulty.options import DifficultyOptions
from stat_train.grading.grader import Grader
from stat_train.metacognition.diagnosis import DiagnosisOptions, diagnose
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.pipeline.metacognition import shown_responses
from stat_train.student.response import Response
from stat_train.teacher.prompts import Prompts

EXAMPLES = [Example("a", "2 + 2?", answer="4", skills=("add",)), Example("b", "3 * 3?", answer="9")]
TEXTS = {"a": ["4", "5 by adding", "6 by counting", "7 by adding"], "b": ["9", "9", "9", "8"]}
RESPONSES = [
    Response(id, sample, text, "stop", 1) for id, said in TEXTS.items() for sample, text in enumerate(said)
]


def shown(tmp_path: Path, **options) -> list[tuple[Example, Response]]:
    files = {"answer": RESPONSES}
    with Grader("numeric") as grader:
        files["difficulty"] = find_difficult(EXAMPLES, RESPONSES, DifficultyOptions(**options), grader)
    names = {"answer": "responses.jsonl", "difficulty": "difficulty.jsonl"}
    for title, rows in files.items():
        write_jsonl(tmp_path / title / names[title], rows)
    work = SimpleNamespace(split=lambda name: EXAMPLES, file=lambda title, name: tmp_path / title / name)
    return shown_responses(work)


@pytest.mark.parametrize(
    ("options", "samples"),
    [
        ({"method": "gold"}, [("a", 1), ("a", 2), ("a", 3)]),
        ({"method": "gold", "gold_share": 1.0}, [("a", 1), ("a", 2), ("a", 3), ("b", 3)]),
        ({"method": "consistency"}, [("a", 0), ("a", 1), ("a", 2), ("a", 3)]),
    ],
)
def test_every_answer_that_counts_against_a_difficult_question_is_diagnosed(
    tmp_path, options, samples
) -> None:
    found = shown(tmp_path, **options)
    assert [(example.id, response.sample) for example, response in found] == samples
    assert all(response.text == TEXTS[example.id][response.sample] for example, response in found)


def test_a_question_is_one_vote_shared_by_its_answers(tmp_path) -> None:
    def script(asked):
        missing = ["add"] if "adding" in asked.blocks("response")["q1"] else ["count"]
        return {"answers": [{"id": "q1", "reason": "", "verdict": "wrong", "missing_skills": missing}]}

    taxonomy = SkillTaxonomy.from_names(["add", "count"])
    items = shown(tmp_path, method="gold")
    judged = diagnose(ScriptedTeacher(script), Prompts(), taxonomy, items, DiagnosisOptions())
    profile = MissingSkillProfile.from_diagnoses(judged.diagnoses, EXAMPLES, ["a"])
    votes = {rate.skill: rate.votes for rate in profile.skills}
    assert votes["add"] == {"a": pytest.approx(2 / 3)}
    assert votes["count"] == {"a": pytest.approx(1 / 3)}
