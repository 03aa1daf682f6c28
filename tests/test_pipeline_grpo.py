"""GRPO in a run: its arms are trained, scored, compared and told of; without the section nothing changes."""

import hashlib
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_model import write_tiny_model

from stat_train.data.example import Example
from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.evaluation.scores import Scores, score
from stat_train.metacognition.profile import MissingSkillProfile
from stat_train.pipeline import plan, run_recipe
from stat_train.pipeline.extras import training_warnings
from stat_train.pipeline.forecast import grpo_memory_lines
from stat_train.pipeline.grpo import grpo_step
from stat_train.pipeline.step import Step
from stat_train.pipeline.steps import all_steps, to_retry
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_recipe
from stat_train.report.results import Results
from stat_train.run import Stage

RECIPES = Path(__file__).parents[1] / "recipes"
SMOKE = RECIPES / "smoke.yaml"
SHORT = ["sampling.max_tokens=8", "evaluation.sampling.max_tokens=8", "sft.max_steps=1"]
KEYS = {
    "data": "b537af1f3a3f",
    "answer": "0bbecd0f1c38",
    "profile": "8f12fab8c447",
    "select stat-sel": "108d93321b17",
    "sft stat-sel": "39cc59c76b4b",
    "evaluate start-test": "6d90cbbbdb0b",
    "evaluate stat-sel-test": "5642cc39d173",
    "report": "e3deaa58198e",
}
GRPO = [
    "grpo.questions=4",
    "grpo.rollouts=2",
    "grpo.max_batches=3",
    "grpo.max_tokens=4",
    "grpo.prompts=profile",
    "grpo.format_reward=0.5",
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, dict[str, Stage], list[str]]:
    folder = tmp_path_factory.mktemp("ran")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAT_TRAIN_CACHE", str(folder / "cache"))
        tiny = write_tiny_model(folder / "tiny")
        common = [f"student.model={tiny}", f"run_dir={folder / 'run'}", "arms=[stat-sel]", *SHORT]
        recipe = read_recipe(SMOKE, [*common, *GRPO])
        return recipe, run_recipe(recipe), common


def test_the_arms_after_grpo_are_scored_and_compared(ran) -> None:
    recipe, stages, _ = ran
    results = Results.read(recipe.folder / "results.json")
    assert list(results.arms) == ["start", "stat-sel", "start+grpo", "stat-sel+grpo"]
    compared = {(pair.arm, pair.against) for pair in results.paired if pair.split == "test"}
    assert compared == {
        ("stat-sel", "start"),
        ("start+grpo", "start"),
        ("stat-sel+grpo", "stat-sel"),
        ("stat-sel+grpo", "start"),
        ("stat-sel+grpo", "start+grpo"),
    }
    assert [(its.arm, its.before) for its in results.grpo] == [
        ("start+grpo", "start"),
        ("stat-sel+grpo", "stat-sel"),
    ]
    for its in results.grpo:
        assert (its.batches, its.groups, its.answers) == (3, 12, 24)
        assert sum(its.outcomes.values()) == 24
        assert its.ci95 is None or its.ci95[0] <= its.difference <= its.ci95[1]
        assert len(its.curve) == 3
        assert its.skills
        counts = stages[f"grpo {its.before}"].manifest["counts"]
        assert (its.flat, its.cut_off) == (counts["flat"], counts["cut_off"])
        assert counts["rows_in"] == counts["rows_out"] + counts["quarantined"] == 64
    assert "evaluate stat-sel+grpo-development" in stages


def test_the_report_and_the_card_tell_of_it(ran) -> None:
    recipe, stages, _ = ran
    page = (recipe.folder / "report.md").read_text()
    assert "## GRPO: learning from verified answers" in page
    assert "stat-sel+grpo: the reward" in page
    assert "loss dapo, beta 0" in page
    assert "### Reward per skill: `stat-sel+grpo`" in page
    assert (recipe.folder / "report-grpo.png").read_bytes().startswith(b"\x89PNG")
    model = stages["grpo stat-sel"].file("model")
    card = (model / "README.md").read_text()
    assert "stat-train, grpo" in card
    assert "from the weights of stat-sel, 3 batches, 24 of its own answers" in card
    assert "| `test` |" in card
    assert '| `loss_type` | `"dapo"` |' in card
    start = (stages["grpo start"].file("model") / "README.md").read_text()
    assert "**training set**" not in start
    assert "**training set**: `stat-sel+grpo`, 8 pairs" in card
    assert len(list(read_jsonl(model / "rollouts.jsonl"))) == 24


def test_its_prompts_follow_the_profile(ran) -> None:
    _, stages, _ = ran
    profile = MissingSkillProfile.read(stages["profile"].file("profile.json"))
    missing = {skill for _, skill in profile.counts()}
    rows = list(read_jsonl(stages["grpo start"].file("model/rollouts.jsonl")))
    assert all(missing & set(row["skills"]) for row in rows)


def test_with_grpo_nothing_but_the_report_is_made_anew(ran) -> None:
    _, stages, common = ran
    plain = read_recipe(SMOKE, common)
    again = [title for title, state, _ in plan(plain) if state != "current"]
    assert again == ["report"]
    assert not [title for title, _, _ in plan(plain) if "grpo" in title]
    faster = read_recipe(SMOKE, [*common, *GRPO, "grpo.save_every=1", "grpo.threads=1"])
    assert [title for title, state, _ in plan(faster) if state != "current"] == []
    other = read_recipe(SMOKE, [*common, *GRPO, "grpo.beta=0.1"])
    redone = [title for title, state, _ in plan(other) if state != "current"]
    assert redone[0] == "grpo start"
    assert all("grpo" in title or title == "report" for title in redone)
    assert stages["report"].done


def identity(step: Step) -> str:
    """What a step's key is made of, without what is read from the disk."""
    content = [step.title, sorted(step.needs.items()), step.checks, step.options, step.version]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def test_without_the_section_every_key_is_what_it_was_before_there_was_grpo() -> None:
    """A change here makes every finished run train and answer again: say so in the changelog."""
    steps = {step.title: identity(step) for step in all_steps(read_recipe(SMOKE))}
    assert {title: steps[title] for title in KEYS} == KEYS


def test_quarantined_gold_is_not_asked_of_the_teacher_again(ran, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, stages, _ = ran
    retrying = recipe.model_copy(
        update={"teacher": recipe.teacher.model_copy(update={"retry_quarantined": True})}
    )
    stage = stages["grpo start"]
    monkeypatch.setitem(stage.manifest["counts"], "quarantined", 3)
    assert not to_retry(stage, retrying)
    monkeypatch.setitem(stages["label"].manifest["counts"], "quarantined", 3)
    assert to_retry(stages["label"], retrying)


@pytest.mark.parametrize(
    ("name", "again"), [("evaluate", True), ("benchmark", True), ("prompt", True), ("grpo", False)]
)
def test_a_judge_is_asked_again_where_the_answers_stand(name: str, again: bool, ran, tmp_path: Path) -> None:
    retrying = ran[0].model_copy(
        update={"teacher": ran[0].teacher.model_copy(update={"retry_quarantined": True})}
    )
    for usage, wanted in (({"requests": 3}, again), ({}, False)):
        stage = Stage(tmp_path, name, "start", {"usage": usage})
        stage.begin()
        stage.finish([], counts={"error": 2}, usage=usage)
        assert to_retry(stage, retrying) == wanted
        assert not to_retry(stage, ran[0])


def test_the_command_line_knows_it() -> None:
    from typer.testing import CliRunner

    from stat_train.cli import app

    assert "\n  grpo " in CliRunner().invoke(app, ["--help"]).output


def test_arms_that_are_not_trained_are_refused() -> None:
    with pytest.raises(UserError, match=r"grpo\.arms: stat-syn is not trained; choose of start, random"):
        read_recipe(SMOKE, ["grpo.arms=[stat-syn]"])
    with pytest.raises(UserError, match=r"grpo\.arms names start twice"):
        read_recipe(SMOKE, ["grpo.arms=[start,start]"])
    with pytest.raises(UserError, match=r"nothing to grpo: it has no section `grpo:`"):
        run_recipe(read_recipe(SMOKE), "grpo")
    with pytest.raises(UserError, match="a student behind a server cannot be trained"):
        read_recipe(SMOKE, ["arms=[]", "grpo.arms=[start]", "student.base_url=http://localhost:1/v1"])
    rounds = read_recipe(SMOKE, ["rounds=2", "grpo.arms=[stat-sel-round-2]"])
    titles = [step.title for step in all_steps(rounds)]
    assert titles.index("grpo stat-sel-round-2") > titles.index("sft stat-sel-round-2")
    assert read_recipe(SMOKE, ["seed=7", "grpo.questions=4"]).grpo.seed == 7


def test_a_grpo_that_hurts_is_said_loudly(ran) -> None:
    recipe, _, _ = ran

    def correct(n: int) -> Scores:
        questions = [Example(str(place), "?") for place in range(30)]
        return score(questions, ["correct"] * n + ["wrong"] * (30 - n))

    numbers = {"start": 18, "stat-sel": 21, "start+grpo": 17, "stat-sel+grpo": 12}
    [warning] = training_warnings(recipe, {arm: correct(n) for arm, n in numbers.items()})
    assert "stat-sel+grpo ended below its start: 40.0%" in warning
    assert "lower grpo.learning_rate" in warning


def test_the_dry_run_tells_plan_and_memory(ran) -> None:
    recipe, _, _ = ran
    told = {title: what for title, _, what in plan(recipe)}
    assert told["grpo start"] == "3 batches of 4 questions x 2 answers; loss dapo, beta 0"
    lines = list(grpo_memory_lines(recipe, recipe.grpo))
    assert lines[0].startswith("Memory of GRPO (full), an estimate: weights 0.0 GB")
    found = re.search(r"answering 8 prompts at once: keys and values ([0-9.]+) ([kMG]?B)", lines[1])
    assert found, lines[1]


def test_the_papers_recipe_has_the_papers_settings() -> None:
    """STAT, appendix: 6 epochs, constant 5e-7, no KL, 256 questions x 4, mini-batches of 64, 2,048 tokens."""
    recipe = read_recipe(RECIPES / "llama_3_2_3b_grpo.yaml")
    grpo = recipe.grpo
    assert (grpo.epochs, grpo.learning_rate, grpo.scheduler, grpo.beta) == (6, 5e-7, "constant", 0.0)
    assert (grpo.questions, grpo.rollouts, grpo.updates, grpo.max_tokens) == (256, 4, 4, 2048)
    sft = read_recipe(RECIPES / "llama_3_2_3b.yaml")
    assert recipe.model_copy(update={"grpo": None, "name": sft.name}) == sft


def test_a_profile_that_found_nothing_cannot_be_followed(tmp_path: Path) -> None:
    MissingSkillProfile().write(tmp_path / "profile.json")
    recipe = read_recipe(SMOKE, [f"student.model={write_tiny_model(tmp_path / 'tiny')}", *GRPO])
    work = SimpleNamespace(
        recipe=recipe, split=lambda *name: [], given={}, file=lambda title, name: tmp_path / name
    )
    train = grpo_step(recipe, recipe.grpo, "start").work
    with pytest.raises(UserError, match=r"the profile found no skill missing; set grpo.prompts to even"):
        train(work)
