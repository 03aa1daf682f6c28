"""The benchmarks run, at a size that says nothing about speed, and their figures are there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from stat_train.precision import answers_in
from stat_train.training.options import SFTOptions

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SHARED = Path(__file__).parents[2] / "shared" / "data"


def figures(script: str, *arguments: str) -> dict:
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_cache_replay() -> None:
    found = figures("cache_replay.py", "--answers", "300")
    assert found["wrong"] == 0
    assert found["answers"] == 300
    assert found["seconds"] > 0
    assert found["peak_mb"] > 0


def test_faults() -> None:
    found = figures("faults.py", "--requests", "60", "--kills", "2")
    assert [found[name] for name in ("lost", "out_of_order", "asked_again", "over_budget")] == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["stat_train", "bare"])
def test_a_contestant_answers_all(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from latency_server import running
    from teacher_throughput import Regime, run

    regime = Regime(latency=0.01, places=8, requests=40)
    with running(regime.latency) as url:
        found = run(name, sys.executable, regime, url)
    assert found is not None
    assert found["wrong"] == 0
    assert found["seconds"] >= regime.ideal_s


def test_grading() -> None:
    found = figures("grading.py", "--answers", "60", "--rounds", "1", "--data", "nowhere")
    assert (found["disagreements"], found["golds"]) == (0, "made up")
    assert found["repeats"]["repeat_share"] > 0 == found["distinct"]["repeat_share"]
    assert 0.2 < found["repeats"]["right"] < 0.9
    assert found["speedup"] > 0


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs MATH, AMC23 and AIME24 in ../shared/data")
def test_published_answers_pass_and_altered_ones_do_not() -> None:
    found = figures("grading_agreement.py", "--solutions", "100", "--data", str(SHARED))
    assert (found["gold"], found["unexplained"]) == (1.0, 0)
    assert found["solutions"] > 0.95
    assert (found["altered"], found["altered_accepted"]) == (300, 0)


def test_without_the_data_there_is_no_agreement_to_measure(tmp_path: Path) -> None:
    assert figures("grading_agreement.py", "--data", str(tmp_path)) == {"skipped": True}


def test_sft_overhead(tmp_path: Path) -> None:
    tiny = write_tiny_model(tmp_path / "tiny")
    found = figures("sft_overhead.py", "--rows", "9", "--repeats", "1", "--batch", "4", "--model", str(tiny))
    assert found["steps"] == 3
    assert found["tokens"] > 0
    assert found["ratio"] > 0
    assert found["last_loss"]["stat_train"] == pytest.approx(found["last_loss"]["bare"], rel=0.2)


def test_precision(tmp_path: Path) -> None:
    tiny = write_tiny_model(tmp_path / "tiny")
    small = ("--steps", "1", "--questions", "2", "--repeats", "1")
    found = figures("precision.py", *small, "--model", str(tiny))
    assert found["training"]["ratio"] > 0
    assert found["answering"]["ratio"] > 0
    assert found["training"]["auto"] == ("bf16" if SFTOptions().autocast else "fp32")
    assert found["answering"]["auto"] == answers_in(None)
    assert (found["steps"], found["questions"], found["threads"]) == (1, 2, 1)


def test_decontamination_scale(tmp_path: Path) -> None:
    picture = tmp_path / "scale.png"
    found = figures(
        "decontamination_scale.py", "--rows", "2000", "--questions", "50", "--picture", str(picture)
    )
    assert (found["missed"], found["rows"]) == (0, 2000)
    assert found["copies_found"] > 0.9
    assert found["seconds"] > 0
    assert found["peak_mb"] > 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs MATH and ASDiv in ../shared/data")
def test_planted_leaks() -> None:
    found = figures("planted_leaks.py", "--questions", "40", "--rows", "1000", "--data", str(SHARED))
    recall = found["recall"]
    assert [recall[name] for name in ("exact", "spacing_and_case", "latex_spelling")] == [1.0, 1.0, 1.0]
    assert 0 < recall["names"] <= 1
    assert 0 < recall["numbers"] <= 1
    assert found["false_positive_rate"] < 0.05


def test_selection_scale(tmp_path: Path) -> None:
    picture = tmp_path / "scale.png"
    found = figures("selection_scale.py", "--pool", "16000", "--size", "2000", "--picture", str(picture))
    assert (found["pool"], found["pairs"]) == (16_000, 2_000)
    assert found["unique"] == 2_000
    assert found["seconds"] > 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs MATH in ../shared/data")
def test_the_papers_set_on_math_follows_the_profile_at_about_4000_questions() -> None:
    found = figures("math_selection.py", "--data", str(SHARED))
    assert found["pairs"] == 9_500
    assert 3_500 < found["unique_questions"] < 5_000
    assert found["p"] > 0.99


def test_the_served_gguf_holds_the_students_own_weights(tmp_path: Path, monkeypatch) -> None:
    gguf = pytest.importorskip("gguf", reason="needs the extra 'train'")
    import torch
    from transformers import AutoModelForCausalLM

    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from engines import write_gguf

    tiny = write_tiny_model(tmp_path / "tiny")
    like = gguf.GGUFWriter(tmp_path / "like.gguf", "llama")
    like.add_context_length(1024)
    like.add_embedding_length(64)
    like.add_block_count(2)
    like.add_feed_forward_length(128)
    like.add_rope_dimension_count(16)
    like.add_head_count(4)
    like.add_head_count_kv(2)
    like.add_layer_norm_rms_eps(1e-6)
    like.add_vocab_size(261)
    like.write_header_to_file()
    like.write_kv_data_to_file()
    like.write_tensors_to_file()
    like.close()
    write_gguf(tiny, tmp_path / "like.gguf", tmp_path / "served" / "student.gguf")
    served = AutoModelForCausalLM.from_pretrained(
        str(tmp_path / "served"), gguf_file="student.gguf", dtype=torch.float32
    )
    own = AutoModelForCausalLM.from_pretrained(str(tiny), dtype=torch.float32)
    ids = torch.arange(40)[None]
    with torch.inference_mode():
        assert torch.allclose(served(ids).logits, own(ids).logits, atol=1e-4)
