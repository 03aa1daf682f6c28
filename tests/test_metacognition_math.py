"""The whole path on MATH with its seven subjects, against a scripted teacher."""

import json
from pathlib import Path

import pytest
from scripted_teacher import ScriptedTeacher

from stat_train.data.example import Example
from stat_train.metacognition.diagnosis import DiagnosisOptions, diagnose
from stat_train.metacognition.labelling import LabellingOptions, label
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.metacognition.skill_map import SkillMap
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.student.response import Response
from stat_train.teacher.prompts import Prompts

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
IN_SEVERAL = {"solving_equations", "prime_number_theory", "polynomial_skills", "ratio_and_proportion_skills"}


@pytest.fixture(scope="module")
def rows():
    file = DATA / "math_train.jsonl"
    if not file.exists():
        pytest.skip(f"MATH is not here ({file}); the test needs its training split")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def taxonomy(rows):
    skills: dict[str, dict[str, None]] = {}
    for row in rows:
        skills.setdefault(row["subject"], {}).update(dict.fromkeys(row.get("published_skills") or []))
    return SkillTaxonomy.from_names({subject: list(names) for subject, names in skills.items()})


def test_labelling_diagnosis_and_profile_keep_the_subjects_apart(rows, taxonomy):
    some = [row for row in rows if row.get("published_skills")][::8]
    published = {row["question"]: row["published_skills"] for row in some}
    unlabelled = [Example(f"m{i}", row["question"], subject=row["subject"]) for i, row in enumerate(some)]

    def script(asked):
        listed = list(asked.blocks("skill"))
        answers = []
        for id, text in asked.blocks("question").items():
            assert set(published[text]) <= set(listed)
            named = [name.replace("_", " ").title() for name in published[text]]
            if asked.task == "label_skills":
                answers.append(
                    {"id": id, "skills": [{"reason": "published", "skill": name} for name in named]}
                )
            else:
                missing = {"reason": "", "verdict": "wrong", "missing_skills": [*named, listed[0]]}
                answers.append({"id": id, **missing})
        return {"answers": answers}

    teacher = ScriptedTeacher(script)
    made = label(teacher, Prompts(), taxonomy, unlabelled, LabellingOptions(batch_size=16))
    assert [example.id for example in made.examples] == [example.id for example in unlabelled]
    assert (made.quarantined, made.owed, made.off_list) == ([], [], {})
    assert {subject for subject, _ in SkillMap(made.examples)} == set(taxonomy.subjects)
    assert len(taxonomy.subjects) == 7

    skill_map = SkillMap(made.examples)
    by_id = {example.id: example for example in made.examples}
    for skill in IN_SEVERAL:
        maps = {key: ids for key, ids in skill_map.items() if key[1] == skill}
        assert len(maps) >= 2
        assert all(by_id[id].subject == subject for (subject, _), ids in maps.items() for id in ids)
    assert sum(map(len, skill_map.values())) == sum(len(set(published[e.question])) for e in made.examples)

    difficult = made.examples[::3]
    answered = [(example, Response(example.id, 0, "I do not know.", "stop", 5)) for example in difficult]
    diagnosed = diagnose(teacher, Prompts(), taxonomy, answered, DiagnosisOptions(batch_size=4))
    assert len(diagnosed.diagnoses) == len(difficult)
    profile = MissingSkillProfile.from_diagnoses(
        diagnosed.diagnoses,
        made.examples,
        [example.id for example in difficult],
        taxonomy=taxonomy.fingerprint,
    )
    rates = {(rate.subject, rate.skill): rate for rate in profile.skills}
    for subject in taxonomy.subjects:
        first = taxonomy.names(subject)[0]
        of_subject = [example.id for example in difficult if example.subject == subject]
        assert list(rates[subject, first].votes) == of_subject
        assert rates[subject, first].rate == 1.0
    assert all(by_id[id].subject == subject for id, subject, _ in profile.pairs())
    assert set(profile.missing) == {example.id for example in difficult}
