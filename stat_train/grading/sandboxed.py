"""Runs one answer with its tests, shut in: a program of its own that reads a task from stdin.

It imports nothing but the standard library. A verdict counts only with the task's token, which is written
after the last test.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import struct
import sys
import time
import types
from typing import Any

NEW_USER, NEW_FILES, NEW_NETWORK = 0x10000000, 0x00020000, 0x40000000
NEW_PROCESSES, NEW_IPC = 0x20000000, 0x08000000
RECURSIVE, PRIVATE, BIND = 0x4000, 0x40000, 0x1000
MOUNT_SETATTR, READ_ONLY, HERE, WHOLE_TREE = 442, 1, -100, 0x8000
DIES_WITH_PARENT, NO_NEW_PRIVILEGES, CAPABILITIES_3 = 1, 38, 0x20080522
SECCOMP, BY_PROGRAM, STEP_BYTES = 22, 2, 8
DEVICES = ("null", "zero", "full", "random", "urandom")
STREAMS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}
LONGEST_REASON, LARGEST_REPLY = 200, 4096
MOST_PROCESSES = 32
KEPT = ("network", "processes", "files")
OVERRAN, FLOODED = -1, -2
ON_LINUX = sys.platform == "linux"
LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # short of memory, the kernel ends this and not the run
    task = json.loads(sys.stdin.buffer.read())
    kept = isolate(task)
    readable, writable = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(readable)
        kept = shut_in(task, kept)
        os.write(writable, json.dumps(kept).encode() + b"\n")
        if task["unsafe"] or set(kept) == set(KEPT):
            os.write(writable, json.dumps(run(task)).encode())
        os._exit(0)
    os.close(writable)
    reply, status, used = follow(worker, readable, task["wall_s"])
    before, _, verdict = reply.partition(b"\n")
    if not before and status != OVERRAN:
        sys.exit(1)
    try:
        said = json.loads(verdict or b"null")
    except ValueError:
        said = None
    print(json.dumps({"said": said, "status": status, "cpu_s": used, "kept": json.loads(before or b"null")}))


def isolate(task: dict[str, Any]) -> list[str]:
    """Takes away the network, other processes and the writing of files, and says what is taken away."""
    kept: list[str] = []
    if not ON_LINUX:
        return kept
    user, group = os.getuid(), os.getgid()
    if LIBC.unshare(NEW_USER | NEW_FILES | NEW_NETWORK | NEW_PROCESSES | NEW_IPC) == 0:
        kept = ["network", "processes"]
        maps = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
        for name, line in maps.items():
            with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w") as file:
                file.write(line)
        if LIBC.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None) == 0 and few_devices():
            attributes = (ctypes.c_uint64 * 4)(READ_ONLY, 0, 0, 0)
            changed = LIBC.syscall(
                MOUNT_SETATTR, HERE, b"/", WHOLE_TREE, ctypes.byref(attributes), ctypes.sizeof(attributes)
            )
            kept += ["files"] if changed == 0 else []
    LIBC.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if not refuse_calls(task["filter"]):
        kept = [name for name in kept if name != "network"]
    return kept


def few_devices() -> bool:
    """Leaves nothing in /dev but what gives or takes bytes: terminals and disks can be written read-only."""
    try:
        held = {name: os.open(f"/dev/{name}", os.O_PATH) for name in DEVICES}
        if LIBC.mount(b"tmpfs", b"/dev", b"tmpfs", 0, b"size=64k,mode=755"):
            return False
        for name, device in held.items():
            os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_WRONLY))
            if LIBC.mount(f"/proc/self/fd/{device}".encode(), f"/dev/{name}".encode(), None, BIND, None):
                return False
            os.close(device)
        os.mkdir("/dev/shm")
        for name, end in STREAMS.items():
            os.symlink(f"/proc/self/fd{end}", f"/dev/{name}")
    except OSError:
        return False
    return True


def refuse_calls(program: str | None) -> bool:
    """Sets the filter of system calls, given in hex; whether there is one now."""
    if program is None:
        return False
    steps = ctypes.create_string_buffer(bytes.fromhex(program))
    told = struct.pack("HP", len(program) // 2 // STEP_BYTES, ctypes.addressof(steps))
    return bool(LIBC.prctl(SECCOMP, BY_PROGRAM, told, 0, 0) == 0)


def shut_in(task: dict[str, Any], kept: list[str]) -> list[str]:
    """Limits, an empty folder of its own, and nothing to read or write elsewhere; what is kept in the end."""
    if ON_LINUX:
        LIBC.prctl(DIES_WITH_PARENT, signal.SIGKILL)
    folder = os.getcwd().encode()
    lost = set()
    if "files" in kept:
        size = f"size={task['file_bytes']},mode=700".encode()
        for place in (folder, b"/dev/shm"):  # the second for locks and memory that processes share
            if LIBC.mount(b"tmpfs", place, b"tmpfs", 0, size):
                lost.add("files")
        if LIBC.mount(b"proc", b"/proc", b"proc", READ_ONLY, None) and LIBC.mount(
            b"tmpfs", b"/proc", b"tmpfs", READ_ONLY, b"size=4096"
        ):
            lost.add("processes")
    os.chdir(folder)
    if ON_LINUX:
        LIBC.capset((ctypes.c_uint32 * 2)(CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)())
    for limit, value in (
        (resource.RLIMIT_CPU, task["cpu_s"]),
        (resource.RLIMIT_AS, task["memory_bytes"]),
        (resource.RLIMIT_FSIZE, task["file_bytes"]),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, MOST_PROCESSES if kept else 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # not every system has every limit
            resource.setrlimit(limit, (value, value))
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    return [name for name in kept if name not in lost]


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


def follow(worker: int, readable: int, wall_s: float) -> tuple[bytes, int, float]:
    """What the worker wrote, its wait status and its CPU seconds.

    It is killed where it takes longer than `wall_s` (status `OVERRAN`) or writes more than a verdict
    (`FLOODED`).
    """
    end, killed, pause, reply = time.monotonic() + wall_s, 0, 0.001, b""
    os.set_blocking(readable, False)
    is_open = True
    while True:
        pid, status, used = os.wait4(worker, os.WNOHANG if not killed else 0)
        while is_open and len(reply) <= LARGEST_REPLY:
            try:
                some = os.read(readable, LARGEST_REPLY)
            except BlockingIOError:
                break
            is_open = bool(some)
            reply += some
        if pid:
            return reply, killed or status, used.ru_utime + used.ru_stime
        if len(reply) > LARGEST_REPLY or time.monotonic() > end:
            killed = FLOODED if len(reply) > LARGEST_REPLY else OVERRAN
            os.kill(worker, signal.SIGKILL)
        elif is_open:
            select.select([readable], [], [], pause)
        else:
            time.sleep(pause)
        pause = min(2 * pause, 0.02)


if __name__ == "__main__":
    main()
