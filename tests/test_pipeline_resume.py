"""Killed at any moment and run again, a run ends as if it had never been killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

ROOT = Path(__file__).parents[1]
SHORT = ["sampling.max_tokens=16", "evaluation.sampling.max_tokens=16", "arms=[stat-sel]", "sft.save_steps=1"]
KILLS = int(os.environ.get("STAT_TRAIN_KILLS", "4"))


def command(tiny: Path, folder: Path) -> list[str]:
    chosen = [f"student.model={tiny}", f"run_dir={folder / 'run'}", *SHORT]
    return [sys.executable, "-m", "stat_train", "run", str(ROOT / "recipes" / "smoke.yaml"), *chosen]


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "STAT_TRAIN_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }


def results(folder: Path) -> dict:
    found = json.loads((folder / "run" / "results.json").read_text())
    return {key: value for key, value in found.items() if key != "timings"}


def manifests(folder: Path) -> dict[str, dict]:
    """Stage folder -> its outputs' hashes; the folder's name holds the hash of all that went in."""
    read = {
        path.parent.name: json.loads(path.read_text()) for path in (folder / "run").glob("*/manifest.json")
    }
    return {
        name: {file: its["sha256"] for file, its in manifest["outputs"].items()}
        for name, manifest in read.items()
        if manifest["stage"] != "report"
    }


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny")


def test_killed_at_random_moments_the_results_are_those_of_an_uninterrupted_run(
    tiny: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    started = time.monotonic()
    subprocess.run(command(tiny, whole), env=environment(whole), check=True, capture_output=True)
    seconds = time.monotonic() - started
    moments = random.Random(0)
    for _ in range(KILLS):
        process = subprocess.Popen(
            command(tiny, killed),
            env=environment(killed),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(timeout=moments.uniform(0.1, 0.9) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    last = subprocess.run(
        command(tiny, killed), env=environment(killed), capture_output=True, text=True, check=False
    )
    assert last.returncode == 0, last.stderr
    assert results(killed) == results(whole)
    assert manifests(killed) == manifests(whole)


def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(tiny: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tiny, tmp_path),
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("student"):
            break
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait() == 130
    assert said.splitlines()[-1].endswith("run the same command again to go on")
    assert "Traceback" not in said
