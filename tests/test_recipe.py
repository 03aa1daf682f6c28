"""Recipes: what a file, an override and a default come to."""

from pathlib import Path

import pytest

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.methods.options import HardOptions
from stat_train.pipeline import run_recipe
from stat_train.recipe_file import read_recipe
from stat_train.run import content_hash

BASE = "name: mine\ntutor: {}\ntaxonomy: skills.yaml\ngrader: numeric\ndifficulty: {method: gold}\n"
RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    (tmp_path / "skills.yaml").write_text("skills: [addition]\n")
    (tmp_path / "recipe.yaml").write_text(BASE)
    return tmp_path / "recipe.yaml"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_packaged_recipe_reads(path: Path) -> None:
    assert read_recipe(path).name == path.stem


def test_paths_in_the_file_start_from_the_file_and_those_of_overrides_from_here(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.yaml").write_text("skills: [subtraction]\n")
    monkeypatch.chdir(elsewhere)
    assert read_recipe(recipe_file).taxonomy == str(tmp_path / "skills.yaml")
    assert read_recipe(recipe_file, ["taxonomy=other.yaml"]).taxonomy == "other.yaml"
    with pytest.raises(UserError, match="command line: taxonomy: no such file"):
        read_recipe(recipe_file, ["taxonomy=skills.yaml"])


def test_folders_of_a_prm_and_of_an_encoder_start_from_the_file_too(recipe_file: Path, monkeypatch) -> None:
    (recipe_file.parent / "model").mkdir()
    recipe_file.write_text(
        recipe_file.read_text()
        + "adaptmi: {difficulty: {prm_model: model}}\nselection: {embedding: {model: model}}\n"
    )
    (recipe_file.parent / "elsewhere").mkdir()
    monkeypatch.chdir(recipe_file.parent / "elsewhere")
    recipe = read_recipe(recipe_file)
    folder = str(recipe_file.parent / "model")
    assert (recipe.adaptmi.difficulty.prm_model, recipe.selection.embedding.model) == (folder, folder)


def test_the_seed_reaches_every_section_that_does_not_set_its_own(recipe_file: Path) -> None:
    recipe = read_recipe(recipe_file, ["seed=7", "sft.seed=3"])
    assert recipe.tutor
    seeds = (recipe.tutor.seed, recipe.sampling.seed, recipe.evaluation.sampling.seed, recipe.sft.seed)
    assert seeds == (7, 7, 7, 3)


def test_overrides_reach_any_depth_and_are_yaml(recipe_file: Path) -> None:
    overrides = ["selection.stat_sel.k=3", "arms=[hard]", "sft.learning_rate=1e-4", "teacher.budget_usd=null"]
    recipe = read_recipe(recipe_file, overrides)
    assert recipe.selection.stat_sel.k == 3
    assert recipe.arms == ("hard",)
    assert recipe.sft.learning_rate == 1e-4
    assert recipe.teacher.budget_usd is None


def test_the_run_stands_under_runs_by_its_name_unless_told_otherwise(recipe_file: Path) -> None:
    assert read_recipe(recipe_file).folder == Path("runs/mine")
    assert read_recipe(recipe_file, ["run_dir=/elsewhere"]).folder == Path("/elsewhere")


def test_the_splits_of_a_users_data(recipe_file: Path) -> None:
    recipe_file.write_text(
        BASE.replace(
            "tutor: {}", "data: {pool: a.jsonl, validation: b.jsonl, evaluation: {x: c.jsonl, y: d.jsonl}}"
        )
    )
    recipe = read_recipe(recipe_file)
    assert recipe.evaluation_splits == ("x", "y")
    assert not recipe.has_development
    assert recipe.data
    assert list(recipe.data.sources) == ["pool", "validation", "x", "y"]


def test_near_matches_leave_the_pool_of_real_data_unless_told_otherwise() -> None:
    packaged = asset("recipes/own_data.yaml")
    near = read_recipe(packaged, ["decontamination=null"]).near_rules
    assert (near.numbers, near.ngram_13, near.ngram_8) == ("remove", "remove", "report")
    assert read_recipe(str(packaged)).near_rules.numbers == "report"
    assert read_recipe(packaged, ["decontamination.numbers=off"]).near_rules.numbers == "off"  # False in YAML
    assert read_recipe(asset("recipes/demo.yaml")).near_rules.ngram_13 == "report"


def test_a_path_that_is_not_there_is_told_where_it_starts_from(recipe_file: Path) -> None:
    in_file = recipe_file.with_name("bad.yaml")
    in_file.write_text(BASE + "prompts_dir: nope\n")
    with pytest.raises(
        UserError, match=r"bad\.yaml: prompts_dir: .*: nope; paths in a recipe start from its"
    ):
        read_recipe(in_file)
    here = r"command line: .*: nope; paths there start from the current folder"
    for override in ("prompts_dir=nope", "taxonomy=nope", "student={adapter: nope}"):
        with pytest.raises(UserError, match=here):
            read_recipe(recipe_file, [override])


def test_levels_may_be_numbers_as_the_page_of_keys_prints_them(recipe_file: Path) -> None:
    given = read_recipe(recipe_file, ["selection.hard.levels=[4, 5]"]).selection.hard
    assert given == HardOptions()
    assert content_hash(given.model_dump()) == content_hash({"group": None, "levels": ("4", "5")})
    mixed = read_recipe(recipe_file, ["selection.hard.levels=[4.5, Level 3]"]).selection.hard
    assert mixed.levels == ("4.5", "Level 3")
    for strange in ("[true]", "[[4]]", "4"):
        with pytest.raises(UserError, match=r"selection\.hard\.levels"):
            read_recipe(recipe_file, [f"selection.hard.levels={strange}"])


def test_overrides_are_a_list_and_a_run_takes_a_recipe(recipe_file: Path) -> None:
    with pytest.raises(UserError, match=r"overrides are a list of strings, not one: write \['seed=1'\]"):
        read_recipe(recipe_file, "seed=1")
    for path in ("small.yaml", Path("small.yaml")):
        with pytest.raises(UserError, match=r"not a path: run_recipe\(read_recipe\('small\.yaml'\)\)"):
            run_recipe(path)


def test_discover_in_other_words_is_offered(recipe_file: Path) -> None:
    for written in ("Discover", "discovery"):
        with pytest.raises(
            UserError, match=f"command line: taxonomy: .*: {written}; did you mean `discover`"
        ):
            read_recipe(recipe_file, [f"taxonomy={written}"])
    with pytest.raises(UserError, match=r"skills\.yaml; paths there start from the current folder"):
        read_recipe(recipe_file, ["taxonomy=skills.yaml"])
