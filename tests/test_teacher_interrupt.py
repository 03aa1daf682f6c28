"""Ctrl-C: what is paid for is waited for, a second one drops it, and nothing that came is lost."""

import asyncio
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from scripted_server import Body, Say, ScriptedServer, solve
from solve_requests import committed, request, solve_late

from stat_train.errors import Interrupted
from stat_train.teacher import commits, sending
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sending, "BACKOFF_S", 0.005)


def teacher_of(server: ScriptedServer, folder: Path) -> Teacher:
    return Teacher(
        TeacherOptions(endpoint="http://s/v1", model="m", max_in_flight=4), folder / "c", app=server
    )


def interrupted(
    teacher: Teacher,
    server: ScriptedServer,
    *,
    asked: int,
    times: int = 1,
    rows: int = 100,
    notebook: bool = False,
) -> str:
    """What `teacher` says, asked for so many rows, of Ctrl-C pressed so many times once the server was
    asked so often; in a `notebook` an event loop runs already."""

    def press() -> None:
        while len(server.bodies) < asked:
            time.sleep(0.01)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)

    def ask() -> None:
        teacher.ask([request(n) for n in range(rows)], label="labelling")

    async def cell() -> None:
        ask()

    presses = threading.Thread(target=press, daemon=True)
    loop = asyncio.new_event_loop()
    presses.start()
    with pytest.raises(Interrupted, match="run the same command again") as caught:
        loop.run_until_complete(cell()) if notebook else ask()
    presses.join()
    loop.close()
    return str(caught.value)


def test_what_is_paid_for_is_waited_for_and_it_is_said_how_to_go_on(tmp_path: Path, capsys):
    server = ScriptedServer(solve_late(0.03))
    with teacher_of(server, tmp_path) as teacher:
        interrupted(teacher, server, asked=12, rows=1000)
        done = teacher.usage.requests
        assert 12 <= done < 1000
        assert len(server.bodies) == len(committed(tmp_path / "c")) == done
        assert "labelling: stopping; waiting for 4 answers under way" in capsys.readouterr().err
        assert teacher.ask([request(n) for n in range(done // 2)])[0].status == "ok"


def test_pressed_again_it_goes_without_what_is_under_way(tmp_path: Path):
    server = ScriptedServer(solve_late(600.0, after=8))
    with teacher_of(server, tmp_path) as teacher:
        assert "8 new answers are kept" in interrupted(teacher, server, asked=12, times=2)
    assert len(committed(tmp_path / "c")) == 8


def test_retries_and_pauses_end(tmp_path: Path):
    def script(body: Body, n: int) -> Say:
        return Say("busy", status=429, headers={"retry-after": "600"}) if n else Say("nonsense", delay=0.3)

    server = ScriptedServer(script)
    with teacher_of(server, tmp_path) as teacher:
        assert "1 new answers are kept" in interrupted(teacher, server, asked=3)


def test_no_second_attempt_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sending, "BACKOFF_S", 600.0)
    server = ScriptedServer(lambda body, n: Say("down", status=500, delay=1.0))
    with teacher_of(server, tmp_path) as teacher:
        assert "0 new answers are kept" in interrupted(teacher, server, asked=4)
    assert len(server.bodies) == 4


def test_pressed_twice_while_answers_wait_to_be_committed_it_keeps_them(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(commits, "GATHER_S", 2.0)
    server = ScriptedServer(lambda body, n: solve(body))
    with teacher_of(server, tmp_path) as teacher:
        assert "new answers are kept" in interrupted(teacher, server, asked=4, times=2)
        assert 4 <= teacher.usage.requests == len(committed(tmp_path / "c"))
        monkeypatch.setattr(commits, "GATHER_S", 0.004)
        results = teacher.ask([request(n) for n in range(50)])  # no lease is left
    assert [result.status for result in results] == ["ok"] * 50


@pytest.mark.parametrize(("times", "kept"), [(1, 8), (2, 4)])
def test_in_a_notebook(times: int, kept: int, tmp_path: Path):
    """What is under way comes in a second and a half, after a second Ctrl-C."""
    server = ScriptedServer(solve_late(1.5, after=4))
    with teacher_of(server, tmp_path) as teacher:
        said = interrupted(teacher, server, asked=8, times=times, notebook=True)
        assert f"{kept} new answers are kept" in said
        assert teacher.ask([request(n) for n in range(kept)])[0].status == "ok"
    assert len(server.bodies) == 8
