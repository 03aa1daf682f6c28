"""Answers that cannot be used: repaired once, then quarantined; and a teacher that gives no others."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_server import Say, ScriptedServer, solve
from solve_requests import answers, asking, first_time, question, request

from stat_train.errors import UserError


@pytest.fixture
def ask(tmp_path: Path) -> Callable:
    return asking(tmp_path / "cache.sqlite")


BAD = {
    "malformed": (Say('{"answers": [{"id"'), "Invalid JSON"),
    "wrong schema": (Say('{"answers": [{"id": "q1"}]}'), "Field required"),
    "empty": (Say(""), "empty"),
    "cut off": (
        Say(solve({"messages": [{}, {"content": ""}]}).text, finish_reason="length"),
        "cut off at 4096",
    ),
    "refusal": (Say(refusal="I must not."), "refused. I must not."),
    "content filter": (
        Say(solve({"messages": [{}, {"content": ""}]}).text, finish_reason="content_filter"),
        "refused",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_invalid_answer_is_repaired_once(kind, ask):
    say, fault = BAD[kind]
    results, server, _ = ask(first_time(say), [request(n) for n in range(3)])
    assert answers(results) == ["0", "1", "2"]
    assert len(server.bodies) == 6
    again = [body["messages"] for body in server.bodies if len(body["messages"]) > 2]
    assert len(again) == 3
    assert fault in again[0][-1]["content"]
    shown = [message["content"] for message in again[0] if message["role"] == "assistant"]
    assert shown == ([] if kind in ("empty", "cut off") else [say.refusal or say.text])


@pytest.mark.parametrize("kind", BAD)
def test_an_answer_invalid_twice_is_quarantined_with_its_reason(kind, ask):
    say, fault = BAD[kind]

    def script(body, n):
        return say if question(body) == 1 else solve(body)

    results, server, _ = ask(script, [request(n) for n in range(3)])
    assert [result.status for result in results] == ["ok", "quarantined", "ok"]
    assert fault in results[1].reason
    assert results[1].answer is None
    assert results[1].usage.asked == 2
    again, server, usage = ask(solve, [request(n) for n in range(3)])
    assert again[1].reason == results[1].reason
    assert (len(server.bodies), usage.cached) == (0, 4)


def test_a_quarantined_row_says_how_the_answer_begins(ask):
    def script(body, n):
        return Say("Sure!\nHere " + "x" * 500) if question(body) == 1 else solve(body)

    results, _, _ = ask(script, [request(n) for n in range(3)])
    assert results[1].reason.endswith(f"It wrote: {'Sure! Here ' + 'x' * 189!r}")


@pytest.mark.parametrize("kind", ["malformed", "wrong schema", "empty", "cut off"])
def test_a_teacher_that_never_gives_a_readable_answer_stops_before_all_is_asked(kind, ask):
    say, fault = BAD[kind]
    mend = "raise teacher.max_tokens" if kind == "cut off" else "answers in JSON"
    for more in ({}, {"retry_quarantined": True}):
        with pytest.raises(UserError, match=f"^teacher 'm': no answer to the first .* {mend}.*{fault}"):
            ask(lambda body, n: say, [request(n) for n in range(200)], max_in_flight=4, **more)
    few = [request(n) for n in range(200, 203)]
    if kind == "cut off":  # may be these three
        results, _, _ = ask(lambda body, n: say, few)
        assert [result.status for result in results] == ["quarantined"] * 3
        return
    for asked in (6, 0):
        server = ScriptedServer(lambda body, n: say)
        with pytest.raises(UserError, match="no answer to the first 3 requests can be read"):
            ask(server, few, max_in_flight=8)
        assert len(server.bodies) == asked


def test_what_was_asked_of_a_teacher_without_a_readable_answer_is_bounded_and_not_asked_again(ask):
    server = ScriptedServer(lambda body, n: Say("In prose."))
    for run in (1, 2):
        with pytest.raises(UserError, match=r"It wrote: 'In prose\.'"):
            ask(server, [request(n) for n in range(1000)], max_in_flight=4)
        assert len(server.bodies) <= run * 2 * (32 + 8)
    assert len({json.dumps(body) for body in server.bodies}) == len(server.bodies)


def test_good_answers_that_come_late_are_waited_for(ask):
    def script(body, n):
        say = solve(body) if question(body) % 4 == 0 else Say("In prose.")
        say.delay = 0.5 if question(body) % 4 == 0 else 0.0
        return say

    for first, together in ((0, 4), (1000, 16)):
        rows = [request(first + n) for n in range(100)]
        results, _, _ = ask(script, rows, max_in_flight=together)
        assert [result.status for result in results] == (["ok"] + ["quarantined"] * 3) * 25


def test_a_run_that_begins_with_unreadable_answers_gets_further_each_time(ask):
    def script(body, n):
        return solve(body) if question(body) >= 40 else Say("In prose.")

    with pytest.raises(UserError, match="can be read"):
        ask(script, [request(n) for n in range(300)], max_in_flight=4)
    results, _, _ = ask(script, [request(n) for n in range(300)], max_in_flight=4)
    assert [result.status for result in results] == ["quarantined"] * 40 + ["ok"] * 260
    server = ScriptedServer(script)
    again, _, _ = ask(server, [request(n) for n in range(300)], max_in_flight=1)
    assert ([result.status for result in again], server.bodies) == ([r.status for r in results], [])


def test_a_repair_that_is_refused_still_says_what_the_answer_was(ask):
    def script(body, n):
        if question(body) == 1:
            return Say("no", status=400) if len(body["messages"]) > 2 else Say("In prose.")
        return solve(body)

    results, _, _ = ask(script, [request(n) for n in range(5)])
    assert results[1].reason.endswith("It wrote: 'In prose.'; asking again was refused: 400 no")


@pytest.mark.parametrize("kind", ["refusal", "content filter"])
def test_a_teacher_that_refuses_all_stops_before_all_is_asked_and_is_quoted(kind, ask):
    say, fault = BAD[kind]
    line = f"^teacher 'm': no answer to the first .* requests can be read: it refuses; .*{fault}"
    server = ScriptedServer(lambda body, n: say)
    with pytest.raises(UserError, match=line):
        ask(server, [request(n) for n in range(200)], max_in_flight=4)
    assert len(server.bodies) <= 2 * (32 + 8)
    with pytest.raises(UserError, match=line):
        ask(lambda body, n: say, [request(n) for n in range(200, 203)])


def test_a_refusal_of_several_lines_is_quoted_in_one(ask):
    with pytest.raises(UserError, match=r"refused\. I must\.\.\. not\.$") as stopped:
        ask(lambda body, n: Say(refusal="I must...\n\nnot."), [request(n) for n in range(3)])
    assert "\n" not in str(stopped.value)


def test_refusals_beside_a_readable_answer_are_quarantined_however_many(ask):
    def script(body, n):
        return solve(body) if question(body) == 0 else Say(refusal="I must not.")

    results, _, _ = ask(script, [request(n) for n in range(60)], max_in_flight=1)
    assert [result.status for result in results] == ["ok"] + ["quarantined"] * 59
    assert results[1].reason == "The question was refused. I must not."


def test_two_unreadable_answers_are_quarantined_and_so_is_any_number_beside_a_good_one(ask):
    results, _, _ = ask(lambda body, n: Say("In prose."), [request(n) for n in range(2)])
    assert [result.status for result in results] == ["quarantined"] * 2

    def script(body, n):
        return solve(body) if question(body) == 40 else Say("In prose.")

    results, _, _ = ask(script, [request(n) for n in range(40, 100)], max_in_flight=1)
    assert [result.status for result in results] == ["ok"] + ["quarantined"] * 59


def test_a_check_repairs_and_quarantines_like_the_schema(ask):
    def check(answer):
        return None if answer.answers[0].id == "q1" else "unknown id"

    wrong = Say(json.dumps({"answers": [{"id": "q9", "solution": "s", "answer": "a"}]}))
    results, _, _ = ask(first_time(wrong), [request(1, check=check)])
    assert results[0].status == "ok"
    results, server, _ = ask(lambda body, n: wrong, [request(2, check=check)])
    assert (results[0].status, results[0].reason) == ("quarantined", "unknown id")
    assert results[0].answer.answers[0].id == "q9"
    assert "unknown id" in server.bodies[1]["messages"][-1]["content"]


def test_retry_quarantined_makes_one_fresh_attempt_that_is_kept(ask):
    ask(lambda body, n: Say("nonsense"), [request(1)])
    results, server, _ = ask(lambda body, n: Say("nonsense"), [request(1)], retry_quarantined=True)
    assert results[0].status == "quarantined"
    assert len(server.bodies) == 1
    results, server, _ = ask(solve, [request(1)], retry_quarantined=True)
    assert (answers(results), len(server.bodies)) == (["1"], 1)
    results, server, _ = ask(solve, [request(1)])
    assert (answers(results), len(server.bodies)) == (["1"], 0)
