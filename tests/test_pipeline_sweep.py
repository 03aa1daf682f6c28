"""Several learning rates: one training each, the best on the development split is kept, all are reported."""

import json
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from stat_train.data.jsonl import read_jsonl
from stat_train.errors import UserError
from stat_train.pipeline import run_recipe
from stat_train.pipeline.step import Work
from stat_train.pipeline.steps import all_steps
from stat_train.pipeline.sweep import sft_steps
from stat_train.recipe_file import read_recipe
from stat_train.run import Run, Stage

RECIPES = Path(__file__).parents[1] / "recipes"
SMOKE = RECIPES / "smoke.yaml"
SWEEP = "sft.learning_rate=[1e-3, 1e-5]"
SHORT = ["sampling.max_tokens=8", "evaluation.sampling.max_tokens=8", "arms=[random]", "sft.max_steps=1"]


@pytest.mark.parametrize(
    ("scores", "kept"),
    [({1e-3: 5, 1e-5: 4}, 1e-3), ({1e-3: 4, 1e-5: 5}, 1e-5), ({1e-3: 4, 1e-5: 4}, 1e-5)],
    ids=["higher", "lower", "tie"],
)
def test_the_best_on_development_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: dict[float, int], kept: float
) -> None:
    carded: list[str] = []
    monkeypatch.setattr("stat_train.pipeline.sweep.write_card", lambda recipe, arm, given: carded.append(arm))
    recipe = read_recipe(SMOKE, [SWEEP])
    with Run(tmp_path / "run") as run:

        def stage(name: str, arm: str) -> Stage:
            made = run.stage(name, arm=arm, version=1, inputs={}, options={})
            made.begin()
            return made

        given = {}
        for rate, correct in scores.items():
            trained = given[f"sft random-{rate:g}"] = stage("sft", f"random-{rate:g}")
            trained.file("model").mkdir()
            trained.file("model/config.json").write_text(f'"{rate:g}"')
            trained.finish(["model"])
            scored = given[f"evaluate random-{rate:g}-development"] = stage("evaluate", f"random-{rate:g}")
            scored.finish([], counts={"correct": correct, "rows_out": 8})
        choice = sft_steps(recipe, "random")[-1]
        choice.work(Work(recipe, stage("sft", "random"), given))
        chosen = run.stage("sft", arm="random", version=1, inputs={}, options={})
        assert json.loads(chosen.file("model/config.json").read_text()) == f"{kept:g}"
        rows = list(read_jsonl(chosen.file("learning_rates.jsonl")))
        assert [(row["learning_rate"], row["kept"]) for row in rows] == [
            (rate, rate == kept) for rate in (1e-5, 1e-3)
        ]
        assert chosen.manifest
        assert f"learning rate {kept:g} kept" in chosen.manifest["notes"][0]
        assert carded == ["random"]


def test_a_run_tries_all_rates_reports_them_and_adding_one_trains_just_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))
    tiny = write_tiny_model(tmp_path / "tiny")
    common = [f"student.model={tiny}", f"run_dir={tmp_path / 'run'}", *SHORT]
    stages = run_recipe(read_recipe(SMOKE, [*common, SWEEP]))
    rates = json.loads(stages["report"].file("extras.json").read_text())["learning_rates"]["random"]
    assert [row["learning_rate"] for row in rates] == [1e-5, 1e-3]
    assert sum(row["kept"] for row in rates) == 1
    assert "Learning rates that were tried" in (tmp_path / "run" / "report.md").read_text()
    best = next(f"{row['learning_rate']:g}" for row in rates if row["kept"])
    weights = [
        stages[title].file("model/model.safetensors") for title in ("sft random", f"sft random-{best}")
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()

    capsys.readouterr()
    run_recipe(read_recipe(SMOKE, [*common, "sft.learning_rate=[1e-3, 1e-5, 1e-4]"]), up_to="sft")
    said = capsys.readouterr().err
    assert "sft random-0.0001              done" in said
    assert "sft random-0.001               current" in said
    assert "sft random-1e-05               current" in said


def test_rates_are_compared_on_a_development_split_or_not_at_all() -> None:
    own = RECIPES / "own_data.yaml"
    with pytest.raises(UserError, match="compared on a development split"):
        read_recipe(own, [SWEEP, "data.development=null"])
    with pytest.raises(UserError, match=r"learning_rate.*a list of different ones"):
        read_recipe(SMOKE, ["sft.learning_rate=[1e-3, 1e-3]"])
    with pytest.raises(UserError, match=r"learning_rate.*above 0"):
        read_recipe(SMOKE, ["sft.learning_rate=0"])


def test_one_rate_is_one_training_whose_key_is_that_of_a_plain_rate() -> None:
    plain = all_steps(read_recipe(SMOKE, ["sft.learning_rate=1e-3"]))
    listed = all_steps(read_recipe(SMOKE, ["sft.learning_rate=[1e-3]"]))
    assert [(step.title, step.options) for step in plain] == [(step.title, step.options) for step in listed]
    trial = next(step for step in all_steps(read_recipe(SMOKE, [SWEEP])) if step.title == "sft random-0.001")
    assert trial.options == next(step for step in plain if step.title == "sft random").options
