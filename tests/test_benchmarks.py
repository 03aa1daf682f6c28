"""The benchmarks run, at a size that says nothing about speed, and their figures are there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
