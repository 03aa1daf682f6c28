"""One request to one endpoint: a body in, a `Reply` or a `TransportError` out. It never retries."""

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson

from stat_train.teacher.failures import Access, TransportError
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Transport = Callable[[bytes], Awaitable[Reply]]

CONNECT_TIMEOUT_S = 10.0
CONNECTIONS_PER_POOL = 4
"""A pool looks at each of its connections on every request, so small pools cost less than a large one."""
LONGEST_QUOTE = 80
TUTOR_URL = "http://tutor/v1"

_JSON = {"Content-Type": "application/json"}


class HttpTransport:
    """Requests over HTTP, or in process where `app` is an ASGI application."""

    def __init__(self, url: str, options: TeacherOptions, app: Any = None) -> None:
        import httpx2

        self._response = httpx2.Response
        self._options = options
        self._access = Access(url, options)
        pools = math.ceil(options.max_in_flight / CONNECTIONS_PER_POOL)
        self._clients = open_clients(url, self._access, options, app, pools)
        self._next_client = itertools.cycle(self._clients)

    async def __call__(self, body: bytes) -> Reply:
        import openai

        try:
            async with asyncio.timeout(self._options.timeout_s):
                response = await next(self._next_client).post(
                    "/chat/completions", cast_to=self._response, content=body, options={"headers": _JSON}
                )
        except (TimeoutError, openai.APIError) as error:
            raise self._access.failure(error) from None
        try:
            completion = orjson.loads(response.content)
        except ValueError:
            begins = " ".join(response.content[:LONGEST_QUOTE].decode(errors="replace").split())
            raise TransportError("nonsense", f"it begins {begins!r}", maybe_billed=True) from None
        try:
            return read_completion(completion)
        except ValueError:
            raise TransportError(
                "broken", "the endpoint's answer is no chat completion", maybe_billed=True
            ) from None

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


def open_clients(
    url: str, access: Access, options: TeacherOptions, app: Any = None, pools: int = 1
) -> "list[AsyncOpenAI]":
    """Clients of one endpoint that never retry, each with a pool of connections of its own."""
    import httpx2
    from openai import AsyncOpenAI

    timeout = httpx2.Timeout(options.timeout_s, connect=min(CONNECT_TIMEOUT_S, options.timeout_s))
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=options.max_in_flight)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False) if app is not None else None
    tls = httpx2.create_ssl_context()
    return [
        AsyncOpenAI(
            api_key=access.key or "none",
            base_url=url,
            max_retries=0,
            timeout=timeout,
            http_client=httpx2.AsyncClient(
                timeout=timeout, limits=limits, transport=transport, verify=tls, follow_redirects=True
            ),
        )
        for _ in range(pools)
    ]


def read_completion(completion: Any) -> Reply:
    """The first choice of a chat completion; ValueError where it is none."""
    try:
        choice = completion["choices"][0]
        message = choice["message"]
        usage = completion.get("usage") or {}
        refusal = message.get("refusal")
        return Reply(
            content=refusal or _text(message.get("content")),
            finish_reason="refusal" if refusal else choice.get("finish_reason") or "stop",
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
        )
    except (LookupError, TypeError, AttributeError):
        raise ValueError("no chat completion") from None


def _text(content: Any) -> str:
    """A message's text; of a list of parts, as models that reason give, that of the parts of text."""
    if not isinstance(content, list):
        return str(content or "")
    return "".join(part["text"] for part in content if part.get("type") == "text")
