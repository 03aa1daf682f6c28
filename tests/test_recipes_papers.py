"""The papers' recipes: their dry run tells plan, memory and bill with no hub, key or GPU in reach."""

from pathlib import Path

import pytest

from stat_train.recipe_file import read_recipe

RECIPES = Path(__file__).parents[1] / "recipes"
PAPERS = ["llama_3_2_1b", "llama_3_2_3b", "qwen_2_5_3b"]


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_recipe_has_the_papers_settings(name: str) -> None:
    """STAT, appendix: QLoRA r 16, alpha 32, dropout .05; effective batch 8; clip 0.3; weight decay 0.1."""
    recipe = read_recipe(RECIPES / f"{name}.yaml")
    sft = recipe.sft
    assert (sft.method, sft.lora.r, sft.lora.alpha, sft.lora.dropout) == ("qlora", 16, 32, 0.05)
    assert sft.rates == (2e-5, 8e-5, 1e-4, 2e-4, 5e-4)
    assert (sft.epochs, sft.effective_batch, sft.scheduler, sft.warmup_ratio) == (3, 8, "cosine", 0.03)
    assert (sft.optimizer, sft.weight_decay, sft.max_grad_norm) == ("paged_adamw_8bit", 0.1, 0.3)
    assert sft.bf16
    assert sft.group_by_length
    assert (recipe.difficulty.method, recipe.difficulty.tau1, recipe.difficulty.tau2) == ("prm", 0.85, 0.7)
    assert recipe.difficulty.prm_model == "RLHFlow/Llama3.1-8B-PRM-Mistral-Data"
    assert recipe.evaluation.sampling.temperature == 0.1


@pytest.mark.parametrize("name", PAPERS)
def test_its_dry_run_needs_no_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import datasets
    from typer.testing import CliRunner

    from stat_train.cli import app

    def unreachable(*_: object) -> None:
        raise ConnectionError("no hub here")

    monkeypatch.setattr(datasets, "get_dataset_config_names", unreachable)
    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["run", str(RECIPES / f"{name}.yaml"), "--dry-run"])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "pool 7,000, validation 1,000, development 500, math 4,000" in said
    assert "cannot be read from here: counted as data.rows says" in said
    assert "(student.parameters), an unknown number trained" in said
    assert "What gpt-4o-mini would be asked" in said
    assert "unknown until the config.json of" in said
