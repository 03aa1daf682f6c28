"""The model card says where a model comes from; a model is sent to the hub only when asked."""

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import yaml
from tiny_model import write_tiny_model
from typer.testing import CliRunner

from stat_train.cli import app
from stat_train.errors import UserError
from stat_train.pipeline import run_recipe
from stat_train.pipeline.card import push
from stat_train.pipeline.steps import finished
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_recipe
from stat_train.report.card import ModelCard
from stat_train.run import Stage

SMOKE = Path(__file__).parents[1] / "recipes" / "smoke.yaml"
SHORT = ["sampling.max_tokens=8", "evaluation.sampling.max_tokens=8", "arms=[stat-sel]", "sft.max_steps=1"]


class Hub:
    """Stands in for the hub: it remembers what it was sent."""

    def __init__(self) -> None:
        self.repos: dict[str, bool] = {}
        self.sent: list[SimpleNamespace] = []

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
        assert exist_ok
        self.repos[repo_id] = private
        return f"https://hub/{repo_id}"

    def upload_folder(self, **given: object) -> None:
        self.sent.append(SimpleNamespace(**given))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: made)
    return made


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, dict[str, Stage], str, list[str]]:
    """A run; its stages, the card as it was before the evaluation, and the command's arguments."""
    folder = tmp_path_factory.mktemp("ran")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAT_TRAIN_CACHE", str(folder / "cache"))
        tiny = write_tiny_model(folder / "tiny-student")
        overrides = [f"student.model={tiny}", f"run_dir={folder / 'run'}", *SHORT]
        recipe = read_recipe(SMOKE, overrides)
        early = run_recipe(recipe, up_to="sft")["sft stat-sel"].file("model/README.md").read_text()
        return recipe, run_recipe(recipe), early, overrides


def test_the_card_tells_lineage_hyperparameters_and_scores(ran) -> None:
    recipe, stages, early, _ = ran
    card = stages["sft stat-sel"].file("model/README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["stat-train", "sft"],
    }
    [student] = [json.loads(line) for line in stages["student"].file("student.jsonl").open()]
    prompts = stages["diagnose"].manifest["templates"] | stages["label"].manifest["templates"]
    assert prompts
    for fact in (
        "tiny-student",
        student["fingerprint"],
        stages["select stat-sel"].hash,
        stages["profile"].hash,
        recipe.teacher.logical_name,
        *prompts.values(),
        "| `learning_rate` | `2e-05` |",
        "Optimizer steps: 1.",
        "trl 1.16",
    ):
        assert fact in card, fact
    for skill, n in stages["select stat-sel"].manifest["counts"]["per_skill"].items():
        assert f"| `{skill}` | {n} |" in card
    for split in ("development", "test", "ood"):
        assert f"| `{split}` | " in card
    assert "lora" not in card
    assert "Not evaluated yet." in early
    assert stages["profile"].hash in early
    assert str(recipe.folder.parent) not in card


def test_scores_in_the_card_leave_the_stage_current(ran) -> None:
    recipe, stages, _, _ = ran
    assert "README.md" not in str(stages["sft stat-sel"].manifest["outputs"])
    assert set(finished(recipe)) == set(stages)


def test_a_run_sends_nothing_and_push_sends_the_folder_with_its_card(ran, hub: Hub) -> None:
    recipe, stages, _, overrides = ran
    run_recipe(recipe)
    assert hub.sent == []
    done = CliRunner().invoke(app, ["push", str(SMOKE), "stat-sel", "me/mine", *overrides])
    assert done.output.strip() == "https://hub/me/mine"
    assert hub.repos == {"me/mine": True}
    [sent] = hub.sent
    assert sent.repo_id == "me/mine"
    assert Path(sent.folder_path) == stages["sft stat-sel"].file("model")
    assert ".fingerprint.json" in sent.ignore_patterns
    push(recipe, "stat-sel", "me/open", finished(recipe), public=True)
    assert hub.repos["me/open"] is False


def test_what_is_not_trained_or_refused_is_one_line(ran, hub: Hub, monkeypatch) -> None:
    recipe, _, _, _ = ran
    with pytest.raises(UserError, match="random is not trained with these options; run the recipe first"):
        push(recipe, "random", "me/mine", finished(recipe))

    def refuse(*_: object, **__: object) -> None:
        raise huggingface_hub.errors.HFValidationError("Repo id must be in the form 'name'\nmore")

    monkeypatch.setattr(hub, "create_repo", refuse)
    with pytest.raises(UserError, match=r"the hub refuses \(Repo id must .* HF_TOKEN") as error:
        push(recipe, "stat-sel", "me//mine", finished(recipe))
    assert "\n" not in str(error.value)
    assert hub.sent == []


def test_a_control_is_not_said_to_be_called_for_by_a_diagnosis() -> None:
    told = {
        arm: ModelCard(name="n", arm=arm, base="b", per_skill={"add": 3}).markdown()
        for arm in ("stat-sel-round-2", "balanced")
    }
    assert "Pairs by the missing skill that called for them" in told["stat-sel-round-2"]
    assert "missing skill" not in told["balanced"].split("## Where it comes from")[1]
