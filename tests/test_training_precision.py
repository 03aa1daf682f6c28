"""The precision of a training where the recipe leaves it open: the faster one of this machine."""

from types import MappingProxyType

import pytest
import torch

from stat_train.training.grpo_options import GRPOOptions
from stat_train.training.options import SFTOptions
from stat_train.training.precision import bf16_is_faster

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
    assert bf16_is_faster() is faster
    assert SFTOptions().autocast is GRPOOptions().autocast is faster
    assert SFTOptions(bf16=not faster).autocast is GRPOOptions(bf16=not faster).autocast is not faster


def test_bf16_is_for_every_gpu(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert bf16_is_faster()


def test_left_open_it_has_the_key_it_had_when_bf16_was_always_on() -> None:
    for options in (SFTOptions, GRPOOptions):
        keys = [options(bf16=bf16).identity()["bf16"] for bf16 in (None, True, False)]
        assert keys == [True, "always", False]
