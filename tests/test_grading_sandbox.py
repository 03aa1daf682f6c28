"""How answers that are programs are shut in: what is out of reach, and what is done where nothing is."""

import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stat_train.errors import UserError
from stat_train.grading import sandbox
from stat_train.grading.grader import Grader
from stat_train.grading.sandbox import Sandbox
from stat_train.grading.syscall_filter import syscall_filter

TESTS = "assert double(2) == 4"
RIGHT = "def double(x):\n    return 2 * x"
NO_NAMESPACES = """
import importlib.util
spec = importlib.util.spec_from_file_location("shut", {program!r})
shut = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shut)
class Kernel:
    def __init__(self, kernel): self.kernel = kernel
    def __getattr__(self, name): return getattr(self.kernel, name)
    def unshare(self, what): return -1
shut.LIBC = Kernel(shut.LIBC)
shut.main()
"""


@pytest.fixture(scope="module")
def shut() -> Iterator[Sandbox]:
    with Grader("code", timeout_s=2.0, workers=1) as grader:
        its = grader._pool
        assert isinstance(its, Sandbox)
        try:
            its.run([(RIGHT, TESTS)])
        except UserError as error:
            pytest.skip(str(error))
        yield its


def raised(shut: Sandbox, code: str) -> str:
    [(verdict, reason)] = shut.run([(code, "pass")])
    assert verdict == "wrong", f"{code} went through"
    return reason or ""


def test_no_socket_is_made_or_joined_not_even_one_that_is_a_file(shut: Sandbox, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        server.setblocking(False)
        for made in (
            "socket(AF_UNIX)",
            f"socket(AF_UNIX).connect({str(tmp_path / 's')!r})",
            "socket(AF_INET)",
            "socket(40, SOCK_STREAM)",
            "socketpair(AF_UNIX, SOCK_DGRAM)",
        ):
            assert "Operation not permitted" in raised(shut, f"from socket import *\n{made}")
        with pytest.raises(BlockingIOError):
            server.accept()
    ring = "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nassert l.syscall(425, 1, None) < 0\n"
    assert raised(shut, f"{ring}raise OSError(ctypes.get_errno())") == "OSError: 1"


@pytest.mark.parametrize(
    "code",
    [
        "import asyncio\nasync def one(): return 1\nassert asyncio.run(one()) == 1",
        "from concurrent.futures import ThreadPoolExecutor\n"
        "assert list(ThreadPoolExecutor(8).map(abs, [-1])) == [1]",
        "import subprocess, sys\n"
        "assert subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout == b'1\\n'",
        "from multiprocessing import Lock, Pool\nwith Pool(2) as pool, Lock():\n"
        "    assert pool.map(abs, [-1, 2]) == [1, 2]",
        "assert open('/dev/stdin').read() == ''\nopen('/dev/stdout', 'w').write('x')\n"
        "assert len(open('/dev/urandom', 'rb').read(4)) == 4\nopen('/dev/null', 'w').write('x')",
    ],
    ids=["asyncio", "threads", "subprocess", "multiprocessing", "devices"],
)
def test_what_a_program_may_well_use_works(shut: Sandbox, code: str) -> None:
    assert shut.run([(code, "pass")]) == [("correct", None)]


def test_shared_memory_is_limited_as_files_are(shut: Sandbox) -> None:
    parts = "for part in 'ab':\n    open('/dev/shm/' + part, 'wb').write(bytes(9 << 20))"
    assert "No space left" in raised(shut, parts)


def test_a_program_that_ended_while_this_process_was_stopped_has_its_verdict(
    shut: Sandbox, monkeypatch
) -> None:
    communicate, asked = subprocess.Popen.communicate, []

    def late(process, *given, timeout=None):
        asked.append(timeout)
        if timeout is None:
            return communicate(process)
        process.stdin.write(*given)
        process.stdin.close()
        process.stdin = None
        process.wait()
        raise subprocess.TimeoutExpired("answer", timeout)

    monkeypatch.setattr(subprocess.Popen, "communicate", late)
    assert shut.run([(RIGHT, TESTS)]) == [("correct", None)]
    assert len(asked) == 2


def test_an_interrupt_waits_for_no_program(shut: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    its = Sandbox(size=2, cpu_seconds=5)
    started, running = threading.Event(), []
    run = its._run

    def interrupted(pair):
        if pair[0] == "interrupt":
            started.wait(10)
            while not its._running:
                time.sleep(0.01)
            running.extend(its._running)
            raise KeyboardInterrupt
        started.set()
        return run(pair)

    monkeypatch.setattr(its, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        its.run([("interrupt", "pass"), ("import time\ntime.sleep(15)", "pass")])
    assert [process.returncode for process in running] == [-signal.SIGKILL]


def test_no_terminal_disk_or_setting_of_the_machine_can_be_opened(shut: Sandbox) -> None:
    assert "['fd', 'full', 'null'," in raised(shut, "import os\nraise OSError(sorted(os.listdir('/dev')))")
    for path in ("/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj", "/dev/x"):
        assert "OSError: [Errno 30]" in raised(shut, f"open({path!r}, 'w')")


def test_the_kernel_ends_the_program_before_the_run(shut: Sandbox) -> None:
    assert raised(shut, "raise OSError(open('/proc/self/oom_score_adj').read().strip())") == "OSError: 1000"
    limit = "import resource\nraise OSError(resource.getrlimit(resource.RLIMIT_NPROC))"
    assert raised(shut, limit) == "OSError: (32, 32)"


def test_a_program_that_floods_its_verdict_is_wrong_at_once(shut: Sandbox) -> None:
    flood = (
        "import os\nfor number in range(3, 10):\n"
        "    try: os.write(number, b'x' * 100_000)\n    except OSError: pass\n"
    )
    for end in (RIGHT, "import time\ntime.sleep(99)"):
        [(verdict, reason)] = shut.run([(flood + end, "pass")])
        assert (verdict, reason) == ("wrong", "the program wrote where its verdict is written")


def without_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that lets us have none."""
    program = tmp_path / "program.py"
    program.write_text(NO_NAMESPACES.format(program=str(sandbox.PROGRAM)))
    monkeypatch.setattr(sandbox, "PROGRAM", program)


def test_nothing_is_run_where_it_cannot_be_shut_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_namespaces(tmp_path, monkeypatch)
    monkeypatch.delenv(sandbox.UNSAFE, raising=False)
    trace = tmp_path / "trace"
    with (
        Grader("code", workers=1) as grader,
        pytest.raises(
            UserError, match=r"keep network, processes, files \(and so the keys .* STAT_TRAIN_UNSAFE_CODE=1"
        ) as error,
    ):
        grader.grade([(f"open({str(trace)!r}, 'w')\n{RIGHT}", TESTS)])
    assert "\n" not in str(error.value)
    assert not trace.exists()


def test_whoever_asks_for_it_runs_programs_that_are_not_shut_in_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    without_namespaces(tmp_path, monkeypatch)
    monkeypatch.setenv(sandbox.UNSAFE, "1")
    with Grader("code", workers=1) as grader:
        assert grader.grade([(RIGHT, TESTS), (f"{RIGHT} + 1", TESTS)]) == ["correct", "wrong"]
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 1
    assert "network, processes, files and the keys" in told[0]


def test_a_machine_whose_system_calls_are_not_known_is_not_trusted(
    shut: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.platform, "machine", lambda: "abacus")
    with pytest.raises(UserError, match=r"keep network \(and"):
        Sandbox(size=1, cpu_seconds=1.0).run([(RIGHT, TESTS)])


def test_a_process_that_cannot_be_started_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", full)
    with pytest.raises(UserError, match=r"no process can be started for an answer .*temporarily unavailable"):
        Sandbox(size=1, cpu_seconds=1.0).run([(RIGHT, TESTS)])


X86, ARM = 0xC000003E, 0xC00000B7


@pytest.mark.parametrize(
    ("machine", "call", "allowed"),
    [
        ("x86_64", (X86, 41, 1, 1), False),
        ("x86_64", (X86, 42, 3, 0), False),
        ("x86_64", (X86, 425, 0, 0), False),
        ("x86_64", (X86, 53, 1, 0x80001), True),
        ("x86_64", (X86, 53, 1, 2), False),
        ("x86_64", (X86, 53, 30, 1), False),
        ("x86_64", (X86, 0, 0, 0), True),
        ("x86_64", (X86, 0x40000000, 0, 0), False),
        ("x86_64", (0x40000003, 1, 0, 0), False),
        ("aarch64", (ARM, 198, 1, 1), False),
        ("aarch64", (ARM, 203, 3, 0), False),
        ("aarch64", (ARM, 425, 0, 0), False),
        ("aarch64", (ARM, 199, 1, 1), True),
        ("aarch64", (ARM, 199, 1, 5), False),
        ("aarch64", (ARM, 63, 0, 0), True),
    ],
)
def test_the_filter_of_system_calls(machine: str, call: tuple[int, int, int, int], allowed: bool) -> None:
    program = syscall_filter(machine)
    assert program is not None
    architecture, number, first, second = call
    data = struct.pack("=IIQQQ", number, architecture, 0, first, second)
    steps = list(struct.iter_unpack("=HBBI", program))
    place = loaded = 0
    while steps[place][0] != 0x06:
        code, yes, no, value = steps[place]
        place += 1
        if code == 0x20:
            (loaded,) = struct.unpack_from("=I", data, value)
        elif code == 0x54:
            loaded &= value
        else:
            place += yes if (loaded == value if code == 0x15 else loaded >= value) else no
    assert steps[place][3] == (0x7FFF0000 if allowed else 0x00050001)


def test_the_sandbox_has_no_key(shut: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    look = (
        "import os\nfound = [open(f'/proc/{p}/environ').read() for p in os.listdir('/proc') if p.isdigit()]\n"
        "raise ValueError('secret' in ''.join(found), len(found))"
    )
    assert raised(shut, look) == "ValueError: (False, 1)"
    assert os.environ["OPENAI_API_KEY"] == "secret"
