"""Answers that are programs, each run with its tests in a process of its own that is shut in."""

import contextlib
import json
import os
import platform
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stat_train.errors import UserError
from stat_train.grading.pool import WALL_PER_CPU_SECOND, Outcome
from stat_train.grading.sandboxed import FLOODED, KEPT, OVERRAN
from stat_train.grading.syscall_filter import syscall_filter

PROGRAM = Path(__file__).with_name("sandboxed.py")
MEMORY_BYTES = 2**30
FILE_BYTES = 16 * 2**20
GRACE_S = 10.0
UNSAFE = "STAT_TRAIN_UNSAFE_CODE"
"""Set to 1 in the environment: programs are run where nothing can be kept from them."""


class Sandbox:
    """Runs up to `size` answers at a time: `cpu_seconds` of CPU time and four times that by the clock, 1 GiB
    of memory a process, files of 16 MiB in an empty folder, no environment, nothing on stdin.

    There is no network, no socket that is a file, no other process in sight, and nothing but that folder and
    as much shared memory can be written. Where the kernel does not let us have all of that nothing is run,
    unless the environment says STAT_TRAIN_UNSAFE_CODE=1: then stderr says once what is in reach.
    """

    def __init__(self, *, size: int, cpu_seconds: float) -> None:
        self.size, self.cpu_seconds = size, cpu_seconds
        self.kept: tuple[str, ...] | None = None
        """Which of network, processes and files are kept from the answers; None before the first."""
        program = syscall_filter(platform.machine())
        self._filter = program.hex() if program else None
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(self, pairs: Sequence[tuple[str, ...]]) -> list[Outcome]:
        """(verdict, reason) for each (program, tests), in order. Raises UserError where none can be run."""
        executor = ThreadPoolExecutor(self.size)
        try:
            return list(executor.map(self._run, pairs))
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            for process in list(self._running):  # there are some where this was interrupted
                _kill(process)
            executor.shutdown()

    def close(self) -> None:
        """Nothing is left between two runs."""

    def _run(self, pair: tuple[str, ...]) -> Outcome:
        answer, tests = pair
        token = secrets.token_hex(16)
        wall_s = self.cpu_seconds * WALL_PER_CPU_SECOND
        task: dict[str, Any] = {
            "answer": answer,
            "tests": tests,
            "token": token,
            "cpu_s": max(1, round(self.cpu_seconds)),
            "wall_s": wall_s,
            "memory_bytes": MEMORY_BYTES,
            "file_bytes": FILE_BYTES,
            "filter": self._filter,
            "unsafe": os.environ.get(UNSAFE) == "1",
        }
        try:
            with tempfile.TemporaryDirectory(prefix="answer-", ignore_cleanup_errors=True) as folder:
                found = _report(task, folder, wall_s + GRACE_S, self._running)
        except OSError as error:
            raise UserError(
                f"grader 'code': no process can be started for an answer ({error}); free memory, processes "
                "or disk space, or have fewer run at a time"
            ) from error
        if found is None or found["status"] == OVERRAN:
            return "timeout", "no end within the time limit"
        self._require(found["kept"], task["unsafe"])
        if found["status"] == FLOODED:
            return "wrong", "the program wrote where its verdict is written"
        if found["status"] and os.WIFSIGNALED(found["status"]):
            number = os.WTERMSIG(found["status"])
            if number == signal.SIGKILL and found["cpu_s"] >= 0.9 * task["cpu_s"]:
                return "timeout", "no end within the limit of CPU time"
            return "wrong", f"the program was killed by signal {number}"
        match found["said"]:
            case [("correct" | "wrong" | "error") as verdict, str(reason), str(told)] if told == token:
                return verdict, reason or None
        return "wrong", "the program ended before its tests did"

    def _require(self, kept: Sequence[str], unsafe: bool) -> None:
        """Raises UserError where the answers are not shut in and so were not run."""
        first, self.kept = self.kept is None, tuple(kept)
        reachable = ", ".join(name for name in KEPT if name not in kept)
        if reachable and not unsafe:
            raise UserError(
                f"grader 'code': this system does not let us keep {reachable} (and so the keys in this "
                "process's environment) from the programs that it would run; run where unprivileged user "
                "namespaces are allowed (a container that has them, or `sysctl "
                f"kernel.apparmor_restrict_unprivileged_userns=0`), or set {UNSAFE}=1 where nothing is worth "
                "keeping"
            )
        if reachable and first:
            print(
                f"grader 'code': {UNSAFE}=1: {reachable} and the keys in this process's environment are in "
                "reach of the programs that it runs",
                file=sys.stderr,
                flush=True,
            )


def _report(
    task: dict[str, Any], folder: str, seconds: float, running: set[subprocess.Popen[bytes]]
) -> dict[str, Any] | None:
    """What the program says of one answer; None where it overran. It is one of those `running` meanwhile."""
    process = subprocess.Popen(
        [sys.executable, "-s", "-P", "-B", str(PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    running.add(process)
    try:
        said, failed = process.communicate(json.dumps(task).encode(), timeout=seconds)
    except subprocess.TimeoutExpired:
        if process.poll() is None:
            return None
        said, failed = process.communicate()  # it had ended; we were stopped meanwhile
    finally:
        _kill(process)
        running.discard(process)
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError:
        reason = (failed.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise UserError(
            f"grader 'code': its process fails ({reason}); check that {sys.executable} runs"
        ) from None
    return found


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
