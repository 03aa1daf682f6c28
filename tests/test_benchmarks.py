"""The benchmarks run, at a size that says nothing about speed, and their figures are there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


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


def test_sft_overhead(tmp_path: Path) -> None:
    tiny = write_tiny_model(tmp_path / "tiny")
    found = figures("sft_overhead.py", "--rows", "9", "--repeats", "1", "--batch", "4", "--model", str(tiny))
    assert found["steps"] == 3
    assert found["tokens"] > 0
    assert found["ratio"] > 0
    assert found["last_loss"]["stat_train"] == pytest.approx(found["last_loss"]["bare"], rel=0.2)
