"""What holds when a fifth of all requests fails, and when the run is killed again and again.

    python benchmarks/faults.py [--requests 2000] [--kills 20]

The server fails 20 % of the requests, in equal parts: 429, 500, reset, stall, malformed, cut off, wrong
schema, empty. (1) One run: every row is accounted for, in order. (2) Runs under a token budget that is
raised in steps: what the server would have billed never exceeds it. (3) A run killed (-9) at random
moments and started again: by the server's own log no committed answer is asked for again.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from latency_server import MOST_TOKENS, read_log, running  # noqa: E402
from workload import messages  # noqa: E402

from stat_train.errors import Unfinished  # noqa: E402
from stat_train.teacher.cache import Cache, request_key  # noqa: E402
from stat_train.teacher.client import Teacher  # noqa: E402
from stat_train.teacher.options import TeacherOptions  # noqa: E402
from stat_train.teacher.request import Message, TeacherRequest, TeacherResult  # noqa: E402
from stat_train.teacher.rows import schema_identity  # noqa: E402
from stat_train.teacher.schemas import Solve  # noqa: E402

SHARE, LATENCY_S, PLACES = 0.2, 0.01, 64


def options(url: str, budget: int | None = None) -> TeacherOptions:
    return TeacherOptions(
        endpoint=url,
        model="m",
        max_tokens=MOST_TOKENS,
        max_in_flight=PLACES,
        timeout_s=2.0,
        budget_tokens=budget,
    )


def ask(url: str, cache: Path, count: int, budget: int | None = None) -> list[TeacherResult]:
    rows = [
        TeacherRequest("solve", [Message(role=m["role"], content=m["content"]) for m in messages(n)], Solve)
        for n in range(count)
    ]
    with Teacher(options(url, budget), cache, run="faults") as teacher:
        return teacher.ask(rows)


def statuses(results: list[TeacherResult]) -> dict[str, int]:
    return {kind: sum(r.status == kind for r in results) for kind in ("ok", "quarantined", "owed")}


def lost(results: list[TeacherResult], count: int) -> int:
    """Rows without a result, or without a reason where there is no answer."""
    silent = sum(result.status != "ok" and not result.reason for result in results)
    return abs(count - len(results)) + silent


def out_of_order(results: list[TeacherResult]) -> int:
    return sum(
        result.status == "ok" and result.answer.answers[0].answer != str(n)
        for n, result in enumerate(results)
    )


def billed(url: str) -> int:
    return sum(tokens for _, _, tokens in read_log(url))


def one_run(folder: Path, count: int) -> dict[str, Any]:
    with running(LATENCY_S, SHARE, seed=1) as url:
        started = time.perf_counter()
        results = ask(url, folder / "one.sqlite", count)
        seconds = time.perf_counter() - started
    counted = statuses(results)
    return counted | {"lost": lost(results, count), "out_of_order": out_of_order(results), "seconds": seconds}


def under_budget(folder: Path, count: int) -> dict[str, Any]:
    """The budget is raised until the run is through; after each stop, what was billed beyond it."""
    most, stops, budget = 0, 0, 60 * count
    with running(LATENCY_S, SHARE, seed=2, log=True) as url:
        while True:
            try:
                ask(url, folder / "budget.sqlite", count, budget)
            except Unfinished:
                stops += 1
                most = max(most, billed(url) - budget)
                budget += 60 * count
            else:
                most = max(most, billed(url) - budget)
                return {"over_budget": max(0, most), "stops": stops, "billed": billed(url), "budget": budget}


def keys_asked(log: list[list[Any]]) -> list[str]:
    """The cache keys (hex) of the server's log: the attempt shows in the number of the user's turns."""
    own = options("http://localhost/v1")
    schema = ("solve", schema_identity(Solve))
    return [
        request_key(own.logical_name, "m", turns, own.parameters(), schema, 0, turns_of_user(turns) - 1).hex()
        for turns, _, _ in log
    ]


def turns_of_user(turns: list[dict[str, str]]) -> int:
    return sum(turn["role"] == "user" for turn in turns)


def committed(path: Path) -> set[str]:
    cache = Cache(path)
    keys = {row["key"] for row in cache.export()}
    cache.close()
    return keys


def killed(folder: Path, count: int, kills: int) -> dict[str, Any]:
    path = folder / "killed.sqlite"
    moments = sorted(random.Random(3).sample(range(1, count), kills))
    kept_at: list[tuple[int, set[str]]] = []
    with running(LATENCY_S, SHARE, seed=4, log=True) as url:
        for moment in moments:
            child = start(url, path, count)
            while child.poll() is None and len(committed(path)) < moment:
                time.sleep(0.02)
            child.send_signal(signal.SIGKILL)
            child.wait()
            time.sleep(0.1)  # until the server has read what the dead run had sent
            kept_at.append((len(read_log(url)), committed(path)))
        child = start(url, path, count)
        if child.wait() != 0:
            raise SystemExit(f"the last run failed with exit code {child.returncode}")
        log = read_log(url)
        results = ask(url, path, count)
    asked = keys_asked(log)
    again = sum(len(kept & set(asked[since:])) for since, kept in kept_at)
    counted = statuses(results) | {"requests": len(log), "kills": kills}
    return counted | {
        "asked_again": again,
        "lost": lost(results, count) + len({key for _, kept in kept_at for key in kept} - committed(path)),
        "out_of_order": out_of_order(results),
    }


def start(url: str, path: Path, count: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, __file__, "--child", url, str(path), "--requests", str(count)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--child", nargs=2, metavar=("URL", "CACHE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        ask(arguments.child[0], Path(arguments.child[1]), arguments.requests)
        return
    with tempfile.TemporaryDirectory() as name:
        folder, count = Path(name), arguments.requests
        parts = {"one run": one_run(folder, count), "budget": under_budget(folder, count)}
        parts["killed"] = killed(folder, count, arguments.kills)
    print(f"{count:,} rows, {SHARE:.0%} of the requests fail")
    for title, part in parts.items():
        shown = "  ".join(
            f"{key} {value:,.1f}" if isinstance(value, float) else f"{key} {value:,}"
            for key, value in part.items()
        )
        print(f"{title:8}  {shown}")
    sums = {
        key: sum(part.get(key, 0) for part in parts.values())
        for key in ("lost", "out_of_order", "asked_again", "over_budget")
    }
    print(json.dumps(sums | {"requests": count, "kills": arguments.kills}))


if __name__ == "__main__":
    main()
