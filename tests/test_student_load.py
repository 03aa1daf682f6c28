"""Folders, fingerprints, adapters, and the engine that `auto` takes."""

import json
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from tiny_model import write_tiny_model

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.student import fingerprint as fingerprints
from stat_train.student import load
from stat_train.student.adapter import adapted_student
from stat_train.student.fingerprint import fingerprint
from stat_train.student.load import load_student, model_folder
from stat_train.student.loading import load_model, load_tokenizer, save_model
from stat_train.student.options import Sampling, StudentOptions
from stat_train.student.prompt import StudentPrompt
from stat_train.student.transformers_engine import TransformersStudent
from stat_train.student.vllm_engine import VllmStudent


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


def test_a_fingerprint_follows_the_content_and_reads_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tiny_model(tmp_path / "model")
    first = fingerprint(folder)
    assert not (folder / fingerprints.CACHE).exists()  # too small to be worth it
    monkeypatch.setattr(fingerprints, "CACHE_ABOVE", 0)
    assert fingerprint(folder) == first
    with monkeypatch.context() as patch:
        patch.setattr(fingerprints.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
        assert fingerprint(folder) == first
    weights = folder / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert fingerprint(folder) != first
    changed[-1] ^= 1
    weights.write_bytes(changed)
    os.utime(weights, ns=(1, 1))
    assert fingerprint(folder) == first


def test_an_adapter_is_merged_once_into_a_plain_folder(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    monkeypatch.setenv("STAT_TRAIN_CACHE", str(tmp_path / "cache"))
    model = load_model(tiny, "float32")
    lora = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    lora.save_pretrained(tmp_path / "adapter")
    expected = lora.merge_and_unload().state_dict()

    folder = model_folder(StudentOptions(model=str(tiny), adapter=tmp_path / "adapter"))
    merged = load_model(folder, "float32").state_dict()
    assert all(torch.allclose(merged[k], expected[k], atol=1e-2) for k in expected)
    assert not torch.allclose(
        merged["model.layers.0.mlp.up_proj.weight"],
        load_model(tiny, "float32").state_dict()["model.layers.0.mlp.up_proj.weight"],
        atol=1e-2,
    )
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert adapted_student(tiny, tmp_path / "adapter") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_an_adapter_other_than_the_named_one_is_refused(tiny: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"its fingerprint is [0-9a-f]{64}, not adapter_sha256 0000"):
        model_folder(StudentOptions(model=str(tiny), adapter=adapter, adapter_sha256="0" * 64))


def test_an_adapter_that_does_not_fit_is_one_clear_line(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no adapter_config\.json"):
        adapted_student(tiny, tmp_path)


@pytest.fixture(scope="module")
def adapter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("adapter")
    lora = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(load_model(tiny, "float32"), lora).save_pretrained(folder)
    return folder


def test_an_adapter_without_safetensors_says_so(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(adapter, tmp_path / "mine"))
    (mine / "adapter_model.safetensors").rename(mine / "adapter_model.bin")
    with pytest.raises(UserError, match=r"no adapter_model\.safetensors; save the adapter as safetensors"):
        adapted_student(tiny, mine, tmp_path / "cache")


@pytest.mark.filterwarnings("ignore:")
def test_an_adapter_that_cannot_be_merged_is_one_line(tiny: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(r=2, target_modules="all-linear", lora_bias=True)
    get_peft_model(load_model(tiny, "float32"), lora).save_pretrained(tmp_path / "biased")
    with pytest.raises(UserError, match=r"does not fit .*Impossible to merge"):
        adapted_student(tiny, tmp_path / "biased", tmp_path / "cache")


@pytest.mark.parametrize("fault", ["other names", "fewer layers", "a pointer", "no kind"])
def test_an_adapter_of_another_model_is_not_merged_as_nothing(
    tiny: Path, adapter: Path, tmp_path: Path, fault: str
) -> None:
    from safetensors.torch import load_file, save_file

    mine = Path(shutil.copytree(adapter, tmp_path / "mine"))
    file, config = mine / "adapter_model.safetensors", mine / "adapter_config.json"
    given = load_file(file)
    if fault == "other names":
        renamed = {name.replace(".model.", ".language_model."): its for name, its in given.items()}
        save_file(renamed, file, metadata={"format": "pt"})
    elif fault == "fewer layers":
        kept = {name: its for name, its in given.items() if ".layers.0." in name}
        save_file(kept, file, metadata={"format": "pt"})
    elif fault == "a pointer":
        file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n")
    else:
        config.write_text(json.dumps({"r": 2}))
    with pytest.raises(UserError, match=r"student\.adapter .*mine: does not fit"):
        adapted_student(tiny, mine, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("adapted-*[!k]"))


def test_cut_weights_are_one_clear_line(tiny: Path, tmp_path: Path) -> None:
    cut = Path(shutil.copytree(tiny, tmp_path / "cut")) / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:1000])
    with pytest.raises(UserError, match="no usable weights here"):
        load_model(cut.parent, "float32")


@pytest.mark.parametrize("said", [{"temperature": 0.9, "top_p": 0.6}, {"pad_token_id": -1}])
def test_a_generation_config_that_cannot_be_written_costs_no_training(
    tiny: Path, tmp_path: Path, said: dict
) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "vicuna"))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 1, **said}))
    save_model(load_model(folder, "float32"), load_tokenizer(folder), tmp_path / "out", "bfloat16")
    written = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert written["eos_token_id"] == 1
    assert "temperature" not in written


def test_weights_come_in_the_dtype_asked_for_and_whole(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_model(load_model(tiny, "float32"), load_tokenizer(tiny), tmp_path, "bfloat16")
    assert {str(p.dtype) for p in load_model(tmp_path, "float32").parameters()} == {"torch.float32"}
    assert json.loads((tmp_path / "config.json").read_text())["rope_theta"] == 10000.0
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("model.norm.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"weights without model\.norm\.weight"):
        load_model(tmp_path, "float32")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    import torch

    folder = write_tiny_model(tmp_path)
    torch.save(load_model(folder, "float32").state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no usable weights here"):
        load_model(folder, "float32")


def test_auto_takes_vllm_only_where_it_can_run(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    options = StudentOptions(model=str(tiny))
    assert isinstance(load_student(options), TransformersStudent)
    monkeypatch.setattr(load, "find_spec", lambda name: name == "vllm")
    assert isinstance(load_student(options), TransformersStudent)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert isinstance(load_student(options), VllmStudent)


def test_vllm_gets_the_same_tokens_and_stops(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM itself is replaced: what is held here is what we ask of it and what we make of its answer."""
    asked: dict[str, list] = {"prompts": [], "parameters": []}
    rooms: list[int] = []
    for name in ("VLLM_WORKER_MULTIPROC_METHOD", "VLLM_NO_USAGE_STATS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    class LLM:
        def __init__(self, **options) -> None:
            assert (options["model"], options["generation_config"]) == (str(tiny), "vllm")
            assert os.environ["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
            assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
            rooms.append(options["max_model_len"])

        def generate(self, prompts, parameters, use_tqdm):
            asked["prompts"] += prompts
            asked["parameters"] += parameters
            return [
                SimpleNamespace(outputs=[SimpleNamespace(token_ids=(*prompt["prompt_token_ids"][-9:-1], 1))])
                for prompt in prompts
            ]

    fake = ModuleType("vllm")
    fake.LLM, fake.SamplingParams = LLM, SimpleNamespace
    monkeypatch.setitem(sys.modules, "vllm", fake)
    student = load_student(StudentOptions(model=str(tiny), engine="vllm"))
    items = [("b", "is it longer?"), ("a", "short?")]
    responses = student.answer(items, Sampling(temperature=0.5, max_tokens=30), tmp_path / "out.jsonl")
    prompt = StudentPrompt(load_tokenizer(tiny), asset("prompts/student.jinja"))
    assert [p["prompt_token_ids"] for p in asked["prompts"]] == [
        prompt.tokens("short?"),
        prompt.tokens("is it longer?"),
    ]
    assert asked["parameters"][0].stop_token_ids == prompt.stop_tokens
    assert asked["parameters"][0].ignore_eos
    student.answer(items[1:], Sampling(max_tokens=30), tmp_path / "shorter.jsonl")
    student.answer(items, Sampling(max_tokens=31), tmp_path / "longer.jsonl")
    longest = len(prompt.tokens("is it longer?"))
    assert rooms == [longest + 30, longest + 31]  # loaded again only where there is no room
    assert asked["parameters"][0].seed != asked["parameters"][1].seed
    assert [r.question_id for r in responses] == ["b", "a"]
    assert {r.finish_reason for r in responses} == {"stop"}


def test_a_vllm_that_cannot_load_is_one_line(tiny: Path, tmp_path: Path, monkeypatch) -> None:
    def broken(**_):
        raise ValueError("Free memory on device is less than desired\nmore")

    fake = ModuleType("vllm")
    fake.LLM = broken
    monkeypatch.setitem(sys.modules, "vllm", fake)
    student = load_student(StudentOptions(model=str(tiny), engine="vllm"))
    said = r"^student.engine vllm: vLLM cannot load .* less than desired more\)$"
    with pytest.raises(UserError, match=said):
        student.answer([("a", "short?")], Sampling(max_tokens=3), tmp_path / "out.jsonl")


def test_a_missing_model_names_what_may_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*_, **__):
        raise LocalEntryNotFoundError("cannot reach the hub\nsecond line")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(
        UserError, match=r"student\.model 'no/where': .*cannot reach the hub.*or embedded"
    ) as error:
        model_folder(StudentOptions(model="no/where"))
    assert "\n" not in str(error.value)
