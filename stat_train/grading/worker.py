"""A grading process: `python -m stat_train.grading.worker math|module:function CPU_SECONDS`.

Reads a JSON list of [answer, gold] a line; writes "ready", then [verdict, reason] a line for each pair.
A pair that takes more CPU time than its limit ends the process, by the kernel, whatever it is doing.
"""

import importlib
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable

import orjson

from stat_train.grading.verdict import Verdict

Judge = Callable[[str, str], tuple[Verdict, str | None]]
MATH_MEMORY = 3 * 2**30


def load_judge(task: str) -> Judge:
    if task == "math":
        return _math_judge()
    return _users_judge(task)


def _math_judge() -> Judge:
    import math_verify  # noqa: F401  (imported before the first deadline runs)

    from stat_train.grading.math import compare

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    resource.setrlimit(resource.RLIMIT_AS, (MATH_MEMORY, MATH_MEMORY))
    return compare


def _users_judge(task: str) -> Judge:
    module, _, name = task.partition(":")
    function = getattr(importlib.import_module(module), name)
    if not callable(function):
        raise TypeError(f"{name} is a {type(function).__name__}, not a function")

    def judge(response: str, gold: str) -> tuple[Verdict, str | None]:
        right = function(response, gold)
        if type(right).__name__ not in ("bool", "bool_"):
            return "error", f"returned {type(right).__name__}, not bool"
        return ("correct" if right else "wrong"), None

    return judge


def main() -> None:
    task, cpu_seconds = sys.argv[1], float(sys.argv[2])
    requests, replies = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a user's function may read or print
    os.dup2(2, 1)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    try:
        judge = load_judge(task)
    except BaseException as error:
        os.write(replies, orjson.dumps({"failed": f"{type(error).__name__}: {error}"}) + b"\n")
        return
    os.write(replies, b'"ready"\n')
    for line in requests:
        for answer, gold in orjson.loads(line):
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            reply: tuple[Verdict, str | None]
            try:
                reply = judge(answer, gold)
            except BaseException as error:
                reply = "error", f"{type(error).__name__}: {error}"[:200]
            signal.setitimer(signal.ITIMER_PROF, 0)
            os.write(replies, orjson.dumps(reply) + b"\n")


if __name__ == "__main__":
    main()
