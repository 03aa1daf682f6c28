"""An ASGI app that speaks OpenAI's files and batches: the Batch API's opponent in the tests.

Each batch gets an `Ending`: how it ends and how many of its requests are answered first. It moves one
status on at each look (validating, in_progress, finalizing, then the ending), unless `paused`.
"""

import asyncio
import email
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from scripted_server import Body, Say, completion

EXPIRED = "This request could not be executed before the completion window expired."


@dataclass
class Ending:
    status: str = "completed"
    answered: int = 10**9
    errors: list[dict[str, Any]] | None = None


@dataclass
class BatchServer:
    """`script(body, n)` answers the n-th request of all batches; a Say with another status is an error line.

    `endings` are used up in order, then batches complete. `asked` are all requests that were answered.
    """

    script: Callable[[Body, int], Say]
    endings: list[Ending] = field(default_factory=list)
    paused: bool = False
    lose_create: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Body] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        content, more = b"", True
        while more:
            message = await receive()
            content, more = content + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        path, method = scope["path"].removeprefix("/v1"), scope["method"]
        self.calls.append(f"{method} {path}")
        status, payload = self._route(
            method, path, parse_qs(scope["query_string"].decode()), headers, content
        )
        if self.lose_create and (method, path) == ("POST", "/batches"):
            self.lose_create = False
            raise ConnectionResetError  # made, but nobody heard of it
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": raw})
        await asyncio.sleep(0)

    def _route(self, method: str, path: str, query: Any, headers: Any, content: bytes) -> tuple[int, Any]:
        if (method, path) == ("POST", "/files"):
            return 200, self._upload(headers["content-type"], content)
        if (method, path) == ("POST", "/batches"):
            return self._create(json.loads(content))
        if (method, path) == ("GET", "/batches"):
            return 200, self._list(query)
        if method == "GET" and (found := re.fullmatch(r"/files/([^/]+)/content", path)):
            return (200, self.files[found[1]]) if found[1] in self.files else error(404, "No such file")
        if method == "GET" and (found := re.fullmatch(r"/batches/([^/]+)", path)):
            if found[1] not in self.batches:
                return error(404, "No such batch")
            self._move(self.batches[found[1]])
            return 200, shown(self.batches[found[1]])
        return error(404, f"Invalid URL ({method} {path})")

    def _upload(self, content_type: str, content: bytes) -> Any:
        whole = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + content)
        parts = {part.get_param("name", header="content-disposition"): part for part in whole.get_payload()}
        assert parts["purpose"].get_payload() == "batch"
        id = self._keep(parts["file"].get_payload(decode=True))
        facts = {"bytes": len(self.files[id]), "created_at": int(time.time()), "status": "processed"}
        return {"id": id, "object": "file", "purpose": "batch", "filename": "x.jsonl"} | facts

    def _keep(self, content: bytes) -> str:
        id = f"file-{len(self.files)}"
        self.files[id] = content
        return id

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if asked["input_file_id"] not in self.files or asked["completion_window"] != "24h":
            return error(400, "Invalid batch")
        id = f"batch_{len(self.batches)}"
        lines = self.files[asked["input_file_id"]].splitlines()
        self.sizes.append(len(lines))
        self.batches[id] = {
            "id": id, "object": "batch", "status": "validating", "created_at": int(time.time()), **asked,
            "output_file_id": None, "error_file_id": None, "errors": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "_ending": self.endings.pop(0) if self.endings else Ending(),
        }  # fmt: skip
        return 200, shown(self.batches[id])

    def _list(self, query: dict[str, list[str]]) -> Any:
        newest = list(self.batches)[::-1]
        start = newest.index(query["after"][0]) + 1 if "after" in query else 0
        page = newest[start : start + 2]  # small pages, so that paging is tried
        data = [shown(self.batches[id]) for id in page]
        more = start + 2 < len(newest)
        first, last = (page[0], page[-1]) if page else (None, None)
        return {"object": "list", "data": data, "has_more": more, "first_id": first, "last_id": last}

    def _move(self, batch: dict[str, Any]) -> None:
        ending = batch["_ending"]
        if batch["status"] == "validating":
            faults = ending.errors or invalid(
                self.files[batch["input_file_id"]].splitlines(), batch["endpoint"]
            )
            if faults:
                batch |= {"status": "failed", "errors": {"object": "list", "data": faults}}
                return
            batch["status"] = "in_progress"
            batch["request_counts"]["total"] = len(self.files[batch["input_file_id"]].splitlines())
        elif batch["status"] == "in_progress" and not self.paused:
            self._work(batch, ending)
            batch["status"] = "finalizing" if ending.status == "completed" else ending.status
        elif batch["status"] == "finalizing":
            batch["status"] = ending.status

    def _work(self, batch: dict[str, Any], ending: Ending) -> None:
        """Answers come in another order than the requests, errors in a file of their own."""
        good, bad = [], []
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        for place, line in enumerate(reversed(lines)):
            head = {"id": f"batch_req_{place}", "custom_id": line["custom_id"]}
            if place >= ending.answered:
                code = f"batch_{ending.status}"
                bad.append(head | {"response": None, "error": {"code": code, "message": EXPIRED}})
                continue
            say = self.script(line["body"], len(self.asked))
            self.asked.append(line["body"])
            body = completion(say, line["body"]) if say.status == 200 else error(0, say.text)[1]
            response = {"status_code": say.status, "request_id": f"req_{place}", "body": body}
            (good if say.status == 200 else bad).append(head | {"response": response, "error": None})
        batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}
        for name, rows in (("output_file_id", good), ("error_file_id", bad)):
            if rows:
                batch[name] = self._keep(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def shown(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in batch.items() if not name.startswith("_")}


def error(status: int, message: str) -> tuple[int, Any]:
    return status, {"error": {"message": message, "type": "invalid_request_error", "code": None}}


def invalid(lines: Sequence[bytes], endpoint: str) -> list[dict[str, Any]]:
    """What OpenAI's validation would say of an input file."""
    faults, seen = [], set()
    for n, line in enumerate(lines, start=1):
        row = json.loads(line)
        if row["method"] != "POST" or row["url"] != endpoint or row["custom_id"] in seen:
            faults.append({"code": "invalid_line", "line": n, "message": "wrong method, url or custom_id"})
        if set(row) != {"custom_id", "method", "url", "body"}:
            faults.append({"code": "invalid_line", "line": n, "message": f"fields {sorted(row)}"})
        seen.add(row["custom_id"])
    return faults
