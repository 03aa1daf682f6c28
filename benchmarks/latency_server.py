"""An OpenAI-compatible server that answers after a fixed time, in a process of its own, on bare asyncio.

    python benchmarks/latency_server.py --latency 0.02 [--faults 0.2 --seed 0]

prints its base URL. It answers `workload.messages(n)` with JSON that holds n. With `--faults` that share
of the requests fails, in eight ways. GET /log tells all requests in order of arrival: the messages, what
came of it, and the tokens that a provider would have billed.
"""

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FAULTS = ("429", "500", "reset", "stall", "malformed", "cut_off", "wrong_schema", "empty")
PROMPT_TOKENS, ANSWER_TOKENS, MOST_TOKENS = 100, 20, 64
PROBE = '{"name": "Ada", "age": 36}'
"""What curator asks once, to see whether a model can answer with JSON."""
_QUESTION = re.compile(rb'id=\\"q1\\">(\d+)<')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Exchange(asyncio.Protocol):
    """One connection, kept alive."""

    def __init__(self, server: "LatencyServer") -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = int(found[1]) if (found := _LENGTH.search(head)) else 0
            if len(self._received) < end + 4 + length:
                return
            body = self._received[end + 4 : end + 4 + length]
            self._received = self._received[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            self._send(200, json.dumps(self._server.log).encode())
        else:
            fault, delay = self._server.record(body), self._server.latency
            asyncio.get_running_loop().call_later(delay, self._respond, fault, body)

    def _respond(self, fault: str, body: bytes) -> None:
        if self._transport.is_closing() or fault == "stall":
            return
        if fault in ("429", "500"):
            self._send(int(fault), b'{"error": {"message": "planted"}}')
        elif fault == "reset":
            self._transport.abort()
        else:
            self._send(200, completion(body, fault))

    def _send(self, status: int, payload: bytes) -> None:
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._transport.write(head % (status, len(payload)) + payload)


class LatencyServer:
    """What all connections share."""

    def __init__(self, latency: float, share: float, seed: int, logs: bool) -> None:
        self.latency, self.share, self.logs = latency, share, logs
        self.log: list[list[Any]] = []
        self._draw = random.Random(seed)

    def record(self, body: bytes) -> str:
        """What is to come of a request; it is logged on arrival."""
        fault = self._draw.choice(FAULTS) if self._draw.random() < self.share else ""
        if self.logs:
            billed = 0 if fault in ("429", "500") else PROMPT_TOKENS
            billed += {"429": 0, "500": 0, "cut_off": MOST_TOKENS}.get(fault, ANSWER_TOKENS)
            self.log.append([json.loads(body)["messages"], fault, billed])
        return fault


def completion(body: bytes, fault: str) -> bytes:
    answer = PROBE
    if found := _QUESTION.search(body):
        number = found[1].decode()
        answer = f'{{"answers": [{{"id": "q1", "solution": "because", "answer": "{number}"}}]}}'
    text = {"malformed": answer[:-5], "cut_off": answer[:-5], "wrong_schema": '{"wrong": 1}', "empty": ""}
    said = text.get(fault, answer)
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if b'"tools"' in body:
        name = json.loads(body)["tools"][0]["function"]["name"]
        call = {"id": "c", "type": "function", "function": {"name": name, "arguments": said}}
        message |= {"content": None, "tool_calls": [call]}
    tokens = MOST_TOKENS if fault == "cut_off" else ANSWER_TOKENS
    choice = {"index": 0, "finish_reason": "length" if fault == "cut_off" else "stop", "message": message}
    usage = {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": tokens,
        "total_tokens": PROMPT_TOKENS + tokens,
    }
    whole = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return json.dumps(whole | {"usage": usage}).encode()


@contextmanager
def running(latency: float, faults: float = 0.0, seed: int = 0, log: bool = False) -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--latency", str(latency)]
    command += ["--faults", str(faults), "--seed", str(seed), "--child", *(["--log"] if log else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def read_log(url: str) -> list[list[Any]]:
    """All requests so far: [messages, fault, billed tokens]."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/log") as response:
        log: list[list[Any]] = json.load(response)
    return log


async def main(arguments: argparse.Namespace) -> None:
    shared = LatencyServer(arguments.latency, arguments.faults, arguments.seed, arguments.log)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Exchange(shared), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latency", type=float, default=0.02, help="seconds")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that fail")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", action="store_true", help="keep all requests for GET /log")
    parser.add_argument("--child", action="store_true", help="end with the process at the other end of stdin")
    given = parser.parse_args()
    if given.child:
        threading.Thread(target=lambda: os._exit(bool(sys.stdin.read())), daemon=True).start()
    asyncio.run(main(given))
