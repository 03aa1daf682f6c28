"""Requests of the task `solve`, one question each, and what a teacher makes of them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from scripted_server import Body, Say, ScriptedServer, solve

from stat_train.teacher.cache import Cache
from stat_train.teacher.client import Teacher
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Message, TeacherRequest, TeacherResult
from stat_train.teacher.schemas import Solve


def request(n: int, **kwargs) -> TeacherRequest:
    messages = [
        Message(role="system", content="Solve."),
        Message(role="user", content=f'<question id="q1">{n}</question>'),
    ]
    return TeacherRequest("solve", messages, Solve, **kwargs)


def question(body: Body) -> int:
    """The number that a request's body asks about."""
    return int(body["messages"][1]["content"].split(">")[1].split("<")[0])


def answers(results: Sequence[TeacherResult]) -> list[str | None]:
    return [result.answer.answers[0].answer if result.status == "ok" else None for result in results]


def asking(cache: Path) -> Callable:
    """ask(script or server, requests, **options) -> (results, server, usage); always the same cache."""

    def ask(script, requests, **options):
        server = script if isinstance(script, ScriptedServer) else ScriptedServer(script)
        options = {"model": "m", "endpoint": "http://scripted/v1", **options}
        with Teacher(TeacherOptions(**options), cache, app=server) as teacher:
            return teacher.ask(requests), server, teacher.usage

    return ask


def first_time(special: Say, usual=solve):
    """`special` for the first request of each question, then the usual answer."""
    seen = set()

    def script(body, n):
        if question(body) in seen:
            return usual(body)
        seen.add(question(body))
        return special

    return script


def solve_late(seconds: float, after: int = 0) -> Callable[[Body, int], Say]:
    """Solves everything; from the `after`-th request on it takes so many seconds."""

    def script(body: Body, n: int) -> Say:
        say = solve(body)
        say.delay = seconds if n >= after else 0.01
        return say

    return script


def committed(path: Path) -> set[int]:
    """The answers in a cache."""
    cache = Cache(path)
    rows = [json.loads(row["content"])["answers"][0]["answer"] for row in cache.export()]
    cache.close()
    return set(map(int, rows))
