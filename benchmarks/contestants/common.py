"""What every contestant shares: its arguments, and how it is measured."""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


def measure(ask: Callable[[str, int, int], Sequence[str]]) -> None:
    """Runs `ask(url, requests, places)`, which returns the answers, and prints the figures as JSON."""
    url, requests, places = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    before, started = _cpu_s(), time.perf_counter()
    answers = ask(url, requests, places)
    seconds, cpu = time.perf_counter() - started, _cpu_s() - before
    wrong = sum(answer != str(n) for n, answer in enumerate(answers)) + requests - len(answers)
    print(json.dumps({"seconds": seconds, "cpu_s": cpu, "wrong": wrong}))


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
