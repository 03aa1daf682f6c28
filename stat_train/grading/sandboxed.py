"""Runs one answer with its tests, shut in: a program of its own that reads a task from stdin.

It imports nothing but the standard library. A verdict counts only with the task's token, which is written
after the last test.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
import types
from typing import Any

NEW_USER, NEW_FILES, NEW_NETWORK = 0x10000000, 0x00020000, 0x40000000
NEW_PROCESSES, NEW_IPC = 0x20000000, 0x08000000
RECURSIVE, PRIVATE = 0x4000, 0x40000
MOUNT_SETATTR, READ_ONLY, HERE, WHOLE_TREE = 442, 1, -100, 0x8000
DIES_WITH_PARENT, NO_NEW_PRIVILEGES, CAPABILITIES_3 = 1, 38, 0x20080522
LONGEST_REASON = 200
ON_LINUX = sys.platform == "linux"
LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    task = json.loads(sys.stdin.buffer.read())
    kept = isolate()
    readable, writable = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(readable)
        shut_in(task, kept)
        os.write(writable, json.dumps(run(task)).encode())
        os._exit(0)
    os.close(writable)
    status, used = wait(worker, task["wall_s"])
    os.set_blocking(readable, False)
    try:
        verdict = json.loads(os.read(readable, 4096) or b"null")
    except (BlockingIOError, ValueError):
        verdict = None
    print(json.dumps({"said": verdict, "status": status, "cpu_s": used, "kept": kept}))


def isolate() -> list[str]:
    """Takes away the network, other processes and the writing of files, as far as the kernel lets it."""
    user, group = os.getuid(), os.getgid()
    if not ON_LINUX or LIBC.unshare(NEW_USER | NEW_FILES | NEW_NETWORK | NEW_PROCESSES | NEW_IPC):
        return []
    kept = ["network", "processes"]
    maps = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
    for name, line in maps.items():
        with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w") as file:
            file.write(line)
    if LIBC.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None) == 0:
        attributes = (ctypes.c_uint64 * 4)(READ_ONLY, 0, 0, 0)
        changed = LIBC.syscall(
            MOUNT_SETATTR, HERE, b"/", WHOLE_TREE, ctypes.byref(attributes), ctypes.sizeof(attributes)
        )
        kept += ["files"] if changed == 0 else []
    return kept


def shut_in(task: dict[str, Any], kept: list[str]) -> None:
    """Limits, an empty folder of its own, and nothing to read or write elsewhere."""
    if ON_LINUX:
        LIBC.prctl(DIES_WITH_PARENT, signal.SIGKILL)
    folder = os.getcwd().encode()
    if "files" in kept:
        LIBC.mount(b"tmpfs", folder, b"tmpfs", 0, f"size={task['file_bytes']},mode=700".encode())
        if LIBC.mount(b"proc", b"/proc", b"proc", 0, None):
            LIBC.mount(b"tmpfs", b"/proc", b"tmpfs", READ_ONLY, b"size=4096")
    os.chdir(folder)
    if ON_LINUX:
        LIBC.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        LIBC.capset((ctypes.c_uint32 * 2)(CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)())
    for limit, value in (
        (resource.RLIMIT_CPU, task["cpu_s"]),
        (resource.RLIMIT_AS, task["memory_bytes"]),
        (resource.RLIMIT_FSIZE, task["file_bytes"]),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 256 if kept else 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # not every system has every limit
            resource.setrlimit(limit, (value, value))
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def run(task: dict[str, Any]) -> list[str]:
    """[verdict, reason, token]: the answer, then the tests in its namespace."""
    execute, token = exec, task["token"]
    module = types.ModuleType("answer")
    sys.modules["answer"] = module
    try:
        tests = compile(task["tests"], "tests", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return ["error", f"the tests cannot be compiled: {said(error)}", token]
    try:
        execute(compile(task["answer"], "answer", "exec"), module.__dict__)
        execute(tests, module.__dict__)
    except BaseException as error:
        return ["wrong", said(error), token]
    return ["correct", "", token]


def said(error: BaseException) -> str:
    """Its type and message; the message may be a program of the answer."""
    try:
        return f"{type(error).__name__}: {error}"[:LONGEST_REASON]
    except BaseException:
        return type(error).__name__


def wait(worker: int, wall_s: float) -> tuple[int, float]:
    """The worker's wait status and CPU seconds; killed where it takes longer than `wall_s`: status -1."""
    end, overran = time.monotonic() + wall_s, False
    pause = 0.001
    while True:
        pid, status, used = os.wait4(worker, 0 if overran else os.WNOHANG)
        if pid:
            return -1 if overran else status, used.ru_utime + used.ru_stime
        if time.monotonic() > end:
            os.kill(worker, signal.SIGKILL)
            overran = True
        else:
            time.sleep(pause)
            pause = min(2 * pause, 0.02)


if __name__ == "__main__":
    main()
