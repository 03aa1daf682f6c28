"""SFT on a tiny random model: it learns, and a killed training ends with the same weights."""

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError
from tiny_model import write_tiny_model

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.student.adapter import adapted_student
from stat_train.student.loading import load_tokenizer
from stat_train.student.options import Sampling
from stat_train.student.prompt import StudentPrompt
from stat_train.student.transformers_engine import TransformersStudent
from stat_train.training import trainer as module
from stat_train.training.light_lora import lighten
from stat_train.training.options import LoraOptions, SFTOptions
from stat_train.training.sft import sft

ROWS = [
    SimpleNamespace(id=f"r{i}", question=f"q{i} {'x' * (i % 9)}", solution=f"s{i * 7 % 13}")
    for i in range(21)
]
OPTIONS = {"epochs": 2, "batch_size": 4, "save_steps": 3, "learning_rate": 3e-3, "save_dtype": "float32"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def prompt(tiny: Path) -> StudentPrompt:
    return StudentPrompt(load_tokenizer(tiny), asset("prompts/student_short.jinja"))


def weights(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    one, other = weights(a), weights(b)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_light_lora_trains_the_same_weights(tiny, prompt, tmp_path, monkeypatch) -> None:
    lora = LoraOptions(r=4, alpha=16, dropout=0.0)
    options = SFTOptions(method="lora", lora=lora, bf16=True, max_steps=6, **OPTIONS)
    dtypes = set()

    def lighten_and_look(model, *chosen) -> None:
        lighten(model, *chosen)
        dtypes.update(
            (bool("lora" in name), weight.dtype)
            for name, weight in model.named_parameters()
            if "proj" in name
        )

    monkeypatch.setattr(module, "lighten", lighten_and_look)
    sft(tiny, ROWS, prompt, options, tmp_path / "light")
    monkeypatch.setattr(module, "lighten", lambda *_: None)
    sft(tiny, ROWS, prompt, options, tmp_path / "plain")
    assert same(tmp_path / "light", tmp_path / "plain")
    assert not same(tmp_path / "light", tiny)
    assert dtypes == {(False, torch.bfloat16), (True, torch.float32)}


KILL_9 = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from test_training_sft import Path, dying_at, train

    with dying_at(8, lambda: os.kill(os.getpid(), signal.SIGKILL)):
        train(Path({tiny!r}), Path({out!r}), {options!r})
"""


class DiedError(Exception):
    pass


@contextmanager
def dying_at(step: int, die: Callable[[], None]) -> Iterator[None]:
    """Call `die` when a training reaches `step`."""
    advancing, steps = module._advancing, []

    class Bar:
        def advance(self, n: int = 1) -> None:
            steps.append(n)
            if sum(steps) == step:
                die()

    module._advancing = lambda _: advancing(Bar())
    try:
        yield
    finally:
        module._advancing = advancing


def train(tiny: Path, out: Path, options: dict) -> Path:
    prompt = StudentPrompt(load_tokenizer(tiny), asset("prompts/student_short.jinja"))
    return sft(tiny, ROWS, prompt, SFTOptions(**{**OPTIONS, **options}), out)


def test_kill_9_and_resume_gives_the_same_weights(tiny: Path, tmp_path: Path) -> None:
    options, out = {"group_by_length": True}, tmp_path / "killed"
    code = KILL_9.format(tests=str(Path(__file__).parent), tiny=str(tiny), options=options, out=str(out))
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert_resumes(tiny, out, options)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "lora", "lora": {"r": 4, "dropout": 0.3}},
        {"packing": True, "max_length": 80, "batch_size": 1},
    ],
    ids=["dropout", "packing"],
)
def test_an_interrupted_training_ends_with_the_same_weights(
    tiny: Path, tmp_path: Path, options: dict
) -> None:

    def die() -> None:
        raise DiedError

    with dying_at(8, die), pytest.raises(DiedError):
        train(tiny, tmp_path / "killed", options)
    assert_resumes(tiny, tmp_path / "killed", options)


def test_a_training_killed_behind_its_last_step_takes_no_further_one(
    tiny: Path, prompt: StudentPrompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SFTOptions(**(OPTIONS | {"max_steps": 4, "scheduler": "constant"}))
    straight = sft(tiny, ROWS, prompt, options, tmp_path / "straight")
    with monkeypatch.context() as patch:
        patch.setattr(module, "_save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sft(tiny, ROWS, prompt, options, tmp_path / "killed")
    assert [folder.name for folder in tmp_path.glob("killed.partial/checkpoint-*")] == ["checkpoint-4"]
    resumed = sft(tiny, ROWS, prompt, options, tmp_path / "killed")
    assert same(straight, resumed)
    assert (resumed / "loss.jsonl").read_text() == (straight / "loss.jsonl").read_text()


def assert_resumes(tiny: Path, out: Path, options: dict) -> None:
    checkpoints = out.with_name("killed.partial").glob("checkpoint-*")
    assert [folder.name for folder in checkpoints] == ["checkpoint-6"]
    resumed = train(tiny, out, options)
    straight = train(tiny, out.with_name("straight"), options)
    assert same(straight, resumed)
    assert (resumed / "loss.jsonl").read_text() == (straight / "loss.jsonl").read_text()
    assert not out.with_name("killed.partial").exists()


def test_what_was_trained_is_answered(tiny, prompt, tmp_path: Path) -> None:
    rows = [
        SimpleNamespace(id="a", question="who?", solution="me"),
        SimpleNamespace(id="b", question="two?", solution="2"),
    ]
    options = SFTOptions(epochs=30, batch_size=2, learning_rate=1e-2, warmup_ratio=0, save_steps=1000)
    out = sft(tiny, rows, prompt, options, tmp_path / "out")
    student = TransformersStudent(
        out, StudentPrompt(load_tokenizer(out), asset("prompts/student_short.jinja"))
    )
    answers = student.answer(
        [("a", "who?"), ("b", "two?")], Sampling(max_tokens=9), tmp_path / "answers.jsonl"
    )
    assert [(r.text, r.finish_reason) for r in answers] == [("me", "stop"), ("2", "stop")]
    losses = [json.loads(line) for line in (out / "loss.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in losses] == list(range(1, 31))
    assert losses[-1]["loss"] < 0.1 < losses[0]["loss"]


def test_a_finished_training_is_kept_and_another_is_refused(tiny, prompt, tmp_path: Path) -> None:
    options = SFTOptions(max_steps=1, **OPTIONS)
    out = sft(tiny, ROWS, prompt, options, tmp_path / "out")
    before = (out / "training.json").stat().st_mtime_ns
    recorded = json.loads((out / "training.json").read_text())["options"]
    assert recorded["bf16"] is options.autocast
    assert sft(tiny, ROWS, prompt, options, out) == out
    assert (out / "training.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="holds a training with other data or options"):
        sft(tiny, ROWS[1:], prompt, options, out)
    with pytest.raises(UserError, match="is no finished training"):
        sft(tiny, ROWS, prompt, options, tmp_path)


def test_checkpoints_of_another_training_or_half_written_are_not_resumed(
    tiny, prompt, tmp_path: Path
) -> None:
    options = SFTOptions(max_steps=4, **OPTIONS)
    straight = sft(tiny, ROWS, prompt, options, tmp_path / "straight")
    key = json.loads((straight / "training.json").read_text())["key"]
    for name, stamp in (("foreign", "another key"), ("torn", key)):
        checkpoint = tmp_path / f"{name}.partial" / "checkpoint-3"
        checkpoint.mkdir(parents=True)
        (checkpoint.parent / "key").write_text(stamp)
        (checkpoint / "trainer_state.json").write_text('{"global_step": 3' if name == "torn" else "{}")
        assert same(sft(tiny, ROWS, prompt, options, tmp_path / name), straight)


def test_a_kept_adapter_makes_the_same_student(tiny, prompt, tmp_path: Path) -> None:
    import torch

    options = SFTOptions(method="lora", keep_adapter=True, lora=LoraOptions(r=2), max_steps=4, **OPTIONS)
    out = sft(tiny, ROWS, prompt, options, tmp_path / "out")
    merged, again = weights(out), weights(adapted_student(tiny, out / "adapter", tmp_path / "cache"))
    start = weights(tiny)
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.allclose(merged[name], start[name], atol=1e-3)
    assert torch.allclose(merged[name], again[name].float(), atol=1e-2)
    adapter = out / "adapter" / "adapter_model.safetensors"
    assert adapter.stat().st_size < 20_000
    assert str(tiny) not in (out / "adapter" / "adapter_config.json").read_text()


def test_targets_may_be_a_pattern_and_the_adapter_still_ships(tiny, prompt, tmp_path: Path) -> None:
    lora = LoraOptions(r=2, targets=r".*\.(q|v)_proj")
    options = SFTOptions(method="lora", keep_adapter=True, lora=lora, max_steps=1, **OPTIONS)
    out = sft(tiny, ROWS, prompt, options, tmp_path / "out")
    assert adapted_student(tiny, out / "adapter", tmp_path / "cache").is_dir()


def test_a_full_disk_is_one_clear_line(tiny, prompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors import SafetensorError

    def full(*_, **__):
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr(module, "save_model", full)
    with pytest.raises(UserError, match=r"out: cannot be written .*No space left.* free space"):
        sft(tiny, ROWS, prompt, SFTOptions(max_steps=1, **OPTIONS), tmp_path / "out")


def test_the_seed_decides_the_weights(tiny, prompt, tmp_path: Path) -> None:
    folders = [
        sft(tiny, ROWS, prompt, SFTOptions(seed=seed, max_steps=2, **OPTIONS), tmp_path / str(seed))
        for seed in (1, 2)
    ]
    assert not same(*folders)


def test_nothing_is_sent_anywhere(tiny, prompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.delenv("CI", raising=False)
    reached: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: reached.append(address) or [])
    sft(tiny, ROWS, prompt, SFTOptions(max_steps=1, **OPTIONS), tmp_path / "out")
    assert reached == []


def test_options_that_cannot_be_are_refused(tiny, prompt, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="keep_adapter needs method: lora"):
        SFTOptions(keep_adapter=True)
    with pytest.raises(UserError, match="qlora needs a CUDA GPU"):
        sft(tiny, ROWS, prompt, SFTOptions(method="qlora"), tmp_path / "out")
    with pytest.raises(UserError, match="use_kernels needs the package kernels; pip install kernels"):
        sft(tiny, ROWS, prompt, SFTOptions(use_kernels=True), tmp_path / "out")
    with pytest.raises(UserError, match=r"(?i)flash.*install it, or change the option"):
        sft(tiny, ROWS, prompt, SFTOptions(attention="flash_attention_2"), tmp_path / "out")
    elsewhere = SFTOptions(method="lora", lora=LoraOptions(targets=("query",)))
    with pytest.raises(UserError, match=r"sft: .*query.*change the option"):
        sft(tiny, ROWS, prompt, elsewhere, tmp_path / "out")
    if find_spec("bitsandbytes") is None:
        with pytest.raises(UserError, match=r"sft: .*bitsandbytes.*install what it needs"):
            sft(tiny, ROWS, prompt, SFTOptions(optimizer="paged_adamw_8bit"), tmp_path / "out")
    with pytest.raises(UserError, match="one training takes one rate"):
        sft(tiny, ROWS, prompt, SFTOptions(learning_rate=(1e-3, 1e-4)), tmp_path / "out")


@pytest.mark.parametrize("num_items", [None, 5])
def test_the_answer_loss_is_trls_loss(tiny: Path, tmp_path: Path, num_items: int | None) -> None:
    import torch
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from stat_train.student.loading import load_model
    from stat_train.training.answer_loss import answer_loss_trainer

    ignored = [-100] * 3
    batch = {
        "input_ids": torch.tensor([[5, 6, 7, 8, 9, 4], [9, 8, 7, 6, 4, 4]]),
        "attention_mask": torch.tensor([[1] * 6, [1] * 5 + [0]]),
        "labels": torch.tensor([[*ignored, 8, 9, 4], [*ignored, -100, 4, -100]]),
    }
    losses = []
    for trainer_class in (SFTTrainer, answer_loss_trainer()):
        trainer = trainer_class(
            model=load_model(tiny, "float32"),
            args=SFTConfig(str(tmp_path), use_cpu=True, bf16=False, report_to="none"),
            train_dataset=Dataset.from_list([{"input_ids": [1, 2], "labels": [1, 2]}]),
            processing_class=load_tokenizer(tiny),
        )
        loss = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=num_items)
        loss.backward()
        norm = sum(float(p.grad.norm()) for p in trainer.model.parameters() if p.grad is not None)
        losses.append((loss.item(), norm))
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[0][0] > 0
