"""A run killed (-9) again and again ends with the results of one that never was.

    python benchmarks/kills.py [--recipe recipes/demo.yaml] [--kills 10] [--seed 0] [key=value ...]

The recipe runs once from end to end, and once more in another folder, each with an empty
cache of the teacher's answers, the second killed at random moments that spread over the whole run. Compared
are results.json, timings aside, and the hash of every file that a stage wrote.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from stat_train.student.embedded import embedded_student  # noqa: E402
from stat_train.wheels import cache_folder  # noqa: E402


def run(recipe: Path, folder: Path, overrides: list[str], seconds: float | None = None) -> str:
    """Run the recipe, for so many seconds at most; the last stage that it named."""
    folder.mkdir(exist_ok=True)
    cache = folder / "cache"
    if not cache.exists():
        cache.mkdir()
        for part in cache_folder().glob("SmolLM2*"):
            (cache / part.name).symlink_to(part)
    command = [
        sys.executable,
        "-m",
        "stat_train",
        "run",
        str(recipe),
        f"run_dir={folder / 'run'}",
        *overrides,
    ]
    environment = {**os.environ, "STAT_TRAIN_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = 0
        log.seek(0)
        said = log.read()
    if code:
        raise SystemExit(said)
    named = [line for line in said.splitlines() if line.endswith("...")]
    return named[-1].removesuffix("...").strip() if named else "starting"


def results(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "run" / "results.json").read_text())
    return {key: value for key, value in found.items() if key != "timings"}


def outputs(folder: Path) -> dict[str, Any]:
    """Stage folder -> the hashes of its files; the report's hold timings and are left out."""
    read = {
        path.parent.name: json.loads(path.read_text()) for path in (folder / "run").glob("*/manifest.json")
    }
    return {
        name: {file: its["sha256"] for file, its in manifest["outputs"].items()}
        for name, manifest in read.items()
        if manifest["stage"] != "report"
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "demo.yaml")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given, overrides = parser.parse_known_args()
    embedded_student()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        started = time.monotonic()
        run(given.recipe, whole, overrides)
        seconds = time.monotonic() - started
        print(f"uninterrupted: {seconds:,.0f} s")
        for number in range(1, given.kills + 1):
            moment = chance.uniform(0.3, 1.7) * seconds / (given.kills + 1)
            print(
                f"kill {number:2}: after {moment:5.1f} s, in {run(given.recipe, killed, overrides, moment)}",
                flush=True,
            )
        run(given.recipe, killed, overrides)
        one, other = outputs(whole), outputs(killed)
        differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
        same = results(whole) == results(killed)
    print(
        f"results.json the same, timings aside: {same}; stages that differ: {', '.join(differing) or 'none'}"
    )
    print(json.dumps({"kills": given.kills, "same_results": same, "differing_stages": len(differing)}))


if __name__ == "__main__":
    main()
