"""One request to one endpoint: a body in, a `Reply` or a `TransportError` out. It never retries."""

import asyncio
import email.utils
import itertools
import math
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import orjson

from stat_train.errors import UserError
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Reply

Transport = Callable[[bytes], Awaitable[Reply]]

CONNECT_TIMEOUT_S = 10.0
CONNECTIONS_PER_POOL = 32
"""A pool looks at each of its connections on every request, so small pools cost less than a large one."""
TUTOR_URL = "http://tutor/v1"

_TOO_LONG = (
    "context_length_exceeded",
    "context length",
    "maximum context",
    "max_model_len",
    "too long",
    "too large",
)

Kind = Literal["throttled", "unreachable", "broken", "refused", "too_long", "denied"]


class TransportError(Exception):
    """Why no reply came.

    throttled: 429 or 503, `retry_after` in seconds where the server said so. unreachable: no
    connection. broken: 5xx, reset, time-out, nonsense; `maybe_billed` where the work may have been
    done. refused: the request itself (4xx). too_long: for the context. denied: no request can pass.
    """

    def __init__(
        self, kind: Kind, reason: str, *, retry_after: float | None = None, maybe_billed: bool = False
    ) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.retry_after, self.maybe_billed = kind, reason, retry_after, maybe_billed


class HttpTransport:
    """Requests over HTTP, or in process where `app` is an ASGI application."""

    def __init__(self, url: str, options: TeacherOptions, app: Any = None) -> None:
        import httpx2
        from openai import AsyncOpenAI

        self._response = httpx2.Response
        self._options = options
        self._variable = options.key_variable(url)
        self._key = os.environ.get(self._variable, "") if self._variable else ""
        if self._variable and not self._key:
            raise UserError(f"teacher.api_key_env: the environment variable {self._variable} is not set")
        timeout = httpx2.Timeout(options.timeout_s, connect=min(CONNECT_TIMEOUT_S, options.timeout_s))
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=options.max_in_flight)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False) if app is not None else None
        tls = httpx2.create_ssl_context()
        self._clients = [
            AsyncOpenAI(
                api_key=self._key or "none",
                base_url=url,
                max_retries=0,
                timeout=timeout,
                http_client=httpx2.AsyncClient(
                    timeout=timeout, limits=limits, transport=transport, verify=tls, follow_redirects=True
                ),
            )
            for _ in range(math.ceil(options.max_in_flight / CONNECTIONS_PER_POOL))
        ]
        self._next_client = itertools.cycle(self._clients)

    async def __call__(self, body: bytes) -> Reply:
        import httpx2
        import openai

        try:
            async with asyncio.timeout(self._options.timeout_s):
                response = await next(self._next_client).post(
                    "/chat/completions", cast_to=self._response, content=body, options={"headers": _JSON}
                )
        except openai.APIStatusError as error:
            raise self._failure(error.response, error.body) from None
        except (TimeoutError, openai.APIConnectionError) as error:
            cause = error.__cause__
            if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
                raise TransportError("unreachable", str(cause) or type(cause).__name__) from None
            if isinstance(error, TimeoutError | openai.APITimeoutError):
                raise TransportError(
                    "broken", f"no answer within {self._options.timeout_s:g} s", maybe_billed=True
                ) from None
            raise TransportError("broken", f"connection lost ({cause or error})", maybe_billed=True) from None
        return read_completion(response.content)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    def _failure(self, response: Any, body: object) -> TransportError:
        status = int(response.status_code)
        said = self._said(response, body)
        if status == 429 and "insufficient_quota" in said:
            return TransportError("denied", "the account has no quota left (429): mend its billing")
        if status in (429, 503, 529):
            return TransportError("throttled", f"{status} {said}", retry_after=retry_after(response.headers))
        if status in (401, 403):
            mend = (
                f"check the key in {self._variable}"
                if self._variable
                else "name the key's variable in api_key_env"
            )
            return TransportError("denied", f"the key was refused ({status}): {mend}")
        if status in (404, 405):
            return TransportError(
                "denied",
                f"{said} ({status}); check teacher.model ({self._options.model!r}) and the URL's end (/v1)",
            )
        if status >= 500 or status in (408, 409, 425):
            return TransportError("broken", f"{status} {said}")
        if status == 413 or any(sign in said.lower() for sign in _TOO_LONG):
            return TransportError("too_long", f"the prompt is too long for the teacher ({status} {said})")
        return TransportError("refused", f"{status} {said}")

    def _said(self, response: Any, body: object) -> str:
        """The server's own words in one line, without the key."""
        error = body.get("error", body) if isinstance(body, dict) else body
        if isinstance(error, dict):
            text = " ".join(str(error[name]) for name in ("message", "code", "detail") if error.get(name))
        else:
            text = str(error or response.reason_phrase)
        line = " ".join(text.split())[:300]
        return line.replace(self._key, "***") if self._key else line


_JSON = {"Content-Type": "application/json"}


def read_completion(content: bytes) -> Reply:
    """The first choice of a chat completion; TransportError where it is none."""
    try:
        completion = orjson.loads(content)
        choice = completion["choices"][0]
        message = choice["message"]
        usage = completion.get("usage") or {}
        refusal = message.get("refusal")
        return Reply(
            content=refusal or message.get("content") or "",
            finish_reason="refusal" if refusal else choice.get("finish_reason") or "stop",
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        raise TransportError(
            "broken", "the endpoint's answer is no chat completion", maybe_billed=True
        ) from None


def retry_after(headers: Any) -> float | None:
    """Seconds to wait as Retry-After(-Ms) says, in seconds or as a date; None where it does not."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers.get("retry-after")
        if value is None:
            return None
        try:
            return max(0.0, float(value))
        except ValueError:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
