"""The precision of trainings and of answers where the recipe leaves it open: what is faster here."""

from pathlib import Path
from types import MappingProxyType
from typing import cast

import pytest
import torch

from stat_train.pipeline.data import student_step
from stat_train.precision import answering_in_keys, answers_in, trains_in_bf16
from stat_train.recipe_file import read_recipe
from stat_train.student.options import StudentOptions
from stat_train.student.prompt import StudentPrompt
from stat_train.student.transformers_engine import TransformersStudent
from stat_train.student.vllm_engine import VllmStudent
from stat_train.training.grpo_options import GRPOOptions
from stat_train.training.options import SFTOptions

ROOT = Path(__file__).parents[1]
X86 = {"architecture": "x86_64", "amx_bf16": False, "avx512_bf16": False}


@pytest.mark.parametrize(
    ("cpu", "faster"),
    [
        (X86 | {"cpu_name": "Intel Xeon", "avx512_bf16": True}, False),
        (X86 | {"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        (X86 | {"cpu_name": "AMD EPYC", "avx512_bf16": True}, True),
        (X86 | {"cpu_name": "AMD Ryzen"}, False),
        ({"architecture": "aarch64", "cpu_name": "Neoverse", "bf16": True}, True),
        ({"architecture": "aarch64", "cpu_name": "Cortex", "bf16": False}, False),
    ],
)
def test_bf16_is_for_processors_with_fast_units_for_it(cpu, faster, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MappingProxyType(cpu))
    assert trains_in_bf16(None) is faster
    assert SFTOptions().autocast is GRPOOptions().autocast is faster
    assert SFTOptions(bf16=not faster).autocast is GRPOOptions(bf16=not faster).autocast is not faster


def test_bf16_is_for_every_gpu(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert trains_in_bf16(None)
    assert answers_in(None) == "bfloat16"


def test_left_open_it_has_the_key_it_had_when_bf16_was_always_on() -> None:
    for options in (SFTOptions, GRPOOptions):
        keys = [options(bf16=bf16).identity()["bf16"] for bf16 in (None, True, False)]
        assert keys == [True, "always", False]


@pytest.mark.parametrize(
    ("cpu", "dtype"),
    [
        (X86 | {"cpu_name": "Intel Xeon", "avx512_bf16": True}, "bfloat16"),
        (X86 | {"cpu_name": "AMD EPYC"}, "float32"),
        ({"architecture": "aarch64", "cpu_name": "Cortex", "bf16": False}, "float32"),
        ({"architecture": "aarch64", "cpu_name": "Neoverse", "bf16": True}, "bfloat16"),
    ],
)
def test_students_answer_in_bf16_where_the_processor_has_it(cpu, dtype, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MappingProxyType(cpu))
    prompt = cast(StudentPrompt, None)  # not needed before the first answer
    engines = (
        TransformersStudent(tmp_path, prompt),
        VllmStudent(tmp_path, prompt, StudentOptions()),
    )
    assert {engine.dtype for engine in engines} == {dtype}
    assert TransformersStudent(tmp_path, prompt, "float16").dtype == "float16"


def test_answers_left_open_have_the_key_they_had_when_bfloat16_was_the_default() -> None:
    keys = [answering_in_keys(dtype) for dtype in (None, "bfloat16", "float32")]
    assert keys == ["bfloat16", "always bfloat16", "float32"]
    recipe = read_recipe(ROOT / "recipes" / "demo.yaml")
    assert student_step(recipe).options["dtype"] == "bfloat16"
