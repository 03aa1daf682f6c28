"""`stat-train adaptmi` end to end with a tiny student and the embedded tutor."""

import json
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.pipeline import run_recipe
from stat_train.pipeline.runner import plan
from stat_train.pipeline.steps import all_steps
from stat_train.recipe_file import read_recipe

SMOKE = Path(__file__).parents[1] / "recipes" / "smoke.yaml"
CHOSEN = ["evaluation.sampling.max_tokens=12", "adaptmi.k=2", "adaptmi.samples=3", "arms=[]"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    recipe = read_recipe(SMOKE, [f"student.model={tiny}", f"run_dir={folder}", *CHOSEN])
    return recipe, run_recipe(recipe, "adaptmi")


def test_all_ways_are_compared_over_all_questions(run) -> None:
    _, stages = run
    found = json.loads(stages["adaptmi"].file("adaptmi.json").read_text())
    names = [row["name"] for row in found["promptings"]]
    assert names[:5] == ["zero-shot", "fixed", "random", "skills", "consistency@3"]
    assert set(names[5:]) == {"adaptmi", "adaptmi+", "adaptmi (oracle)", "adaptmi+ (oracle)"}
    assert {row["n"] for row in found["promptings"]} == {8}
    assert found["diagnosed"] == 8  # a tiny random model is right nowhere, so all are difficult by gold


def test_exemplars_come_from_the_pool_and_have_the_skill(run) -> None:
    _, stages = run
    pool = {row["id"]: row for row in read_jsonl(stages["label"].file("pool.jsonl"))}
    for kind in ("skills", "missing"):
        for row in read_jsonl(stages[f"prompt {kind}"].file("shots.jsonl")):
            assert len(set(row["exemplars"])) == len(row["exemplars"]) == 2
            for id in row["exemplars"][: 2 - row["filled"]]:
                assert set(pool[id]["skills"]) & {*row["skills"], row["backed_off"].get(id)}


def test_adaptmi_plus_shows_what_the_own_answer_lacks(run) -> None:
    _, stages = run
    diagnosed = {
        row["question_id"]: row["missing_skills"]
        for row in read_jsonl(stages["prompt-diagnose"].file("diagnoses.jsonl"))
    }
    shown = list(read_jsonl(stages["prompt missing"].file("shots.jsonl")))
    assert {row["question_id"] for row in shown} == {id for id, skills in diagnosed.items() if skills}
    for row in shown:
        assert row["skills"] == diagnosed[row["question_id"]][:2]


def test_exemplars_that_do_not_fit_are_dropped_and_said(run, tiny, tmp_path) -> None:
    _, stages = run
    fixed, zero = (
        max(row["prompt_tokens"] for row in read_jsonl(stages[f"prompt {kind}"].file("shots.jsonl")))
        for kind in ("fixed", "zero-shot")
    )
    assert fixed > zero
    most = f"student.max_model_len={zero + 12 + 1}"
    recipe = read_recipe(SMOKE, [f"student.model={tiny}", f"run_dir={tmp_path}", *CHOSEN, most])
    manifest = run_recipe(recipe, "adaptmi")["prompt fixed"].manifest
    assert manifest["counts"]["dropped"] > 0
    assert any("fit the student's context" in note for note in manifest["notes"])


def test_a_second_run_does_nothing_and_a_changed_k_redoes_only_the_prompts(run) -> None:
    recipe, _ = run
    assert {state for _, state, _ in plan(recipe, "adaptmi")} == {"current"}
    changed = recipe.model_copy(update={"adaptmi": recipe.adaptmi.model_copy(update={"k": 1})})
    states = {title: state for title, state, _ in plan(changed, "adaptmi")}
    assert states["label"] == states["prompt zero-shot"] == "current"
    assert states["prompt fixed"] == states["prompt skills"] == "would run"


def test_a_run_of_the_recipe_knows_nothing_of_it(run) -> None:
    recipe, _ = run
    assert not [step.title for step in all_steps(recipe) if step.name.startswith(("prompt", "adaptmi"))]


def test_the_command_prints_the_table(run, command, tiny) -> None:
    recipe, _ = run
    code, shown, _ = command(
        "adaptmi", str(SMOKE), f"student.model={tiny}", f"run_dir={recipe.folder}", *CHOSEN
    )
    assert not code
    assert "consistency@3" in shown
    assert "adaptmi+" in shown
    assert "oracle" in shown


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["adaptmi.split=nowhere"], "no evaluation split 'nowhere'; choose one of test, ood"),
        (["adaptmi.student=stat-syn"], "no arm 'stat-syn'"),
        (["evaluation.per_skill=false"], "set evaluation.per_skill to true"),
        (["adaptmi.fixed=[a,b]"], "adaptmi.fixed names 2 exemplars, and k is 5"),
        (
            ["adaptmi.samples=2", "adaptmi.difficulty.min_votes=3"],
            "fewer than adaptmi.difficulty.min_votes",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_named(changes, told) -> None:
    with pytest.raises(UserError, match=told):
        plan(read_recipe(SMOKE, changes), "adaptmi")


def test_a_template_without_exemplars_is_no_few_shot_prompt(tmp_path) -> None:
    bare = tmp_path / "bare.jinja"
    bare.write_text("{% block user %}{{ question }}{% endblock %}")
    with pytest.raises(UserError, match=r"bare.jinja: the template does not use `exemplars`"):
        plan(read_recipe(SMOKE, [f"student.template={bare}"]), "adaptmi")


def test_fixed_exemplars_must_stand_in_the_pool(tiny, tmp_path) -> None:
    chosen = [f"student.model={tiny}", f"run_dir={tmp_path}", *CHOSEN, "adaptmi.fixed=[nobody, none1]"]
    with pytest.raises(UserError, match="the pool has no question 'nobody'"):
        run_recipe(read_recipe(SMOKE, chosen), "adaptmi")
