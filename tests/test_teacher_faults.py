"""What must hold whatever happens: accounting under faults, the budget, kill -9, two processes."""

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_server import Body, Say, ScriptedServer, completion, serve, solve
from solve_requests import committed, question, request, solve_late

from stat_train.errors import Unfinished, UserError
from stat_train.teacher import commits, sending
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions

FAULTS = [
    Say("slow down", status=429),
    Say("slow down", status=429, headers={"retry-after": "0.01"}),
    Say("oops", status=500),
    Say("x" * 50, reset=True),
    Say("never", delay=30, completion_tokens=64),
    Say('{"answers": [{', completion_tokens=64),
    Say('{"answers": []}', finish_reason="length", completion_tokens=64),
    Say('{"wrong": 1}'),
    Say(""),
]


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sending, "BACKOFF_S", 0.005)


def faulty(rate: float, seed: int):
    draw = random.Random(seed)

    def script(body, n):
        return draw.choice(FAULTS) if draw.random() < rate else solve(body)

    return script


def test_under_faults_every_row_is_accounted_for_in_order(tmp_path: Path):
    server = ScriptedServer(faulty(0.3, seed=1))
    options = TeacherOptions(endpoint="http://s/v1", model="m", timeout_s=0.3, max_attempts=4)
    with Teacher(options, tmp_path / "c", app=server) as teacher:
        results = teacher.ask([request(n) for n in range(300)])
    assert len(results) == 300
    for n, result in enumerate(results):
        if result.status == "ok":
            assert result.answer.answers[0].answer == str(n)
        else:
            assert result.reason
    assert sum(result.status == "ok" for result in results) > 270
    with Teacher(options, tmp_path / "c", app=ScriptedServer(solve)) as teacher:
        again = teacher.ask([request(n) for n in range(300)])
        assert teacher.usage.requests == sum(result.status == "owed" for result in results)
    assert [r.status for r in again] == ["ok" if r.status == "owed" else r.status for r in results]


def billed(server: ScriptedServer, says: list[Say]) -> int:
    """Tokens that a server would bill: of all it answered, wanted to answer, or was cut off answering."""
    return sum(say.prompt_tokens + say.completion_tokens for say in says if say.status == 200)


@pytest.mark.parametrize("seed", range(3))
def test_the_budget_is_never_exceeded_even_under_faults(seed: int, tmp_path: Path):
    says: list[Say] = []
    inner = faulty(0.3, seed)

    def script(body, n):
        say = inner(body, n)
        says.append(say)
        return say

    def run(budget: int):
        server = ScriptedServer(script)
        options = TeacherOptions(
            endpoint="http://s/v1",
            model="m",
            timeout_s=0.1,
            max_tokens=64,
            max_in_flight=16,
            budget_tokens=budget,
        )
        with Teacher(options, tmp_path / "c", app=server, run="demo") as teacher:
            return teacher.ask([request(n) for n in range(200)])

    for budget in (5_000, 5_000, 12_000):
        with pytest.raises(Unfinished, match="budget is reached"):
            run(budget)
        assert billed(None, says) <= budget
    assert billed(None, says) > 1_000
    results = run(10_000_000)
    assert len(results) == 200
    assert not [result for result in results if result.status == "owed"]


@pytest.mark.parametrize("gather_s", [commits.GATHER_S, 0.2])
def test_a_budget_in_dollars_stops_and_goes_on(tmp_path: Path, monkeypatch, gather_s: float):
    """However slowly answers are committed: those that are here when the budget is reached are kept."""
    monkeypatch.setattr(commits, "GATHER_S", gather_s)
    (tmp_path / "prices.yaml").write_text("models: {m: {input: 100.0, output: 1000.0}}")
    server = ScriptedServer(solve)

    def run(usd: float):
        options = TeacherOptions(
            endpoint="http://s/v1", model="m", max_tokens=10, budget_usd=usd, prices=tmp_path / "prices.yaml"
        )
        with Teacher(options, tmp_path / "c", app=server, run="demo") as teacher:
            return teacher.ask([request(n) for n in range(20)]), teacher.usage

    with pytest.raises(Unfinished, match="budget_usd"):
        run(0.15)
    done = len(server.bodies)
    assert 0 < done < 20
    assert done * 0.006 <= 0.15
    results, usage = run(1.0)
    assert all(result.status == "ok" for result in results)
    assert usage.cached == done
    assert usage.usd == pytest.approx((20 - done) * 0.006)
    assert len(server.bodies) == 20


def test_two_teachers_of_a_run_spend_one_budget(tmp_path: Path):
    server = ScriptedServer(lambda body, n: replace(solve(body), prompt_tokens=500, completion_tokens=500))
    options = TeacherOptions(
        model="m", endpoint="http://x/v1", budget_tokens=20_000, max_tokens=500, max_in_flight=1
    )
    one, two = (Teacher(options, tmp_path / "c", server, "r") for _ in range(2))
    for teacher, first in ((one, 0), (two, 100), (one, 200)):
        with pytest.raises(Unfinished, match="budget is reached"):
            teacher.ask([request(first + n) for n in range(100)])
    one.close()
    two.close()
    assert len(server.bodies) <= 20


def test_an_estimate_needs_no_network_and_knows_the_cache(tmp_path: Path):
    (tmp_path / "prices.yaml").write_text("models: {m: {input: 1.0, output: 10.0}}")
    server = ScriptedServer(solve)
    options = TeacherOptions(
        endpoint="http://s/v1", model="m", max_tokens=50, prices=tmp_path / "prices.yaml"
    )
    with Teacher(options, tmp_path / "c", app=server) as teacher:
        teacher.ask([request(n) for n in range(4)])
        estimate = teacher.estimate(request(n) for n in range(10))
    assert len(server.bodies) == 4
    assert (estimate.requests, estimate.cached, estimate.completion_tokens_max) == (10, 4, 300)
    sent = [server.bodies[0]["messages"], server.bodies[0]["response_format"]["json_schema"]["schema"]]
    assert estimate.prompt_tokens == pytest.approx(
        6 * len(json.dumps(sent, separators=(",", ":"))) / 4, rel=0.02
    )
    assert estimate.usd == pytest.approx((estimate.prompt_tokens + 3000) / 1e6)
    with Teacher(TeacherOptions(endpoint="http://s/v1", model="unheard-of"), tmp_path / "c") as teacher:
        assert teacher.estimate([request(1)]).usd is None


RUN = """
import sys
sys.path[:0] = [{tests!r}, {repo!r}]
from pathlib import Path
from solve_requests import request
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions
options = TeacherOptions(endpoint=sys.argv[1], model="m", max_in_flight=8)
with Teacher(options, Path(sys.argv[2])) as teacher:
    results = teacher.ask([request(n) for n in range(int(sys.argv[3]))])
    print(sum(result.status == "ok" for result in results))
"""


def start(url: str, cache: Path, rows: int) -> subprocess.Popen:
    tests = Path(__file__).parent
    code = RUN.format(tests=str(tests), repo=str(tests.parent))
    return subprocess.Popen(
        [sys.executable, "-c", code, url, str(cache), str(rows)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(server: ScriptedServer, requests: int) -> None:
    deadline = time.monotonic() + 30
    while len(server.bodies) < requests:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_after_kill_9_no_committed_answer_is_asked_again(tmp_path: Path):
    path, server = tmp_path / "c", ScriptedServer(solve_late(0.03))
    with serve(server) as url:
        for requests in (20, 60):
            process = start(url, path, 150)
            wait_for(server, requests)
            process.send_signal(signal.SIGKILL)
            process.wait()
        time.sleep(0.1)
        kept, asked = committed(path), len(server.bodies)
        assert len(kept) >= 20
        out, err = start(url, path, 150).communicate(timeout=60)
    assert out == "150\n", err
    assert not kept & set(map(question, server.bodies[asked:]))
    assert len(server.bodies) <= 150 + 2 * (8 + 8)  # two kills: 8 in flight, 8 being committed
    assert len(committed(path)) == 150


def test_two_processes_never_ask_the_same(tmp_path: Path):
    server = ScriptedServer(solve_late(0.03))
    with serve(server) as url:
        both = [start(url, tmp_path / "c", 300) for _ in range(2)]
        for process in both:
            out, err = process.communicate(timeout=60)
            assert out == "300\n", err
    assert sorted(map(question, server.bodies)) == list(range(300))


def test_a_disk_that_fills_up_stops_with_one_line(tmp_path: Path):
    def big(body: Body, n: int) -> Say:
        answer = {"answers": [{"id": "q1", "solution": "x" * 20_000, "answer": "1"}]}
        return Say(json.dumps(answer))

    options = TeacherOptions(endpoint="http://s/v1", model="m")
    teacher = Teacher(options, tmp_path / "c", app=ScriptedServer(big))
    teacher._cache._db.execute("PRAGMA max_page_count=40")
    with pytest.raises(UserError, match="full"):
        teacher.ask([request(n) for n in range(500)])


def test_the_scripted_server_speaks_the_protocol():
    """The fake is held to the real client's own types, so that tests against it mean something."""
    from openai.types.chat import ChatCompletion

    said = completion(Say("hello"), {"model": "m"})
    assert ChatCompletion.model_validate(said).choices[0].message.content == "hello"
