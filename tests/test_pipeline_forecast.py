"""What `--dry-run` tells before anything is done: plan, memory, bill; and what it cannot know."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import load_file
from tiny_model import write_tiny_model

from stat_train.errors import UserError
from stat_train.pipeline.forecast import forecast
from stat_train.recipe_file import read_recipe

ROOT = Path(__file__).parents[1]
OWN = ROOT / "recipes" / "own_data.yaml"
HUB = [
    "data.pool=someone/maths:main@train",
    "data.evaluation={test: someone/maths:main@test}",
    "data.rows={pool: 7500, test: 4000}",
    "student.model=someone/llama-1b",
    "student.parameters=1.24e9",
    "teacher.endpoint=http://localhost:9/v1",
    "teacher.model=gpt-4o-mini",
]


@pytest.fixture(autouse=True)
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No hub in reach; the data sets that were asked for."""
    import datasets

    sought: list[str] = []

    def unreachable(path: str, *_: object, **__: object) -> None:
        sought.append(path)
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))
    return sought


def told(tmp_path: Path, *overrides: str, up_to: str | None = None) -> str:
    recipe = read_recipe(OWN, [f"run_dir={tmp_path / 'run'}", *overrides])
    said = io.StringIO()
    forecast(recipe, up_to, Console(width=200, file=said))
    assert not (tmp_path / "run").exists()
    return said.getvalue()


def test_plan_memory_and_bill_of_a_model_that_is_here(tmp_path: Path) -> None:
    tiny = write_tiny_model(tmp_path / "tiny")
    said = told(tmp_path, f"student.model={tiny}")
    assert "pool 204, validation 34, development 34, test 34" in said
    parameters = sum(tensor.numel() for tensor in load_file(tiny / "model.safetensors").values())
    assert f"Memory of a training (lora), an estimate: {parameters:,} parameters, " in said
    assert "together at most about 0." in said
    assert "What tutor would be asked" in said
    plan_only = told(tmp_path, f"student.model={tiny}", up_to="label")
    assert "Memory" not in plan_only
    assert "would be asked" not in plan_only


def test_without_a_hub_the_recipes_own_numbers_are_counted_with_and_named(
    tmp_path: Path, asked: list[str]
) -> None:
    said = told(tmp_path, *HUB)
    assert "pool 7,500, validation 34, development 34, test 4,000" in said
    assert "someone/maths:main@train, someone/maths:main@test cannot be read from here" in said
    assert "(pool 7,500, test 4,000), each question as 210 characters" in said
    assert "1,240,000,000 parameters (student.parameters), an unknown number trained" in said
    assert "activations of at most 8,192 tokens unknown" in said
    assert "what is unknown until the config.json of someone/llama-1b is here" in said
    [label] = [line for line in said.splitlines() if line.startswith("  label ")]
    assert label.split()[1] == "1,443"  # (7,500 + 34 + 4,000) / 8, rounded up split by split
    assert float(label.split()[-1]) > 0
    assert asked == ["someone/maths"]  # once: the hub is not asked again for each split


def test_what_nobody_stated_stays_unknown(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="someone/maths:main@train: cannot be loaded"):
        told(tmp_path, *HUB, "data.rows={}")
    said = told(tmp_path, *HUB, "student.parameters=null")
    assert "Memory of a training: unknown, the config.json of someone/llama-1b is not here yet" in said
    with pytest.raises(UserError, match="rows: no split 'tset'; the splits are pool, validation"):
        read_recipe(OWN, ["data.rows={tset: 3}"])
    with pytest.raises(UserError, match="no such file"):
        told(tmp_path, "data.pool=missing.jsonl", "data.rows={pool: 7500}")
