"""A training in two processes is the training of one."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_model import write_tiny_model

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.student.loading import load_tokenizer
from stat_train.student.prompt import StudentPrompt
from stat_train.training import launch, trainer
from stat_train.training.folder import LOG
from stat_train.training.options import SFTOptions
from stat_train.training.sft import sft

CONFIGS = sorted((Path(__file__).parents[1] / "recipes" / "accelerate").glob("*.yaml"))
TWO_CPUS = asset("recipes/accelerate/two_cpus.yaml")
ROWS = [
    SimpleNamespace(id=f"r{i}", question=f"q{i} {'x' * (i % 9)}", solution=f"s{i * 7 % 13}")
    for i in range(21)
]
OPTIONS = {"batch_size": 4, "gradient_accumulation": 2, "epochs": 2, "learning_rate": 3e-3, "bf16": False}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


def trained(tiny: Path, out: Path, **options: object) -> Path:
    prompt = StudentPrompt(load_tokenizer(tiny), asset("prompts/student_short.jinja"))
    return sft(tiny, ROWS, prompt, SFTOptions(**{**OPTIONS, **options}), out)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "loss.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_processes_give_the_loss_curve_and_the_weights_of_one(
    tiny: Path, tmp_path: Path, method: str
) -> None:
    import torch
    from safetensors.torch import load_file

    lora = {"method": "lora", "lora": {"r": 4, "dropout": 0.0}} if method == "lora" else {}
    packed = {"packing": True, "max_length": 80, "batch_size": 2} if method == "full" else {}
    more = {"save_dtype": "float32", **packed, **lora}
    one = trained(tiny, tmp_path / "one", **more)
    two = trained(tiny, tmp_path / "two", accelerate=TWO_CPUS, **more)
    curve = losses(one)
    assert len(curve) >= 4
    assert losses(two) == pytest.approx(curve, rel=1e-4)
    its, others = (load_file(folder / "model.safetensors") for folder in (one, two))
    assert its.keys() == others.keys()
    assert all(torch.allclose(its[name], others[name], atol=1e-4) for name in its)


def test_processes_that_fail_are_one_line(tiny: Path, tmp_path: Path, capfd) -> None:
    with pytest.raises(UserError, match=r"two_cpus.yaml ended with code 1 .* run the same command again"):
        trained(tiny, tmp_path / "out", accelerate=TWO_CPUS, batch_size=3, gradient_accumulation=1)
    assert "2 processes cannot share batches of 3 x 1" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_accelerate_reads_every_config_that_comes_with_the_recipes(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.num_processes >= 2
    assert config.mixed_precision == "no"  # else `sft.bf16: false` trains in bf16


def test_processes_that_fail_behind_the_save_left_no_training(tiny, tmp_path: Path, monkeypatch) -> None:
    """What a killed attempt saved is not taken for what a later one, which failed, did not."""
    run = subprocess.run

    def failing(command, **more):
        run(command, **more)
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(launch.subprocess, "run", failing)
    with pytest.raises(UserError, match="ended with code 1"):
        trained(tiny, tmp_path / "out", accelerate=TWO_CPUS)
    assert (tmp_path / "out.partial" / LOG).is_file()
    monkeypatch.setattr(launch.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    with pytest.raises(UserError, match="ended with code 1"):
        trained(tiny, tmp_path / "out", accelerate=TWO_CPUS)
    assert not (tmp_path / "out.partial" / LOG).exists()


def test_the_first_process_saves_without_waiting_for_the_others(tiny, tmp_path: Path, monkeypatch) -> None:
    """Under ZeRO-3 transformers spreads every model that is loaded, which takes all processes."""
    from transformers.integrations import deepspeed

    zero3 = SimpleNamespace(is_zero3=lambda: True)
    monkeypatch.setattr(deepspeed, "_hf_deepspeed_config_weak_ref", lambda: zero3)
    assert deepspeed.is_deepspeed_zero3_enabled()
    spread = []
    monkeypatch.setattr(
        trainer, "save_model", lambda *_: spread.append(deepspeed.is_deepspeed_zero3_enabled())
    )
    first = SimpleNamespace(
        args=SimpleNamespace(world_size=1),
        accelerator=SimpleNamespace(unwrap_model=lambda model: model),
        model=None,
        is_world_process_zero=lambda: True,
        state=SimpleNamespace(log_history=[], global_step=0),
    )
    trainer._save(first, None, trainer.Job(tiny, [], 1, SFTOptions(**OPTIONS), tmp_path))
    assert spread == [False]
