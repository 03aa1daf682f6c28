"""mode: batch, against a server that speaks files and batches: partial results, repairs, kill -9, budget."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from batch_server import BatchServer, Ending, shown
from pydantic import ValidationError
from scripted_server import Say, ScriptedServer, serve, solve
from solve_requests import answers, question, request

from stat_train.errors import Interrupted, Unfinished, UserError
from stat_train.teacher import batch_api
from stat_train.teacher.batch_api import BatchApi
from stat_train.teacher.cache import Cache
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions

URL = "http://batches/v1"


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batch_api, "BACKOFF_S", 0.001)


def options(**more) -> TeacherOptions:
    return TeacherOptions(**{"mode": "batch", "endpoint": URL, "model": "m", "batch_poll_s": 0.01, **more})


@pytest.fixture
def ask(tmp_path: Path) -> Callable:
    """ask(server, n, **options) -> (results, usage); always the same cache and run."""

    def run(server, n: int, **more):
        with Teacher(options(**more), tmp_path / "c", app=server, run="demo") as teacher:
            return teacher.ask([request(row) for row in range(n)], label="labelling"), teacher.usage

    return run


def expected(n: int) -> list[str]:
    return [str(row) for row in range(n)]


def test_one_batch_answers_all_in_order_with_progress(ask, capsys):
    server = BatchServer(solve)
    results, usage = ask(server, 30)
    assert answers(results) == expected(30)
    assert server.sizes == [30]
    assert (usage.requests, usage.cached, usage.prompt_tokens) == (30, 0, 300)
    body = server.asked[0]
    assert body["response_format"]["json_schema"]["name"] == "solve"
    said = capsys.readouterr().err.splitlines()
    for status in ("in_progress", "finalizing", "completed"):
        assert any(line.startswith(f"labelling: batch batch_0 {status}") for line in said)
    assert any("30 of 30 answered" in line for line in said)


def test_batches_and_requests_share_answers(ask, tmp_path: Path):
    ask(BatchServer(solve), 10)
    plain = ScriptedServer(solve)
    with Teacher(options(mode="requests"), tmp_path / "c", app=plain) as teacher:
        results = teacher.ask([request(n) for n in range(12)])
    assert answers(results) == expected(12)
    assert sorted(map(question, plain.bodies)) == [10, 11]
    server = BatchServer(solve)
    assert answers(ask(server, 13)[0]) == expected(13)
    assert server.sizes == [1]


def test_equal_requests_are_one_line_of_a_batch(ask, tmp_path: Path):
    server = BatchServer(solve)
    with Teacher(options(), tmp_path / "c", app=server) as teacher:
        assert answers(teacher.ask([request(3)] * 5)) == ["3"] * 5
    assert server.sizes == [1]


@pytest.mark.parametrize("status", ["expired", "cancelled", "failed"])
def test_partial_results_are_kept_and_only_the_rest_is_sent_again(ask, status: str):
    server = BatchServer(solve, endings=[Ending(status, answered=12)])
    results, _ = ask(server, 30)
    assert answers(results) == expected(30)
    assert server.sizes == [30, 18]
    assert sorted(map(question, server.asked)) == list(range(30))


def test_invalid_answers_are_repaired_in_a_further_batch_then_quarantined(ask):
    def script(body, n):
        if question(body) % 3:
            return solve(body)
        if question(body) == 3 and len(body["messages"]) > 2:
            return solve({"messages": [{}, body["messages"][1]]})
        return Say('{"wrong": 1}')

    server = BatchServer(script)
    results, usage = ask(server, 9)
    assert answers(results) == [None, "1", "2", "3", "4", "5", None, "7", "8"]
    assert [result.status for result in results].count("quarantined") == 2
    assert server.sizes == [9, 3]
    assert usage.requests == 12
    assert "not valid" in server.asked[-1]["messages"][-1]["content"]
    again = BatchServer(script)
    assert answers(ask(again, 9)[0]) == answers(results)
    assert again.sizes == []


def test_a_teacher_whose_batches_hold_no_readable_answer_stops(ask):
    for _ in range(2):
        with pytest.raises(UserError, match="no answer to the first 20 requests can be read"):
            ask(BatchServer(lambda body, n: Say("In prose.")), 20)


def test_a_row_that_no_batch_answers_is_owed(ask):
    def script(body, n):
        return Say("overloaded", status=500) if question(body) == 4 else solve(body)

    server = BatchServer(script)
    results, _ = ask(server, 6)
    assert [result.status for result in results] == ["ok"] * 4 + ["owed", "ok"]
    assert "overloaded" in results[4].reason
    assert server.sizes == [6, 1, 1]
    assert answers(ask(BatchServer(solve), 6)[0]) == expected(6)


def test_a_refused_row_is_quarantined_and_a_refused_batch_stops(ask):
    def script(body, n):
        return Say("bad image", status=400) if question(body) == 1 else solve(body)

    results, _ = ask(BatchServer(script), 3)
    assert [result.status for result in results] == ["ok", "quarantined", "ok"]
    assert "bad image" in results[1].reason
    with pytest.raises(UserError, match="no such model"):
        ask(BatchServer(lambda body, n: Say("no such model", status=404)), 5)
    failed = Ending("failed", errors=[{"code": "token_limit_exceeded", "message": "Enqueued token limit"}])
    with pytest.raises(UserError, match="Enqueued token limit"):
        ask(BatchServer(solve, endings=[failed]), 5)
    assert answers(ask(BatchServer(solve), 5)[0])[3:] == ["3", "4"]


def test_the_dialect_is_learned_from_a_batch(ask):
    def script(body, n):
        if "max_tokens" in body:
            return Say("Unsupported parameter: 'max_tokens', use 'max_completion_tokens'", status=400)
        if "response_format" in body:
            return Say("response_format is not supported here", status=400)
        return solve(body)

    server = BatchServer(script)
    results, _ = ask(server, 4)
    assert answers(results) == expected(4)
    assert server.sizes == [4, 4, 4, 4]  # tokens field, json_schema, json_object, text
    assert "JSON schema" in server.asked[-1]["messages"][0]["content"]


def test_a_budget_is_held_before_a_batch_is_sent_and_bounds_it(ask, tmp_path: Path):
    server = BatchServer(solve)
    with pytest.raises(Unfinished, match="budget is reached"):
        ask(server, 100, max_tokens=50, budget_tokens=1_800)
    assert server.sizes[0] in (1, 2)  # as many as fit at their most
    assert 2 < len(server.asked) < 100
    cache = Cache(tmp_path / "c")
    assert cache.spent("demo") == (15 * len(server.asked), 0.0)
    cache.close()
    assert answers(ask(server, 100, max_tokens=50, budget_tokens=1_000_000)[0]) == expected(100)
    assert len(server.asked) == 100


def test_a_batch_under_way_counts_against_the_budget_of_the_next_process(ask, tmp_path: Path):
    server = BatchServer(solve, paused=True)
    _interrupt_once_sent(server)
    with pytest.raises(Unfinished):
        ask(server, 5, max_tokens=50, budget_tokens=100_000)
    cache = Cache(tmp_path / "c")
    held, _ = cache.spent("demo")
    assert held > 5 * 50
    cache.close()
    server.paused = False
    assert answers(ask(server, 5, max_tokens=50, budget_tokens=held)[0]) == expected(5)
    cache = Cache(tmp_path / "c")
    assert cache.spent("demo") == (5 * 15, 0.0)
    cache.close()


def test_a_batch_may_have_a_price_of_its_own(ask, tmp_path: Path):
    table = tmp_path / "prices.yaml"
    table.write_text("models: {m: {input: 100.0, output: 1000.0, batch: {input: 50.0, output: 500.0}}}")
    _, usage = ask(BatchServer(solve), 2, prices=table)
    assert usage.usd == pytest.approx(2 * 0.003)
    with Teacher(
        options(mode="requests", prices=table), tmp_path / "d", app=ScriptedServer(solve)
    ) as teacher:
        teacher.ask([request(0)])
        assert teacher.usage.usd == pytest.approx(0.006)


def test_a_batch_made_unheard_is_found_by_our_mark_and_not_made_again(ask):
    server = BatchServer(solve, lose_create=True)
    for _ in range(3):  # others' batches, newer ones too: paging
        server.batches[f"other_{_}"] = {"id": f"other_{_}", "object": "batch", "status": "completed",
            "created_at": int(time.time()), "endpoint": "/v1/embeddings", "input_file_id": "f",
            "completion_window": "24h", "metadata": None}  # fmt: skip
    assert answers(ask(server, 7)[0]) == expected(7)
    assert server.sizes == [7]
    assert server.calls.count("POST /batches") == 1


def _interrupt_once_sent(server: BatchServer) -> threading.Thread:
    def interrupt() -> None:
        while not any(batch["status"] == "in_progress" for batch in server.batches.values()):
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    return thread


def test_ctrl_c_leaves_the_batch_running_and_says_how_to_go_on(ask):
    server = BatchServer(solve, paused=True)
    _interrupt_once_sent(server)
    with pytest.raises(Interrupted, match=r"batch_0 goes on .* run the same command again"):
        ask(server, 8)
    server.paused = False
    assert answers(ask(server, 8)[0]) == expected(8)
    assert server.sizes == [8]


def test_a_batch_of_other_rows_too_is_collected_whole(ask):
    server = BatchServer(solve, paused=True)
    _interrupt_once_sent(server)
    with pytest.raises(Unfinished):
        ask(server, 8)
    server.paused = False
    assert answers(ask(server, 3)[0]) == expected(3)
    assert answers(ask(server, 10)[0]) == expected(10)
    assert server.sizes == [8, 2]


def test_two_runs_that_wait_for_one_batch_send_no_other(ask, tmp_path: Path, monkeypatch):
    server = BatchServer(solve, paused=True)
    _interrupt_once_sent(server)
    with pytest.raises(Unfinished):
        ask(server, 4)
    found: dict[str, list[str | None]] = {}

    def collect(run: str, rows: range) -> None:
        with Teacher(options(), tmp_path / "c", app=server, run=run) as teacher:
            found[run] = answers(teacher.ask([request(row) for row in rows], label=run))

    look, looking = BatchApi.state, set[int]()

    async def seen(api, *given):
        looking.add(id(api))
        return await look(api, *given)

    monkeypatch.setattr(BatchApi, "state", seen)
    runs = [threading.Thread(target=collect, args=(str(rows), rows)) for rows in (range(2), range(2, 4))]
    for thread in runs:
        thread.start()
    while len(looking) < 2 and all(map(threading.Thread.is_alive, runs)):
        time.sleep(0.01)
    server.paused = False
    for thread in runs:
        thread.join()
    assert found == {"range(0, 2)": ["0", "1"], "range(2, 4)": ["2", "3"]}
    assert server.sizes == [4]


def test_a_batch_is_billed_to_who_sent_it_whoever_collects_it(tmp_path: Path):
    server = BatchServer(solve, paused=True)
    _interrupt_once_sent(server)

    def ask(rows: range, payer: str):
        with Teacher(options(), tmp_path / "c", app=server, payer=payer) as teacher:
            teacher.ask([request(row) for row in rows])
            return teacher.usage.requests, teacher.usage.cached

    with pytest.raises(Unfinished):
        ask(range(8), "sender")
    server.paused = False
    assert ask(range(2), "collector") == (0, 2)
    assert ask(range(8), "sender") == (8, 0)
    assert server.sizes == [8]


@pytest.mark.parametrize("gone", ["batch", "file"])
def test_a_batch_that_is_gone_counts_as_spent_and_its_rows_are_sent_again(ask, gone, tmp_path: Path, capsys):
    server = BatchServer(solve, paused=True)
    _interrupt_once_sent(server)
    with pytest.raises(Unfinished):
        ask(server, 5, max_tokens=50)
    cache = Cache(tmp_path / "c")
    held, _ = cache.spent("demo")
    if gone == "batch":
        del server.batches["batch_0"]
        server.batches["batch_x"] = server.batches.pop("batch_0", {}) | {"id": "batch_x", "metadata": None,
            "object": "batch", "status": "completed", "created_at": 0, "endpoint": "/v1/chat/completions",
            "input_file_id": "f", "completion_window": "24h"}  # fmt: skip
    else:
        server.batches["batch_0"] |= {"status": "completed", "output_file_id": "deleted"}
    server.paused = False
    assert answers(ask(server, 5, max_tokens=50)[0]) == expected(5)
    assert server.sizes == [5, 5]
    assert cache.spent("demo") == (held + 5 * 15, 0.0)
    cache.close()
    assert "batch batch_0 is gone (No such" in capsys.readouterr().err


RUN = """
import sys
sys.path[:0] = [{tests!r}, {repo!r}]
from pathlib import Path
from solve_requests import answers, request
from test_teacher_batch import options
from stat_train.teacher.client import Teacher
with Teacher(options(endpoint=sys.argv[1]), Path(sys.argv[2]), run="demo") as teacher:
    print(*answers(teacher.ask([request(n) for n in range(25)])))
"""


def start(url: str, cache: Path) -> subprocess.Popen:
    tests = Path(__file__).parent
    code = RUN.format(tests=str(tests), repo=str(tests.parent))
    return subprocess.Popen(
        [sys.executable, "-c", code, url, str(cache)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("moment", ["POST /files", "POST /batches", "GET /batches/batch_0"])
def test_a_run_killed_at_any_moment_finds_its_batch_again(moment: str, tmp_path: Path):
    server = BatchServer(solve, paused=True)
    with serve(server) as url:
        process = start(url, tmp_path / "c")
        deadline = time.monotonic() + 30
        while moment not in server.calls:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        server.paused = False
        out, err = start(url, tmp_path / "c").communicate(timeout=60)
    assert out.split() == expected(25), err
    assert sorted(map(question, server.asked)) == list(range(25))


def test_the_batch_server_speaks_the_protocol():
    """The fake is held to the real client's own types."""
    from openai.types import Batch

    server = BatchServer(solve)
    file = server._keep(b'{"custom_id": "1", "method": "POST", "url": "/v1/x", "body": {}}')
    asked = {"input_file_id": file, "endpoint": "/v1/x", "completion_window": "24h", "metadata": {}}
    _, made = server._create(asked)
    assert Batch.model_validate(made).status == "validating"
    server.endings.append(Ending("failed", errors=[{"code": "c", "message": "m", "line": 1}]))
    _, made = server._create(asked)
    server._move(server.batches[made["id"]])
    assert Batch.model_validate(shown(server.batches[made["id"]])).errors.data[0].message == "m"


@pytest.mark.parametrize("wrong", [{"endpoint": "tutor"}, {"endpoint": (URL, "http://b/v1")}])
def test_a_batch_needs_one_endpoint(wrong):
    with pytest.raises(ValidationError, match="one endpoint"):
        options(**wrong)
