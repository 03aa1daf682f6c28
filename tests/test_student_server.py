"""Answers from an OpenAI-compatible server: order, retries, refusals."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stat_train.assets import asset
from stat_train.errors import UserError
from stat_train.student import server_engine
from stat_train.student.load import load_student
from stat_train.student.options import Sampling, StudentOptions
from stat_train.student.server_engine import ServerStudent

ITEMS = [(f"q{i}", f"question {i}") for i in range(9)]


class Scripted(ThreadingHTTPServer):
    """Echoes the question; `statuses`, then `bodies` with status 200, are answered first, one a
    request; `seen` holds what came in."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses, self.seen, self.keys = statuses, [], []
        self.bodies: list[bytes] = []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.append(self.headers["Authorization"])
        if self.server.statuses:
            return self.reply(self.server.statuses.pop(), {"error": {"message": "scripted"}})
        if self.server.bodies:
            return self.send(200, self.server.bodies.pop())
        self.server.seen.append(body)
        reason = "length" if body["messages"][-1]["content"].endswith("4") else "stop"
        message = {"role": "assistant", "content": "on " + body["messages"][-1]["content"]}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        usage = {"prompt_tokens": 1, "completion_tokens": 7, "total_tokens": 8}
        return self.reply(
            200,
            {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
            | {"choices": [choice], "usage": usage},
        )

    def reply(self, status: int, content: dict) -> None:
        self.send(status, json.dumps(content).encode())

    def send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.setattr(server_engine, "FIRST_WAIT_S", 0.001)
    running = Scripted([])
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def student_at(url: str) -> ServerStudent:
    student = load_student(StudentOptions(model="m", base_url=url, concurrency=4, api_key_env="STUDENT_KEY"))
    assert isinstance(student, ServerStudent)
    return student


def test_answers_come_in_order_through_passing_failures(server: Scripted, tmp_path: Path) -> None:
    server.statuses += [500, 429, 503]
    responses = student_at(server.url).answer(ITEMS, Sampling(n=2, max_tokens=7), tmp_path / "out.jsonl")
    assert [(r.question_id, r.sample) for r in responses] == [(i, s) for i, _ in ITEMS for s in (0, 1)]
    assert [r.text for r in responses[::2]] == [f"on {question}" for _, question in ITEMS]
    assert {r.question_id for r in responses if r.finish_reason == "length"} == {"q4"}
    assert {r.completion_tokens for r in responses} == {7}
    assert [m["role"] for m in server.seen[0]["messages"]] == ["system", "user"]
    assert len({body["seed"] for body in server.seen}) == 18


def test_committed_answers_are_not_asked_again(server: Scripted, tmp_path: Path) -> None:
    student, out = student_at(server.url), tmp_path / "out.jsonl"
    expected = student.answer(ITEMS, Sampling(), out)
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:-2]))
    assert student.answer(ITEMS, Sampling(), out) == expected
    assert len(server.seen) == len(ITEMS) + 2


def test_a_refusal_ends_at_once_and_keeps_the_key_to_itself(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDENT_KEY", "sk-very-secret")
    server.statuses += [401] * 50
    with pytest.raises(UserError, match=r"401.*check student\.model, and the key in \$STUDENT_KEY") as error:
        student_at(server.url).answer(ITEMS, Sampling(), tmp_path / "out.jsonl")
    assert "secret" not in str(error.value)
    assert len(server.statuses) >= 50 - len(ITEMS)
    assert set(server.keys) == {"Bearer sk-very-secret"}


NO_COMPLETIONS = [
    b"<html>\n<body>Sign in</body></html>",
    b'{"choices": []}',
    b'{"choices": [{"index": 0}]}',
    b'{"choices": [{"message": {"content": [1]}}]}',
    b'{"error": null}',
    b"[]",
    b"\xff",
    b"",
]


@pytest.mark.parametrize("body", NO_COMPLETIONS)
def test_what_is_no_completion_is_asked_again_and_then_one_clear_line(
    server: Scripted, tmp_path: Path, body: bytes
) -> None:
    server.bodies += [body] * 3
    [answered] = student_at(server.url).answer(ITEMS[:1], Sampling(), tmp_path / "out.jsonl")
    assert (answered.text, len(server.keys)) == ("on question 0", 4)
    server.bodies += [body] * 200
    with pytest.raises(UserError) as error:
        student_at(server.url).answer(ITEMS[1:], Sampling(), tmp_path / "other.jsonl")
    line = str(error.value)
    shown = " ".join(body.decode(errors="replace").split())
    assert line.startswith(
        f"student server {server.url}: the answer is no chat completion, it begins {shown!r}"
    )
    assert line.endswith("; check student.base_url and the server, and run again")
    assert "\n" not in line


def test_an_answer_without_content_is_empty(server: Scripted, tmp_path: Path) -> None:
    server.bodies += [b'{"choices": [{"message": {"role": "assistant", "content": null}}]}']
    [answered] = student_at(server.url).answer(ITEMS[:1], Sampling(), tmp_path / "out.jsonl")
    assert (answered.text, answered.finish_reason, answered.completion_tokens) == ("", "stop", 0)


def test_a_refused_request_names_its_question(server: Scripted, tmp_path: Path) -> None:
    server.statuses += [400]
    with pytest.raises(UserError, match=r"400.*; it was asked question 'q0': mend or remove it, or check"):
        student_at(server.url).answer(ITEMS[:1], Sampling(), tmp_path / "out.jsonl")


def test_a_server_that_stays_away_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_engine, "FIRST_WAIT_S", 0.001)
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/v1.*start the server") as error:
        student_at("http://127.0.0.1:9/v1").answer(ITEMS, Sampling(), tmp_path / "out.jsonl")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "server"}, "needs student.base_url"),
        ({"engine": "vllm", "base_url": "http://x/v1"}, "is for engine server, not vllm"),
        ({"base_url": "http://x/v1", "plain": True}, "neither adapter nor plain"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StudentOptions(**options)


def test_the_default_template_is_the_packaged_one() -> None:
    assert student_at("http://x/v1").template.path == asset("prompts/student.jinja")
