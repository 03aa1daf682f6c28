"""Metacognition through the real client: the real cache, repairs and transport, over ASGI."""

import json

import pytest
from scripted_server import Say, ScriptedServer

from stat_train.data.example import Example
from stat_train.errors import UserError
from stat_train.metacognition.audit import AuditOptions, audit
from stat_train.metacognition.diagnosis import DiagnosisOptions, diagnose
from stat_train.metacognition.discovery import DiscoveryOptions, discover
from stat_train.metacognition.labelling import LabellingOptions, label
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.student.response import Response
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.prompts import Prompts
from stat_train.tutor.domain import load_domain
from stat_train.tutor.faults import TutorFaults
from stat_train.tutor.parse import parse
from stat_train.tutor.server import tutor_app
from stat_train.tutor.splits import even_split

TAXONOMY = SkillTaxonomy.from_names(["addition", "carrying"])


def teacher_for(app, tmp_path, **options):
    return Teacher(
        TeacherOptions(endpoint="http://teacher/v1", model="m", **options), tmp_path / "cache.db", app
    )


@pytest.fixture(scope="module")
def problems():
    """Questions of the tutor's domain, unlabelled."""
    return even_split(load_domain(), 300, seed=1, name="audit")


@pytest.fixture(scope="module")
def truth(problems):
    """Question id -> the skills that its worked solution uses."""
    return {problem.id: set(parse(problem.question).skills) for problem in problems}


@pytest.fixture(scope="module")
def arithmetic(truth):
    return SkillTaxonomy.from_names(sorted(set.union(*truth.values())))


def test_what_the_repair_leaves_invalid_is_kept_row_by_row_also_from_the_cache(tmp_path):
    def script(body, n):
        ids = ["q1", "q2", "q3"]
        skills = {"q1": ["addition"], "q2": ["voodoo"], "q3": ["carrying"]}
        if len(body["messages"]) > 2:
            ids.remove("q3")
            assert "q2: off the list: 'voodoo'" in body["messages"][-1]["content"]
        answers = [{"id": id, "skills": [{"reason": "", "skill": s} for s in skills[id]]} for id in ids]
        return Say(json.dumps({"answers": answers}))

    server = ScriptedServer(script)
    rows = [Example(f"e{n}", f"question {n}") for n in range(3)]
    for _ in range(2):
        with teacher_for(server, tmp_path) as teacher:
            made = label(teacher, Prompts(), TAXONOMY, rows, LabellingOptions())
        assert [example.id for example in made.examples] == ["e0"]
        assert [(row.question_id, row.reason) for row in made.quarantined] == [
            ("e1", "off the list: 'voodoo'; use names of the list only"),
            ("e2", "no answer; answer every id once"),
        ]
    assert len(server.bodies) == 2


def test_a_batch_that_never_becomes_json_is_quarantined_whole(tmp_path):
    with teacher_for(ScriptedServer(lambda body, n: Say("I would rather not.")), tmp_path) as teacher:
        made = label(teacher, Prompts(), TAXONOMY, [Example("a", "?"), Example("b", "?")], LabellingOptions())
    assert [row.question_id for row in made.quarantined] == ["a", "b"]
    assert all(row.reason for row in made.quarantined)
    assert made.owed == []


def test_a_batch_that_cannot_be_read_is_asked_row_by_row(tmp_path):
    def script(body, n):
        asked = body["messages"][1]["content"]
        if "question 2" in asked:
            return Say('{"answers": [', finish_reason="length")
        answers = [{"id": "q1", "skills": [{"reason": "", "skill": "addition"}]}]
        return Say(json.dumps({"answers": answers}))

    server = ScriptedServer(script)
    rows = [Example(f"e{n}", f"question {n}") for n in range(4)]
    for _ in range(2):
        with teacher_for(server, tmp_path) as teacher:
            made = label(teacher, Prompts(), TAXONOMY, rows, LabellingOptions())
        assert [example.id for example in made.examples] == ["e0", "e1", "e3"]
        assert [row.question_id for row in made.quarantined] == ["e2"]
    assert len(server.bodies) == 2 + 3 + 2


def test_batches_that_are_all_cut_off_are_asked_row_by_row_unless_that_is_no_better(tmp_path):
    def script(body, n):
        if "question 2" in (asked := body["messages"][1]["content"]) or '<question id="q2"' in asked:
            return Say('{"answers": [', finish_reason="length")
        answers = [{"id": "q1", "skills": [{"reason": "", "skill": "addition"}]}]
        return Say(json.dumps({"answers": answers}))

    rows = [Example(f"e{n}", f"question {n}") for n in range(10, 50)]
    with teacher_for(ScriptedServer(script), tmp_path) as teacher:
        made = label(teacher, Prompts(), TAXONOMY, rows, LabellingOptions())
    assert [row.question_id for row in made.quarantined] == [f"e{n}" for n in range(20, 30)]
    assert len(made.examples) == 30
    prose = ScriptedServer(lambda body, n: Say("I would rather not."))
    with teacher_for(prose, tmp_path / "other") as teacher, pytest.raises(UserError, match="can be read"):
        label(teacher, Prompts(), TAXONOMY, rows, LabellingOptions())
    assert len(prose.bodies) == 2 * (5 + 8)


def test_a_failing_server_leaves_rows_owed(tmp_path):
    def script(body, n):
        if "question 1" in body["messages"][1]["content"]:
            return Say("down", status=500)
        return Say(json.dumps({"answers": [{"id": "q1", "skills": [{"reason": "", "skill": "addition"}]}]}))

    rows = [Example(f"e{n}", f"question {n}") for n in range(3)]
    with teacher_for(ScriptedServer(script), tmp_path, max_attempts=1) as teacher:
        made = label(teacher, Prompts(), TAXONOMY, rows, LabellingOptions(batch_size=1))
    assert [example.id for example in made.examples] == ["e0", "e2"]
    assert [row.question_id for row in made.owed] == ["e1"]


def test_a_question_outside_the_tutors_domain_is_quarantined_alone(tmp_path, problems, arithmetic):
    rows = [Example("strange", "Who wrote Faust?"), *problems[:11]]
    with teacher_for(tutor_app(), tmp_path, structured="json_schema") as teacher:
        made = label(teacher, Prompts(), arithmetic, rows, LabellingOptions(batch_size=4))
        found = discover(teacher, Prompts(), rows, DiscoveryOptions(batch_size=12))
        items = [(row, Response(row.id, 0, "", "stop", 0)) for row in rows]
        judged = diagnose(teacher, Prompts(), arithmetic, items, DiagnosisOptions(batch_size=12))
    for left in (made.quarantined, found.quarantined, judged.quarantined):
        assert [row.question_id for row in left] == ["strange"]
        assert "no question of the tutor's domain" in left[0].reason
    assert [row.id for row in made.examples] == [row.id for row in rows[1:]]
    assert len(found.fine) == len(judged.diagnoses) == 11


def test_the_tutor_keeps_to_the_number_of_skills_asked_for(tmp_path):
    """Default options; the domain has more skills than they allow."""
    rows = even_split(load_domain(), 200, seed=2, name="discovery")
    with teacher_for(tutor_app(), tmp_path) as teacher:
        found = discover(teacher, Prompts(), rows, DiscoveryOptions())
        made = label(teacher, Prompts(), found.taxonomy, rows, LabellingOptions())
    assert found.unplaced == []
    assert len(found.taxonomy.names()) == DiscoveryOptions().max_skills
    assert made.quarantined == []


def test_the_tutor_labels_discovers_and_diagnoses(tmp_path, problems, truth, arithmetic):
    rows = problems[:60]
    with teacher_for(tutor_app(), tmp_path) as teacher:
        found = discover(teacher, Prompts(), rows, DiscoveryOptions(max_skills=60))
        made = label(teacher, Prompts(), arithmetic, rows, LabellingOptions())
        assert {example.id: set(example.skills) for example in made.examples} == {
            row.id: truth[row.id] for row in rows
        }
        assert set(found.taxonomy.names()) == {skill for row in rows for skill in truth[row.id]}
        items = [(example, Response(example.id, 0, "", "stop", 0)) for example in made.examples]
        diagnosed = diagnose(teacher, Prompts(), arithmetic, items, DiagnosisOptions(repeats=2))
    assert len(diagnosed.diagnoses) == len(diagnosed.repeated) == len(rows)
    profile = MissingSkillProfile.from_diagnoses(
        diagnosed.diagnoses, made.examples, [row.id for row in rows], repeated=diagnosed.repeated
    )
    assert len(profile.difficult) == len(rows)
    assert {rate.self_agreement for rate in profile.skills if rate.missing} == {1.0}


@pytest.mark.parametrize(("wrong", "off_list"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.1)])
def test_the_audit_recovers_what_is_planted_in_the_tutor(tmp_path, problems, arithmetic, wrong, off_list):
    faults = TutorFaults(wrong_labels=wrong, off_list=off_list)
    with teacher_for(tutor_app(faults), tmp_path) as teacher:
        options = AuditOptions(sample_size=300)
        found = audit(teacher, Prompts(), arithmetic, problems, options, LabellingOptions())
    assert found.agreement.error_rate == pytest.approx(wrong, abs=0.04)
    assert found.off_list_rate == pytest.approx(off_list, abs=0.03)
