"""Packing: whole examples in a row, each learned as if it stood alone."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from tiny_model import write_tiny_model

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.student.loading import load_model, load_tokenizer
from stat_train.student.prompt import MASKED, StudentPrompt
from stat_train.training.layout import laid_out, shares, steps
from stat_train.training.options import SFTOptions
from stat_train.training.preflight import preflight

ROWS = [
    SimpleNamespace(id=f"r{i}", question=f"q{i} {'x' * (i % 9)}", solution=f"s{i * 7 % 13}" * (1 + i % 4))
    for i in range(21)
]
OPTIONS = SFTOptions(packing=True, max_length=96, epochs=2, batch_size=2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenized(tiny: Path) -> list:
    prompt = StudentPrompt(load_tokenizer(tiny), asset("prompts/student_short.jinja"))
    return preflight(ROWS, prompt, OPTIONS.max_length)


def test_every_epoch_holds_every_example_whole(tokenized: list) -> None:
    packed = laid_out(tokenized, OPTIONS)
    found = []
    for row in packed:
        assert len(row["input_ids"]) <= OPTIONS.max_length
        start = 0
        for length in row["seq_lengths"]:
            end = start + length
            found.append((tuple(row["input_ids"][start:end]), tuple(row["labels"][start:end])))
            start = end
        assert start == len(row["input_ids"])
    assert len(packed) < len(found) / 1.7
    expected = Counter((tuple(ids), tuple(labels)) for ids, labels in tokenized)
    half = len(found) // 2
    assert Counter(found[:half]) == Counter(found[half:]) == expected
    assert found[:half] != found[half:]
    assert laid_out(tokenized, OPTIONS)[:] == packed[:]


def test_an_example_that_fits_no_pack_is_refused_not_cut(tiny: Path) -> None:
    prompt = StudentPrompt(load_tokenizer(tiny), asset("prompts/student_short.jinja"))
    long = SimpleNamespace(id="long", question="q", solution="s" * 90)
    with pytest.raises(UserError, match=r"1 of 22 rows exceed max_length 96 tokens \(long\)"):
        preflight([*ROWS, long], prompt, OPTIONS.max_length)


@pytest.mark.parametrize("ours", [False, True], ids=["trl", "answer_loss"])
def test_packed_examples_are_learned_as_if_each_stood_alone(
    tiny: Path, tokenized: list, tmp_path: Path, ours: bool
) -> None:
    """The loss and gradient of packs are those of their examples one by one: no example sees another."""
    import torch
    from trl import SFTConfig, SFTTrainer

    from stat_train.training.answer_loss import answer_loss_trainer

    found = []
    for options in (OPTIONS, OPTIONS.model_copy(update={"packing": False})):
        data = laid_out(tokenized, options.model_copy(update={"epochs": 1}))
        trainer = (answer_loss_trainer() if ours else SFTTrainer)(
            model=load_model(tiny, "float32"),
            args=SFTConfig(
                str(tmp_path),
                use_cpu=True,
                bf16=False,
                report_to="none",
                max_length=None,
                padding_free=options.packing,
            ),
            train_dataset=data,
            processing_class=load_tokenizer(tiny),
        )
        size = 2 if options.packing else 1
        batches = [list(data.select(range(i, min(i + size, len(data))))) for i in range(0, len(data), size)]
        learned = sum(label != MASKED for _, labels in tokenized for label in labels)
        loss = 0.0
        for batch in batches:
            part = trainer.compute_loss(
                trainer.model, trainer.data_collator(batch), num_items_in_batch=learned
            )
            part.backward()
            loss += part.item()
        gradient = torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])
        found.append((loss, gradient))
    (packed, its), (alone, others) = found
    assert packed == pytest.approx(alone, rel=1e-5)
    assert torch.allclose(its, others, rtol=1e-3, atol=1e-6)


def test_processes_share_a_batch_or_say_why_not(tokenized: list) -> None:
    options = SFTOptions(batch_size=4, gradient_accumulation=2)
    assert [shares(options, n) for n in (1, 2, 4)] == [(4, 2), (4, 1), (1, 2)]
    with pytest.raises(UserError, match="3 processes cannot share batches of 4 x 2"):
        shares(options, 3)
    one, two = laid_out(tokenized, options), laid_out(tokenized, options, processes=2)
    assert (len(one), len(two)) == (21, 24)
    assert one[:]["input_ids"] == two[:21]["input_ids"]
    assert all(label == MASKED for row in two[21:]["labels"] for label in row)
    assert steps(len(one), options) == steps(len(two), options) == 3


def test_options_that_do_nothing_are_refused_and_unused_ones_change_no_identity() -> None:
    with pytest.raises(ValidationError, match="packing leaves no padding"):
        SFTOptions(packing=True, group_by_length=True)
    assert SFTOptions(accelerate=Path("x.yaml")).identity() == SFTOptions().identity()
    assert not {"packing", "attention", "use_kernels", "accelerate"} & SFTOptions().identity().keys()
    assert SFTOptions(packing=True).identity() != SFTOptions().identity()


def without_end(prompt: StudentPrompt, question: str, solution: str) -> tuple[list[int], list[int]]:
    ids, labels = StudentPrompt.training(prompt, question, solution)
    return ids[:-1], labels[:-1]


def masked(prompt: StudentPrompt, question: str, solution: str) -> tuple[list[int], list[int]]:
    ids, _ = StudentPrompt.training(prompt, question, solution)
    return ids, [MASKED] * len(ids)


def another_prompt(prompt: StudentPrompt, question: str, solution: str) -> tuple[list[int], list[int]]:
    return StudentPrompt.training(prompt, f"Please: {question}", solution)


@pytest.mark.parametrize(
    ("training", "more", "message"),
    [
        (masked, {}, "row 'r0': nothing of it would be learned"),
        (without_end, {}, "row 'r0': its end of turn would not be learned"),
        (another_prompt, {}, "row 'r0': the prompt trained on differs from the one evaluated"),
        (None, {"forbidden_questions": ["Q3  XXX"]}, r"1 evaluation questions among its rows \(r3\)"),
        (
            None,
            {"options": OPTIONS.model_copy(update={"max_length": 24})},
            r"12 of 21 rows exceed .*\(r3, r5, ",
        ),
        (None, {"rows": [*ROWS, SimpleNamespace(id="e", question="q", solution=" ")]}, "'e': field solution"),
    ],
    ids=["mask", "end", "template", "evaluation", "truncated", "empty"],
)
def test_what_would_spoil_a_packed_training_is_refused_before_it_starts(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training, more: dict, message: str
) -> None:
    from stat_train.training import sft as module

    prompt = StudentPrompt(load_tokenizer(tiny), asset("prompts/student_short.jinja"))
    if training is not None:
        monkeypatch.setattr(prompt, "training", lambda *given: training(prompt, *given))
    monkeypatch.setattr(module, "train", lambda job: pytest.fail("it started"))
    given = {"rows": ROWS, "options": OPTIONS, **more}
    forbidden = more.get("forbidden_questions", ())
    with pytest.raises(UserError, match=message):
        module.sft(tiny, given["rows"], prompt, given["options"], tmp_path / "out", forbidden)
