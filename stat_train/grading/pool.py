"""Grading processes that cannot stall or kill a run."""

import os
import selectors
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import orjson

import stat_train
from stat_train.errors import UserError
from stat_train.grading.verdict import Verdict

START_SECONDS = 120.0
WALL_PER_CPU_SECOND = 4.0
LARGEST_BATCH = 32
FAILED_STARTS = 3

Outcome = tuple[Verdict, str | None]


class Worker:
    """One process, and the indices of the pairs it was sent and has not answered."""

    def __init__(self, task: str, cpu_seconds: float) -> None:
        root = str(Path(stat_train.__file__).parent.parent)
        paths = [root, *(path for path in sys.path if path), os.getcwd()] if ":" in task else [root]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stat_train.grading.worker", task, str(cpu_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        self.wall_seconds = cpu_seconds * WALL_PER_CPU_SECOND
        self.ready = False
        self.batch: deque[int] = deque()
        self.deadline = time.monotonic() + START_SECONDS
        self._unread = b""

    def send(self, batch: Sequence[int], pairs: Sequence[tuple[str, ...]]) -> None:
        """Hands a batch to an idle worker, which is reading and so never blocks the writer."""
        self.batch.extend(batch)
        self.deadline = time.monotonic() + self.wall_seconds
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(_line([pairs[index] for index in batch]))
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # its end is read next

    def replies(self) -> list[bytes] | None:
        """Whole lines that have arrived; None at the end of the process."""
        assert self.process.stdout is not None
        chunk = os.read(self.process.stdout.fileno(), 65536)
        if not chunk:
            return None
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        self.deadline = time.monotonic() + self.wall_seconds
        return lines

    def end(self) -> int:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # and what a user's grader has started
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except BrokenPipeError:
                pass
        return self.process.wait()


class WorkerPool:
    """Up to `size` workers, started when first needed and kept until `close`.

    A pair has `cpu_seconds` of CPU time, so that a busy machine changes no verdict, and four times
    that by the clock. A worker that overruns is killed and replaced; its pair is a timeout. One that
    dies is replaced; its pair is an error.
    """

    def __init__(self, task: str, *, size: int, cpu_seconds: float) -> None:
        self.task, self.size, self.cpu_seconds = task, size, cpu_seconds
        self._workers: list[Worker] = []
        self._failed_starts = 0
        self._finalizer = weakref.finalize(self, _end_all, self._workers)

    def run(self, pairs: Sequence[tuple[str, ...]]) -> list[Outcome]:
        """(verdict, reason) for each pair, in order. Raises UserError where a worker cannot start."""
        outcomes: list[Outcome | None] = [None] * len(pairs)
        todo = deque(range(len(pairs)))
        done = 0
        try:
            while done < len(pairs):
                self._start_workers(len(todo))
                self._send_batches(todo, pairs)
                for worker in self._wait():
                    for index, outcome in self._collect(worker, todo):
                        outcomes[index] = outcome
                        done += 1
        except BaseException:
            self.close()  # what is still being graded belongs to no later call
            raise
        return [outcome for outcome in outcomes if outcome is not None]

    def start(self) -> None:
        """Proves that a worker starts. Raises UserError with the reason where none does."""
        while not any(worker.ready for worker in self._workers):
            self._start_workers(1)
            for worker in self._wait():
                self._collect(worker, deque())

    def close(self) -> None:
        _end_all(self._workers)

    def _start_workers(self, waiting: int) -> None:
        for worker in [worker for worker in self._workers if worker.ready and not worker.batch]:
            if worker.process.poll() is not None:  # killed from outside while idle
                self._workers.remove(worker)
                worker.end()
        idle = sum(not worker.batch for worker in self._workers)
        for _ in range(min(self.size - len(self._workers), -(-waiting // 8) - idle)):
            self._workers.append(Worker(self.task, self.cpu_seconds))

    def _send_batches(self, todo: deque[int], pairs: Sequence[tuple[str, ...]]) -> None:
        for worker in self._workers:
            if worker.ready and not worker.batch and todo:
                size = max(1, min(LARGEST_BATCH, len(todo) // (2 * len(self._workers))))
                worker.send([todo.popleft() for _ in range(min(size, len(todo)))], pairs)

    def _wait(self) -> list[Worker]:
        """Workers that have something to say or whose time is up."""
        waiting = [worker for worker in self._workers if worker.batch or not worker.ready]
        with selectors.DefaultSelector() as selector:
            for worker in waiting:
                assert worker.process.stdout is not None
                selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
            patience = max(0.0, min(worker.deadline for worker in waiting) - time.monotonic())
            speaking = [key.data for key, _ in selector.select(patience)]
        now = time.monotonic()
        return speaking + [w for w in waiting if w not in speaking and w.deadline <= now]

    def _collect(self, worker: Worker, todo: deque[int]) -> list[tuple[int, Outcome]]:
        if worker.deadline <= time.monotonic() and not self._has_spoken(worker):
            return self._bury(worker, todo, "timeout", "no answer within the time limit")
        lines = worker.replies()
        if lines is None:
            return self._bury(worker, todo, None, "the grading process died")
        outcomes: list[tuple[int, Outcome]] = []
        for line in lines:
            reply = orjson.loads(line)
            if reply == "ready":
                worker.ready = True
                self._failed_starts = 0
            elif isinstance(reply, dict):
                raise UserError(f"grader '{self.task}': {reply['failed']}; check the name and the module")
            else:
                outcomes.append((worker.batch.popleft(), (reply[0], reply[1])))
        return outcomes

    def _has_spoken(self, worker: Worker) -> bool:
        assert worker.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(worker.process.stdout, selectors.EVENT_READ)
            return bool(selector.select(0))

    def _bury(
        self, worker: Worker, todo: deque[int], verdict: Verdict | None, reason: str
    ) -> list[tuple[int, Outcome]]:
        """Ends a worker; its first open pair is to blame, the rest goes back to the queue."""
        self._workers.remove(worker)
        code = worker.process.wait() if verdict is None else worker.end()
        worker.end()
        self._failed_starts += not worker.ready
        if self._failed_starts >= FAILED_STARTS:
            raise UserError(
                f"grader '{self.task}': its process does not start (exit {code}); check the module"
            )
        if verdict is None:
            verdict = "timeout" if code == -signal.SIGPROF else "error"
        if not worker.batch:
            return []
        culprit = worker.batch.popleft()
        todo.extendleft(reversed(worker.batch))
        return [(culprit, (verdict, reason))]


def _line(batch: Sequence[tuple[str, ...]]) -> bytes:
    try:
        return orjson.dumps(batch) + b"\n"
    except TypeError:  # half a surrogate pair, which is no character
        whole = [[text.encode(errors="replace").decode() for text in pair] for pair in batch]
        return orjson.dumps(whole) + b"\n"


def _end_all(workers: list[Worker]) -> None:
    while workers:
        workers.pop().end()
