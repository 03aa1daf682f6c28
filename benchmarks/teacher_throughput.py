"""How fast the teacher's engine is: beside the ideal, a bare AsyncOpenAI loop, distilabel and curator.

    python benchmarks/teacher_throughput.py [--scale 0.1] [--repeats 3]

Two regimes on one local server with a fixed latency, structured requests of about 1.7 kB: 2 s, 256 places,
5,000 requests; and 20 ms, 64 places, 3,000 requests. Every contestant runs in a process of its own;
imports are not timed. distilabel and curator get virtual environments of their own, made on the first run
under $STAT_TRAIN_CACHE (default ~/.cache/stat_train); one that cannot be installed is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import python_with
from latency_server import running

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Regime:
    latency: float
    places: int
    requests: int

    @property
    def ideal_s(self) -> float:
        return self.requests / self.places * self.latency


SLOW, QUICK = Regime(2.0, 256, 5_000), Regime(0.02, 64, 3_000)


def contestants() -> dict[str, str]:
    """Name -> the interpreter it runs with."""
    found = {
        "stat_train": sys.executable,
        "bare": sys.executable,
        "distilabel": python_with("distilabel-1.5.3", "distilabel[openai,instructor]==1.5.3", "requests"),
        "curator": python_with("curator-0.1.31", "bespokelabs-curator==0.1.31"),
    }
    return {name: str(python) for name, python in found.items() if python}


def run(name: str, python: str, regime: Regime, url: str) -> dict[str, float] | None:
    """seconds, cpu_s and wrong of one contestant; None, said why, where it fails."""
    script = HERE / "contestants" / f"run_{name}.py"
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)} if python == sys.executable else os.environ
    command = [python, str(script), url, str(regime.requests), str(regime.places)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"{name}: failed ({reason}); left out", file=sys.stderr)
        return None
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def measure(regime: Regime, repeats: int) -> dict[str, dict[str, float]]:
    """Name -> seconds (median), requests a second, CPU ms a request, and wrong answers."""
    rounds: dict[str, list[dict[str, float]]] = {}
    with running(regime.latency) as url:
        for _ in range(repeats):
            for name, python in contestants().items():
                if figures := run(name, python, regime, url):
                    rounds.setdefault(name, []).append(figures)
    measured = {}
    for name, runs in rounds.items():
        seconds = statistics.median(each["seconds"] for each in runs)
        cpu = statistics.median(each["cpu_s"] for each in runs)
        measured[name] = {
            "seconds": seconds,
            "rate": regime.requests / seconds,
            "cpu_ms": 1000 * cpu / regime.requests,
            "wrong": sum(each["wrong"] for each in runs),
        }
    return measured


def show(regime: Regime, measured: dict[str, dict[str, float]]) -> None:
    head = f"{regime.latency:g} s, {regime.places} places, {regime.requests:,} requests"
    print(f"\n{head}: ideal {regime.ideal_s:.1f} s")
    print(f"{'':12} {'seconds':>9} {'requests/s':>11} {'of ideal':>9} {'CPU ms each':>12} {'wrong':>6}")
    for name, figures in measured.items():
        ideal = regime.ideal_s / figures["seconds"]
        print(
            f"{name:12} {figures['seconds']:9.2f} {figures['rate']:11.1f} {ideal:9.3f} "
            f"{figures['cpu_ms']:12.2f} {figures['wrong']:6.0f}"
        )


def scaled(regime: Regime, scale: float) -> Regime:
    return Regime(regime.latency, regime.places, max(regime.places, round(regime.requests * scale)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the requests")
    parser.add_argument("--repeats", type=int, default=1, help="rounds, of which the median counts")
    arguments = parser.parse_args()
    slow, quick = scaled(SLOW, arguments.scale), scaled(QUICK, arguments.scale)
    in_slow, in_quick = measure(slow, arguments.repeats), measure(quick, arguments.repeats)
    show(slow, in_slow)
    show(quick, in_quick)
    ours, bare = in_quick["stat_train"], in_quick["bare"]
    figures: dict[str, Any] = {
        "ideal_ratio": round(slow.ideal_s / in_slow["stat_train"]["seconds"], 4),
        "bare_ratio": round(ours["rate"] / bare["rate"], 4),
        "cpu_ms_per_request": {name: round(each["cpu_ms"], 3) for name, each in in_quick.items()},
        "requests_per_second": {name: round(each["rate"], 1) for name, each in in_quick.items()},
        "requests_per_second_slow": {name: round(each["rate"], 1) for name, each in in_slow.items()},
        "wrong": int(sum(each["wrong"] for part in (in_slow, in_quick) for each in part.values())),
        "requests": [slow.requests, quick.requests],
    }
    print(f"\n{json.dumps(figures)}")


if __name__ == "__main__":
    main()
