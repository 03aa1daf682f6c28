"""The teacher against a scripted endpoint: order, dialects, limits, retries, fatal errors."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_server import Say, ScriptedServer, completion, serve, solve
from solve_requests import answers, asking, first_time, question, request

from stat_train.errors import UserError
from stat_train.teacher import sending
from stat_train.teacher.client import Teacher
from stat_train.teacher.commits import Commits
from stat_train.teacher.options import TeacherOptions


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sending, "BACKOFF_S", 0.01)


@pytest.fixture
def ask(tmp_path: Path) -> Callable:
    return asking(tmp_path / "cache.sqlite")


def test_results_come_in_input_order_whatever_comes_first(ask):
    def script(body, n):
        say = solve(body)
        say.delay = 0.02 * (question(body) % 5)
        return say

    results, server, usage = ask(script, (request(n) for n in range(40)), max_in_flight=16)
    assert answers(results) == [str(n) for n in range(40)]
    assert len(server.bodies) == 40
    assert 1 < server.most_open <= 16
    assert (usage.requests, usage.cached, usage.prompt_tokens, usage.completion_tokens) == (40, 0, 400, 200)
    assert usage.usd is None
    assert results[0].usage.asked == 1


def test_the_request_asks_for_the_schema(ask):
    _, server, _ = ask(solve, [request(1, sample=2, temperature=0.7)], top_p=0.9, max_tokens=77)
    body = server.bodies[0]
    assert body["response_format"]["json_schema"]["name"] == "solve"
    assert body["response_format"]["json_schema"]["strict"] is True
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["seed"]) == (0.7, 0.9, 77, 2)
    assert body["messages"] == list(request(1).messages)


def test_no_answer_is_asked_for_twice(ask):
    ask(solve, [request(n) for n in range(10)])
    results, server, usage = ask(solve, [request(n) for n in range(12)], endpoint="http://elsewhere/v1")
    assert answers(results) == [str(n) for n in range(12)]
    assert sorted(map(question, server.bodies)) == [10, 11]
    assert (usage.requests, usage.cached) == (2, 10)
    assert results[3].usage == results[3].usage.__class__(10, 5, 0)


def test_equal_requests_are_asked_once_and_samples_apart(ask):
    results, server, _ = ask(solve, [request(1)] * 20 + [request(1, sample=1)])
    assert answers(results) == ["1"] * 21
    assert len(server.bodies) == 2


TRANSIENT = {
    "429": Say("slow down", status=429),
    "429 with Retry-After": Say("slow down", status=429, headers={"retry-after": "0.05"}),
    "503": Say("overloaded", status=503),
    "500": Say("oops", status=500),
    "reset": Say("x" * 50, reset=True),
    "stall": Say("never", delay=30),
    "no completion": Say(raw=b"<html>gateway</html>"),
    "no choices": Say(raw=b'{"choices": []}'),
}


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_transient_failure_is_retried(kind, ask):
    results, server, usage = ask(first_time(TRANSIENT[kind]), [request(n) for n in range(6)], timeout_s=0.5)
    assert answers(results) == [str(n) for n in range(6)]
    assert len(server.bodies) == 12
    assert usage.requests == 6


@pytest.mark.parametrize("kind", ["429", "500", "no completion"])
def test_a_row_whose_transport_failed_for_good_is_owed_and_asked_again_later(kind, ask):
    def script(body, n):
        return TRANSIENT[kind] if question(body) == 1 else solve(body)

    results, server, _ = ask(script, [request(n) for n in range(3)], max_attempts=3)
    assert [result.status for result in results] == ["ok", "owed", "ok"]
    assert "http://scripted/v1" in results[1].reason
    assert results[1].answer is None
    results, server, _ = ask(solve, [request(n) for n in range(3)])
    assert (answers(results), len(server.bodies)) == (["0", "1", "2"], 1)


def test_a_teacher_that_dies_leaves_the_rest_owed_without_trying_each_row(ask):
    def script(body, n):
        return solve(body) if n < 5 else Say("down", status=502)

    results, server, _ = ask(script, [request(n) for n in range(500)], max_attempts=2, max_in_flight=4)
    assert [result.status for result in results].count("owed") == 495
    assert len(server.bodies) < 60


def test_retry_after_is_honoured_and_concurrency_halves_then_recovers(tmp_path: Path):
    def script(body, n):
        if n == 15:
            return Say("slow down", status=429, headers={"Retry-After": "0.4"})
        say = solve(body)
        say.delay = 0.02
        return say

    server = ScriptedServer(script)
    options = TeacherOptions(endpoint="http://scripted/v1", model="m", max_in_flight=8)
    with Teacher(options, tmp_path / "c", app=server) as teacher:
        results = teacher.ask([request(n) for n in range(150)])
    assert all(result.status == "ok" for result in results)
    pauses = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    resumed = next(n for n, pause in enumerate(pauses) if n >= 15 and pause >= 0.35) + 1
    assert max(server.opens[:resumed]) == 8
    assert max(server.opens[resumed : resumed + 8]) <= 5
    assert max(server.opens[-30:]) >= 7


def test_requests_a_minute_are_paced(ask):
    start = time.monotonic()
    ask(solve, [request(n) for n in range(6)], requests_per_minute=60 / 0.04)
    assert time.monotonic() - start >= 0.2


def test_tokens_a_minute_are_paced(ask):
    start = time.monotonic()
    ask(solve, [request(n) for n in range(4)], tokens_per_minute=60 * 10_000, max_tokens=1000)
    assert time.monotonic() - start >= 0.1


def test_the_pace_holds_over_several_askings_and_for_servers_that_do_not_count(tmp_path: Path):
    server = ScriptedServer(lambda body, n: replace(solve(body), prompt_tokens=0, completion_tokens=0))
    limits = {"requests_per_minute": 60 / 0.04, "tokens_per_minute": 60 * 10_000, "max_tokens": 1000}
    options = TeacherOptions(model="m", endpoint="http://scripted/v1", **limits)
    start = time.monotonic()
    with Teacher(options, tmp_path / "c", app=server) as teacher:
        for n in range(4):
            teacher.ask([request(n)])
    assert time.monotonic() - start >= 0.3


def without(*formats: str, message: str = "response_format is not supported here"):
    def script(body, n):
        if body.get("response_format", {}).get("type", "text") in formats:
            return Say(message, status=400)
        return solve(body)

    return script


@pytest.mark.parametrize("message", ["response_format: unsupported", "Bad request"])
@pytest.mark.parametrize(
    ("missing", "used"),
    [((), "json_schema"), (("json_schema",), "json_object"), (("json_schema", "json_object"), "text")],
)
def test_an_endpoint_without_schemas_is_asked_in_words(missing, used, message, ask):
    results, server, _ = ask(
        without(*missing, message=message), [request(n) for n in range(30)], max_in_flight=4
    )
    assert answers(results) == [str(n) for n in range(30)]
    last = server.bodies[-1]
    assert last.get("response_format", {}).get("type", "text") == used
    assert ('"required":["answers"]' in last["messages"][0]["content"]) == (used != "json_schema")
    assert len(server.bodies) <= 30 + 4 * len(missing)


def test_a_fixed_structure_is_not_negotiated(ask):
    with pytest.raises(UserError, match="response_format is not supported here"):
        ask(without("json_schema"), [request(1)], structured="json_schema")
    _, server, _ = ask(solve, [request(1)], structured="text")
    assert "response_format" not in server.bodies[0]


def test_models_that_want_max_completion_tokens_or_no_seed_get_their_way(ask):
    def script(body, n):
        if "max_tokens" in body:
            return Say("Unsupported parameter: use 'max_completion_tokens' instead", status=400)
        if "seed" in body:
            return Say("unknown field: seed", status=422)
        return solve(body)

    results, server, _ = ask(script, [request(1, sample=3)])
    assert answers(results) == ["1"]
    assert server.bodies[-1]["max_completion_tokens"] == 4096
    assert server.bodies[-1]["response_format"]["type"] == "json_schema"


def test_a_request_refused_among_accepted_ones_is_its_own_rows_problem(ask):
    def script(body, n):
        if question(body) == 7:
            return Say("content management policy", status=400)
        if question(body) == 0:
            return Say("This model's maximum context length is 8192 tokens", status=400)
        return solve(body)

    results, _, _ = ask(script, [request(n) for n in range(8)], max_in_flight=1)
    assert [result.status for result in results] == ["quarantined"] + ["ok"] * 6 + ["quarantined"]
    assert "too long" in results[0].reason
    assert "content management policy" in results[7].reason


def test_requests_refused_before_any_answer_are_their_own_rows_problem(ask):
    """The refusals come first, and are more than it takes to suspect the endpoint; answers are under way."""

    def script(body, n):
        off_limits = question(body) < 4
        return Say("content policy", status=400) if off_limits else replace(solve(body), delay=0.2)

    options = {"structured": "json_schema", "max_in_flight": 8}
    results, _, _ = ask(script, [request(n) for n in range(8)], **options)
    assert [result.status for result in results] == ["quarantined"] * 4 + ["ok"] * 4
    assert [result.refused for result in results] == [True] * 4 + [False] * 4


def test_a_single_refused_request_does_not_condemn_the_endpoint(ask):
    results, _, _ = ask(lambda body, n: Say("no", status=400), [request(0)], structured="json_schema")
    assert (results[0].status, results[0].reason) == ("quarantined", "400 no")


def test_what_is_refused_is_refused_again_by_a_run_that_goes_on(ask):
    def script(body, n):
        return Say("content policy", status=400) if question(body) >= 5 else solve(body)

    rows = [request(n) for n in range(10)]
    first, _, _ = ask(script, rows, structured="json_schema", max_in_flight=1)
    again, server, _ = ask(script, rows, structured="json_schema", max_in_flight=1)
    assert len(server.bodies) == 5
    assert [result.status for result in again] == [result.status for result in first]


FATAL = {
    "key": (Say("Incorrect API key: sk-secret", status=401), "refused \\(401\\).*TEACHER_KEY"),
    "model": (Say("The model `m` does not exist", status=404), "does not exist.*teacher.model"),
    "quota": (Say("insufficient_quota: sk-secret", status=429), "no quota left"),
    "parameter": (
        Say("temperature 0 is not allowed for sk-secret", status=400),
        "temperature 0 is not allowed for \\*",
    ),
}


@pytest.mark.parametrize("kind", FATAL)
def test_what_no_request_can_pass_is_one_line_without_the_key(kind, ask, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", "sk-secret")
    say, expected = FATAL[kind]
    server = ScriptedServer(lambda body, n: say)
    with pytest.raises(UserError, match=expected) as caught:
        ask(server, [request(n) for n in range(100)], api_key_env="TEACHER_KEY", max_in_flight=4)
    assert server.headers[0]["authorization"] == "Bearer sk-secret"
    line = str(caught.value)
    assert "http://scripted/v1" in line
    assert "sk-secret" not in line
    assert "\n" not in line
    assert len(server.bodies) <= 20


def test_white_space_around_a_key_is_no_part_of_it_and_a_bad_one_is_not_shown(ask, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", "sk-secret\r\n")
    _, server, _ = ask(solve, [request(1)], api_key_env="TEACHER_KEY")
    assert server.headers[0]["authorization"] == "Bearer sk-secret"
    for bad in ("sk-secr\u00e9t", "sk-sec\rret"):
        monkeypatch.setenv("TEACHER_KEY", bad)
        with pytest.raises(UserError, match="TEACHER_KEY holds a character that no key has") as caught:
            ask(solve, [request(2)], api_key_env="TEACHER_KEY")
        assert "sk-" not in str(caught.value)


def test_an_answer_in_parts_is_their_text(ask):
    def script(body, n):
        said = completion(solve(body), body)
        text = said["choices"][0]["message"]["content"]
        parts = [{"type": "thinking", "thinking": "hm"}, *({"type": "text", "text": c} for c in text)]
        said["choices"][0]["message"]["content"] = parts
        return Say(raw=json.dumps(said).encode())

    assert answers(ask(script, [request(1)])[0]) == ["1"]


def test_a_key_goes_only_where_it_was_named_for(ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    _, server, _ = ask(solve, [request(1)])
    assert "sk-secret" not in json.dumps(server.headers)


def test_a_missing_key_is_named_before_anything_is_sent(ask, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
        ask(solve, [request(1)], endpoint="https://api.openai.com/v1")


def test_a_page_where_a_teacher_should_be_is_one_line_after_three_looks(ask, monkeypatch):
    monkeypatch.setattr(sending, "BACKOFF_S", 0.005)
    page = ScriptedServer(lambda body, n: Say(raw=b"<html>Welcome to nginx!</html>"))
    with pytest.raises(UserError, match=r"no chat completion \(it begins '<html>Welcome"):
        ask(page, [request(n) for n in range(50)], endpoint="http://scripted", max_in_flight=2)
    assert len(page.bodies) <= 6

    def script(body, n):  # one request that never gets more, before any other is answered
        if question(body) == 3:
            return Say(raw=b'{"error": "filtered"}' if n % 2 else b"<html>")
        say = solve(body)
        say.delay = 0.3
        return say

    results, _, _ = ask(script, [request(n) for n in range(20)], max_in_flight=8)
    assert [n for n, result in enumerate(results) if result.status == "owed"] == [3]
    assert len(page.bodies) <= 6


def test_an_unreachable_teacher_is_one_line(tmp_path: Path):
    options = TeacherOptions(endpoint="http://127.0.0.1:9/v1", model="m")
    with (
        Teacher(options, tmp_path / "c") as teacher,
        pytest.raises(UserError, match="cannot be reached") as caught,
    ):
        teacher.ask([request(n) for n in range(50)])
    assert "http://127.0.0.1:9/v1" in str(caught.value)


def test_several_endpoints_share_the_load_and_stand_in_for_a_dead_one(tmp_path: Path):
    def script(body, n):
        say = solve(body)
        say.delay = 0.01
        return say

    one, two = ScriptedServer(script), ScriptedServer(script)
    with serve(one) as url_one, serve(two) as url_two:
        urls = (url_one, url_two, "http://127.0.0.1:9/v1")
        options = TeacherOptions(endpoint=urls, model="m", max_in_flight=8)
        with Teacher(options, tmp_path / "c") as teacher:
            results = teacher.ask([request(n) for n in range(100)])
    assert answers(results) == [str(n) for n in range(100)]
    assert len(one.bodies) + len(two.bodies) == 100
    assert min(len(one.bodies), len(two.bodies)) > 25


def test_real_connections_that_break_or_stall_are_retried(tmp_path: Path):
    faults = [Say("x" * 50, reset=True), Say("never", delay=30), Say("oops", status=500)]
    script = first_time(Say())

    def faulty(body, n):
        say = script(body, n)
        return faults[question(body) % 3] if not say.text else say

    with serve(ScriptedServer(faulty)) as url:
        options = TeacherOptions(endpoint=url, model="m", timeout_s=0.5)
        with Teacher(options, tmp_path / "c") as teacher:
            results = teacher.ask([request(n) for n in range(12)])
    assert answers(results) == [str(n) for n in range(12)]


def test_the_teacher_answers_beside_a_running_event_loop(ask):
    import asyncio

    async def notebook():
        return ask(solve, [request(1)])

    results, _, _ = asyncio.run(notebook())
    assert answers(results) == ["1"]


def test_the_tutor_needs_its_app(tmp_path: Path):
    with pytest.raises(UserError, match=r"teacher\.endpoint"):
        Teacher(TeacherOptions(), tmp_path / "c")


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "localhost:8000",
        "ftp://x/v1",
        [],
        ["tutor", "http://x/v1"],
        "http://u:p@x/v1",
        "http://x:99999/v1",
    ],
)
def test_an_endpoint_that_is_no_url_is_refused(endpoint):
    with pytest.raises(ValueError, match="endpoint"):
        TeacherOptions(endpoint=endpoint)


def test_the_next_request_goes_out_while_the_last_answer_is_committed(ask, monkeypatch):
    server, commit, overtaken = ScriptedServer(solve), Commits.put, []

    async def wait_for_the_next(self, entries):
        for _ in range(200):
            if len(server.bodies) > len(overtaken) + 1:
                break
            await asyncio.sleep(0.01)
        overtaken.append(len(server.bodies) > len(overtaken) + 1)
        await commit(self, entries)

    monkeypatch.setattr(Commits, "put", wait_for_the_next)
    results, *_ = ask(server, [request(n) for n in range(4)], max_in_flight=1)
    assert answers(results) == ["0", "1", "2", "3"]
    assert overtaken == [True, True, True, False]  # after the last row none goes out


def test_a_teacher_that_is_closed_says_so(tmp_path: Path):
    server = ScriptedServer(solve)
    with Teacher(TeacherOptions(endpoint="http://teacher", model="t"), tmp_path / "c", app=server) as teacher:
        assert answers(teacher.ask([request(1)])) == ["1"]
    for closed in (teacher.ask, teacher.estimate):
        with pytest.raises(UserError, match="this Teacher is closed: ask inside its `with` block"):
            closed([request(2)])
    assert len(server.bodies) == 1
