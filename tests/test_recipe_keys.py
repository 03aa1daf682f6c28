"""The reference of a recipe's keys: complete, true, and found by name."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from stat_train.cli import app
from stat_train.errors import UserError
from stat_train.metacognition.taxonomy import SkillTaxonomy
from stat_train.recipe import Recipe
from stat_train.recipe_file import read_recipe
from stat_train.recipe_keys import Key, page, recipe_sections

ROOT = Path(__file__).parents[1]
KEYS = {key.path: key for section in recipe_sections() for key in section.keys}


def leaves(options: BaseModel, path: str = "") -> set[str]:
    """The keys of everything that stands in `options`."""
    found: set[str] = set()
    for name in type(options).model_fields:
        value, place = getattr(options, name), f"{path}.{name}".strip(".")
        found |= leaves(value, place) if isinstance(value, BaseModel) else {place}
    return found


def test_every_key_of_a_recipe_is_there_with_a_meaning() -> None:
    whole = read_recipe(
        ROOT / "recipes" / "smoke.yaml",
        ["rounds.n=2", "grpo.questions=4", "benchmarks.tasks=[amc23]", "decontamination.numbers=off"],
    )
    tops = leaves(whole) - {"data"} | {"data.pool", "data.columns.answer_from"}
    repeated = ("evaluation.sampling.", "adaptmi.difficulty.")
    assert {key for key in tops if not key.startswith(repeated)} <= KEYS.keys()
    for path in tops:
        assert path in [key.path for section in recipe_sections(path) for key in section.keys]
    assert [key.path for key in KEYS.values() if not key.meaning] == []
    assert {path.partition(".")[0] for path in KEYS} == Recipe.model_fields.keys()


def test_values_and_defaults_are_the_models() -> None:
    assert KEYS["sft.packing"] == Key(
        "sft.packing",
        "true, false",
        "false",
        "several whole examples in a row of up to max_length tokens, no padding",
    )
    assert (KEYS["name"].default, KEYS["arms"].default) == ("required", "[random, stat-sel]")
    assert KEYS["teacher.mode"].values == "requests, batch, vllm"
    assert KEYS["sft.learning_rate"].values == "number or list (number)"
    assert KEYS["data.evaluation"].values == "mapping (name: text)"
    assert (KEYS["teacher.name"].default, KEYS["teacher.top_p"].default) == ('""', "null")
    assert KEYS["data.rows"].default == "{}"
    assert KEYS["evaluation.sampling"].meaning.endswith("; its keys are those of `sampling`")
    assert "difficulty.method" in KEYS
    assert "adaptmi.difficulty.method" not in KEYS


def test_a_section_a_key_or_a_name_is_found() -> None:
    def found(path: str) -> list[str]:
        return [key.path for section in recipe_sections(path) for key in section.keys]

    lora = ["sft.lora", "sft.lora.r", "sft.lora.alpha", "sft.lora.dropout", "sft.lora.targets"]
    assert found("sft.lora") == found("sft.lora.") == lora
    assert found("evaluation.sampling.max_tokens") == ["evaluation.sampling.max_tokens"]
    assert found("data.evaluation.test") == ["data.evaluation"]
    assert found("learning_rate") == ["sft.learning_rate", "grpo.learning_rate"]
    assert found("seed")[:2] == ["seed", "tutor.seed"]
    [section] = recipe_sections("labelling")
    assert section.told == "How questions are labelled"
    with pytest.raises(UserError, match=r"^sft\.epoch: no key of a recipe; did you mean sft\.epochs\?$"):
        recipe_sections("sft.epoch")
    with pytest.raises(UserError, match="`stat-train keys` lists all"):
        recipe_sections("xyzzy")


def test_the_page_is_what_the_command_writes() -> None:
    """Where this fails: make keys."""
    written = CliRunner().invoke(app, ["keys", "--markdown"]).output
    assert (ROOT / "docs" / "keys.md").read_text() == written == page()
    told = CliRunner().invoke(app, ["keys", "sft"]).output
    assert "sft.epochs: 1    (whole number)\n    times that every pair is trained on\n" in told


def test_the_taxonomy_of_the_page_can_be_read(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(skills:.*?)```", (ROOT / "docs" / "recipe.md").read_text(), re.DOTALL)
    (tmp_path / "skills.yaml").write_text(example)
    taxonomy = SkillTaxonomy.read(tmp_path / "skills.yaml")
    assert taxonomy.names("geometry") == ("addition", "carrying", "angle_chasing")
    assert taxonomy.resolve("Two Digit Addition") == "carrying"
    assert taxonomy.parents == {("", "carrying"): "addition"}
