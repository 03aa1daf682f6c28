"""How fast, and in how much memory, a finished stage's answers are replayed from the cache.

    python benchmarks/cache_replay.py [--answers 100000]

The cache is filled first (not timed); then another process asks for all of them through the engine:
keys, look-up, validation, results in order. No endpoint exists, so that a single miss would fail the run.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from workload import messages  # noqa: E402

from stat_train.teacher.cache import Cache, Entry  # noqa: E402
from stat_train.teacher.client import Teacher  # noqa: E402
from stat_train.teacher.options import TeacherOptions  # noqa: E402
from stat_train.teacher.request import Message, Reply, TeacherRequest  # noqa: E402
from stat_train.teacher.rows import key_of  # noqa: E402
from stat_train.teacher.schemas import Solve  # noqa: E402

OPTIONS = TeacherOptions(endpoint="http://127.0.0.1:9/v1", model="m", max_attempts=1)
CHUNK = 5_000


def requests(count: int) -> Iterator[TeacherRequest]:
    for n in range(count):
        yield TeacherRequest(
            "solve", [Message(role=m["role"], content=m["content"]) for m in messages(n)], Solve
        )


def answer(n: int) -> str:
    """About 300 bytes."""
    return json.dumps(
        {"answers": [{"id": "q1", "solution": "First add, then halve. " * 10, "answer": str(n)}]}
    )


def fill(path: Path, count: int) -> None:
    cache = Cache(path)
    entries = []
    for n, request in enumerate(requests(count)):
        key = key_of(OPTIONS, request, request.messages, 0)
        entries.append(Entry(key, "m", "m", "solve", Reply(answer(n), "stop", 400, 90)))
        if len(entries) == CHUNK or n == count - 1:
            cache.put(entries)
            entries = []
    cache.close()


def replay(path: Path, count: int) -> None:
    """Run in a process of its own: prints seconds, peak memory and wrong rows as JSON."""
    started = time.perf_counter()
    with Teacher(OPTIONS, path) as teacher:
        results = teacher.ask(requests(count), label="replay")
        cached = teacher.usage.cached
    seconds = time.perf_counter() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wrong = sum(
        result.status != "ok" or result.answer.answers[0].answer != str(n) for n, result in enumerate(results)
    )
    print(
        json.dumps(
            {"seconds": seconds, "peak_mb": peak_mb, "wrong": wrong + count - len(results), "cached": cached}
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.replay:
        replay(arguments.replay, arguments.answers)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cache.sqlite"
        fill(path, arguments.answers)
        size_mb = path.stat().st_size / 1e6
        command = [sys.executable, __file__, "--replay", str(path), "--answers", str(arguments.answers)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures = json.loads(done.stdout)
    print(f"answers in the cache      {arguments.answers:>10,}   ({size_mb:.0f} MB on disk)")
    print(f"replayed in               {figures['seconds']:>10.2f} s")
    print(f"a second                  {arguments.answers / figures['seconds']:>10,.0f}")
    print(f"peak memory               {figures['peak_mb']:>10.0f} MB")
    print(f"wrong or missing          {figures['wrong']:>10}")
    shown = {"seconds": round(figures["seconds"], 3), "peak_mb": round(figures["peak_mb"], 1)}
    print(json.dumps(shown | {"answers": arguments.answers, "wrong": figures["wrong"]}))


if __name__ == "__main__":
    main()
