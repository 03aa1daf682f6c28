"""An OpenAI-compatible ASGI app whose answers are scripted: the teacher's opponent in the tests.

`ScriptedServer(script)` calls `script(body, n)` for the n-th request (from 0); it returns a `Say`.
`serve(app)` puts any ASGI app on a local port in a thread.
"""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass
class Say:
    """One response: a chat completion of `text` (status 200), an error message (else), or raw bytes."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"
    delay: float = 0.0
    prompt_tokens: int = 10
    completion_tokens: int = 5
    raw: bytes | None = None
    reset: bool = False
    refusal: str | None = None


class ScriptedServer:
    """Records every request's body (`bodies`) and headers, times, and how many were open at each."""

    def __init__(self, script: Callable[[Body, int], Say]) -> None:
        self.script = script
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.opens: list[int] = []
        self.open = self.most_open = 0

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        if scope["type"] != "http":
            return
        content, more = b"", True
        while more:
            message = await receive()
            content, more = content + message.get("body", b""), message.get("more_body", False)
        number = len(self.bodies)
        body = json.loads(content)
        self.bodies.append(body)
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        self.times.append(time.monotonic())
        self.open += 1
        self.opens.append(self.open)
        self.most_open = max(self.most_open, self.open)
        try:
            say = self.script(body, number)
            await asyncio.sleep(say.delay)
            await _respond(say, body, send)
        finally:
            self.open -= 1


async def _respond(say: Say, body: Body, send: Any) -> None:
    if say.raw is not None:
        payload = say.raw
    elif say.status == 200:
        payload = json.dumps(completion(say, body)).encode()
    else:
        payload = json.dumps({"error": {"message": say.text, "code": None}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(payload))]
    headers += [(name.encode(), value.encode()) for name, value in say.headers.items()]
    await send({"type": "http.response.start", "status": say.status, "headers": headers})
    if say.reset:  # fewer bytes than announced: the connection breaks
        await send({"type": "http.response.body", "body": payload[:5], "more_body": True})
        raise ConnectionResetError
    await send({"type": "http.response.body", "body": payload})


def completion(say: Say, body: Body) -> dict[str, Any]:
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": say.finish_reason,
                "message": {"role": "assistant", "content": say.text, "refusal": say.refusal},
            }
        ],
        "usage": {
            "prompt_tokens": say.prompt_tokens,
            "completion_tokens": say.completion_tokens,
            "total_tokens": say.prompt_tokens + say.completion_tokens,
        },
    }


def solve(body: Body, n: int = 0) -> Say:
    """Answers the `solve` task: every question with its own text."""
    user = body["messages"][1]["content"]
    found = re.findall(r'<question id="([^"]+)">(.*?)</question>', user, re.DOTALL)
    answers = [{"id": id, "solution": "because", "answer": text} for id, text in found]
    return Say(json.dumps({"answers": answers}))


@contextmanager
def serve(app: Any) -> Iterator[str]:
    """The base URL of `app` on a free local port."""
    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=10)
        listener.close()
