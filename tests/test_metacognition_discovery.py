"""Discover, cluster, relabel: hierarchical, inside a context, with an answer for every row."""

import math

import pytest
from scripted_teacher import ScriptedTeacher

from stat_train.data.example import Example
from stat_train.errors import Unfinished, UserError
from stat_train.metacognition.discovery import DiscoveryOptions, discover
from stat_train.metacognition.labelling import LabellingOptions, label
from stat_train.metacognition.skill import Skill
from stat_train.teacher.prompts import Prompts


def examples(n, subject=""):
    return [Example(f"{subject}{i}", f"{subject}-question-{i}", subject=subject) for i in range(n)]


def fine(asked, names=lambda text: [f"Fine {text}"]):
    return {"answers": [{"id": id, "skills": names(text)} for id, text in asked.blocks("question").items()]}


def clustered(names, size):
    """Clusters of `size` neighbours; a cluster is named after its first member."""
    groups = [names[start : start + size] for start in range(0, len(names), size)]
    return {
        "clusters": [
            {"name": f"with {g[0]}", "description": f"{len(g)} skills", "members": g} for g in groups
        ]
    }


def halves(asked):
    names = list(asked.blocks("fine_skill").values())
    at_most = int(asked.blocks("count")["max_clusters"])
    return clustered(names, math.ceil(len(names) / at_most))


def by_task(cluster=halves, discovered=fine):
    return lambda asked: discovered(asked) if asked.task == "discover_skills" else cluster(asked)


def run(script, rows, **options):
    teacher = ScriptedTeacher(script)
    return discover(teacher, Prompts(), rows, DiscoveryOptions(**options)), teacher


def test_names_are_merged_round_by_round_until_one_request_gives_the_list():
    found, teacher = run(by_task(), examples(700), batch_size=50, cluster_size=100, max_skills=12)
    requests = [asked for asked in teacher.asked if asked.task == "cluster_skills"]
    sizes = [len(asked.blocks("fine_skill")) for asked in requests]
    assert sizes == [100] * 7 + [88, 88, 88, 86] + [88, 87] + [88]
    assert len(found.taxonomy.names()) == 11
    assert found.unplaced == []
    assert found.fine["17"] == ("fine_question_17",)


def test_each_subject_has_its_own_list_and_equal_names_stay_apart():
    rows = [*examples(4, "algebra"), *examples(4, "geometry")]

    def one(asked):
        names = list(asked.blocks("fine_skill").values())
        return {
            "clusters": [{"name": "Polynomial Skills", "description": f"of {names[0]}", "members": names}]
        }

    found, teacher = run(by_task(one), rows, batch_size=4)
    assert found.taxonomy.entries == (
        Skill("polynomial_skills", "of fine_algebra_question_0", "algebra"),
        Skill("polynomial_skills", "of fine_geometry_question_0", "geometry"),
    )
    assert all("geometry" not in asked.prompt for asked in teacher.asked[:1])

    def relabel(asked):
        (skill,) = asked.blocks("skill")
        return {
            "answers": [
                {"id": id, "skills": [{"reason": "", "skill": skill}]} for id in asked.blocks("question")
            ]
        }

    made = label(ScriptedTeacher(relabel), Prompts(), found.taxonomy, rows, LabellingOptions())
    assert {(e.subject, e.skills) for e in made.examples} == {
        ("algebra", ("polynomial_skills",)),
        ("geometry", ("polynomial_skills",)),
    }


def test_a_subject_in_other_case_is_the_same_and_a_missing_one_is_told_before_anything_is_asked():
    found, _ = run(by_task(), [*examples(3, "Algebra"), *examples(3, "algebra")])
    assert found.taxonomy.subjects == ("Algebra",)
    assert len(found.taxonomy.names("algebra")) == 3
    teacher = ScriptedTeacher(by_task())
    with pytest.raises(UserError, match=r"question '0' has no subject .*columns\.subject"):
        discover(teacher, Prompts(), [*examples(2, "algebra"), *examples(1)], DiscoveryOptions())
    assert teacher.asked == []


def test_spellings_of_one_name_are_one_name():
    found, teacher = run(
        by_task(discovered=lambda a: fine(a, lambda text: ["Add Up", "add-up", "carry"])), examples(3)
    )
    assert found.fine == {str(i): ("add_up", "carry") for i in range(3)}
    assert list(teacher.asked[-1].blocks("fine_skill").values()) == ["add_up", "carry"]


def test_clusters_are_repaired_once_with_what_is_wrong():
    def cluster(asked):
        names = list(asked.blocks("fine_skill").values())
        if asked.error:
            return clustered(names, 2)
        bad = clustered(names, 1)["clusters"]
        return {"clusters": [*bad[:3], {"name": "", "description": "", "members": [names[0], "made up"]}]}

    found, teacher = run(by_task(cluster), examples(6), max_skills=3)
    error = teacher.asked[-1].error
    assert "no cluster holds: 'fine_question_3', 'fine_question_4', 'fine_question_5'" in error
    assert "in two clusters: 'fine_question_0'" in error
    assert "not among the given names: 'made_up'" in error
    assert "4 clusters; make at most 3" in error
    assert "a cluster has no name" in error
    assert len(found.taxonomy.names()) == 3


def test_names_left_out_after_the_repair_are_said():
    def cluster(asked):
        names = list(asked.blocks("fine_skill").values())
        return {"clusters": [{"name": "kept", "description": "", "members": [*names[:2], "made up"]}]}

    found, _ = run(by_task(cluster), examples(3))
    assert found.taxonomy.names() == ("kept",)
    assert found.unplaced == [("", "fine_question_2")]


def test_a_question_without_a_name_is_quarantined():
    found, _ = run(
        by_task(discovered=lambda asked: fine(asked, lambda text: [] if "1" in text else ["x", " "])),
        examples(3),
    )
    assert [(row.question_id, row.reason) for row in found.quarantined] == [("1", "no skill")]
    assert found.fine == {"0": ("x",), "2": ("x",)}


def test_a_teacher_that_never_merges_is_told_of_and_does_not_loop():
    def never(asked):
        return {"clusters": []}

    with pytest.raises(UserError, match="does not merge the 9 skill names of subject ''"):
        run(by_task(never), examples(9), cluster_size=4)
    with pytest.raises(UserError, match="no valid clusters of the 3 skill names"):
        run(by_task(never), examples(3))


def test_a_subject_without_any_skill_is_an_error():
    rows = [*examples(2, "a"), *examples(2, "b")]
    with pytest.raises(UserError, match=r"no skill was found for any question of subject 'b'; no skill"):
        run(by_task(discovered=lambda a: fine(a, lambda text: ["x"] if text[0] == "a" else [])), rows)


@pytest.mark.parametrize("task", ["discover_skills", "cluster_skills"])
def test_owed_requests_leave_discovery_unfinished(task):
    whole = by_task()
    with pytest.raises(Unfinished, match=r"owed .*run again"):
        run(lambda asked: None if asked.task == task else whole(asked), examples(3))
