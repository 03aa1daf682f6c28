"""The tutor as an OpenAI-compatible server, in process or on a port."""

import json
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from stat_train.errors import UserError
from stat_train.teacher.schemas import Answer
from stat_train.tutor.blocks import RefusalError, TutorRequest, read_blocks
from stat_train.tutor.faults import TutorFaults
from stat_train.tutor.skill_tasks import cluster, diagnose, discover, label
from stat_train.tutor.solution_tasks import judge, rewrite, solve, synthesize

MODEL = "tutor"
MOST_CHOICES = 128
TASKS: dict[str, Callable[[TutorRequest], Answer]] = {
    "discover_skills": discover,
    "cluster_skills": cluster,
    "label_skills": label,
    "diagnose": diagnose,
    "judge": judge,
    "synthesize": synthesize,
    "solve": solve,
    "rewrite": rewrite,
}


def tutor_app(faults: TutorFaults | None = None) -> Starlette:
    """The ASGI app: POST /v1/chat/completions and GET /v1/models.

    The task is the name of the request's JSON schema; data are the blocks of its messages. The same request
    (`seed` included) gets the same answer. What the tutor cannot answer is refused with status 400.
    """
    planted = faults or TutorFaults()

    async def completions(request: Request) -> JSONResponse:
        try:
            return JSONResponse(_complete(_body(await request.body()), planted))
        except RefusalError as refusal:
            return _error(str(refusal))

    async def models(request: Request) -> JSONResponse:
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "stat-train"}
        return JSONResponse({"object": "list", "data": [model]})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", completions, methods=["POST"]),
            Route("/v1/models", models, methods=["GET"]),
        ],
        exception_handlers={404: _not_found, 405: _not_found},
    )


def serve(port: int, faults: TutorFaults | None = None, host: str = "127.0.0.1") -> None:
    """Serve until interrupted. Raises UserError where the port cannot be had."""
    import uvicorn

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise UserError(f"port {port} of {host}: {error}; choose another with --port") from None
    config = uvicorn.Config(tutor_app(faults), log_level="warning")
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def _complete(body: Mapping[str, Any], faults: TutorFaults) -> dict[str, Any]:
    task, messages, n, seed = _task(body), _messages(body), _number(body, "n", 1), _number(body, "seed", 0)
    if not 1 <= n <= MOST_CHOICES:
        raise RefusalError(f"n: {n} is not between 1 and {MOST_CHOICES}")
    blocks = read_blocks(messages)
    texts = []
    for choice in range(n):
        sample = f"{seed}-{choice}-{len(messages)}"
        text = TASKS[task](TutorRequest(blocks, sample, faults)).model_dump_json()
        if faults.strikes("malformed", sample, *(message["content"] for message in messages)):
            text = text[: len(text) // 2]
        texts.append(text)
    prompt_tokens = sum(_tokens(message["content"]) for message in messages)
    completion_tokens = sum(map(_tokens, texts))
    return {
        "id": f"chatcmpl-{task}-{seed}",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model", MODEL),
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
            for index, text in enumerate(texts)
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def _body(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        raise RefusalError("the request's body is not JSON") from None
    if not isinstance(body, dict):
        raise RefusalError("the request's body is not a JSON object")
    if body.get("stream"):
        raise RefusalError("stream: the tutor answers whole; leave it out")
    return body


def _task(body: Mapping[str, Any]) -> str:
    wanted = body.get("response_format")
    described = wanted.get("json_schema") if isinstance(wanted, dict) else None
    name = described.get("name") if isinstance(described, dict) else None
    if name not in TASKS:
        raise RefusalError(
            f"response_format.json_schema.name is {name!r}: the tutor is no language model, it answers the "
            f"tasks {', '.join(TASKS)} in school arithmetic"
        )
    return str(name)


def _messages(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """Role and text of each message; content may be a string or a list of text parts."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RefusalError("messages: a list with one message at least is needed")
    read = []
    for place, message in enumerate(messages):
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        if not isinstance(content, str) or not isinstance(message.get("role"), str):
            raise RefusalError(f"messages[{place}]: needs a role and a text content")
        read.append({"role": message["role"], "content": content})
    return read


def _number(body: Mapping[str, Any], field: str, default: int) -> int:
    value = body.get(field)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise RefusalError(f"{field}: {value!r} is not a whole number")
    return value


def _tokens(text: str) -> int:
    """Words and signs: near enough to a language model's tokens."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def _error(message: str, status: int = 400) -> JSONResponse:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return JSONResponse({"error": error}, status)


async def _not_found(request: Request, _: Exception) -> JSONResponse:
    return _error(
        f"{request.method} {request.url.path}: the tutor has POST /v1/chat/completions and GET /v1/models",
        404,
    )
