"""Why an endpoint gave no reply, read from what the openai package raises."""

import email.utils
import time
from typing import Any, Literal

from stat_train.api_key import read_api_key
from stat_train.errors import UserError
from stat_train.teacher.options import TeacherOptions

_TOO_LONG = (
    "context_length_exceeded",
    "context length",
    "maximum context",
    "max_model_len",
    "too long",
    "too large",
)

LEAST_REFUSED = 3
"""Requests that are refused, and none answered, before the endpoint is thought to refuse them all."""

Kind = Literal["throttled", "unreachable", "broken", "nonsense", "refused", "too_long", "denied"]


class TransportError(Exception):
    """Why no reply came.

    throttled: 429 or 503, `retry_after` in seconds where the server said so. unreachable: no
    connection. broken: 5xx, reset, time-out; `maybe_billed` where the work may have been done. nonsense: a
    reply that is no JSON, such as a web page. refused: the request itself (4xx). too_long: for the context.
    denied: no request can pass.
    """

    def __init__(
        self, kind: Kind, reason: str, *, retry_after: float | None = None, maybe_billed: bool = False
    ) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.retry_after, self.maybe_billed = kind, reason, retry_after, maybe_billed


class Access:
    """The key for one URL, and what that endpoint's failures mean.

    UserError where the key's environment variable is not set.
    """

    def __init__(self, url: str, options: TeacherOptions) -> None:
        self._options = options
        self._variable = options.key_variable(url)
        self.key = read_api_key(self._variable, "teacher.api_key_env") if self._variable else ""
        if self._variable and not self.key:
            raise UserError(f"teacher.api_key_env: the environment variable {self._variable} is not set")

    def failure(self, error: Exception) -> TransportError:
        """What an openai.APIError or a TimeoutError stands for."""
        import httpx2
        import openai

        if isinstance(error, openai.APIStatusError):
            said = self._said(error.body, error.response.reason_phrase)
            return self.refusal(error.response.status_code, said, retry_after(error.response.headers))
        cause = error.__cause__
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
            return TransportError("unreachable", str(cause) or type(cause).__name__)
        if isinstance(error, TimeoutError | openai.APITimeoutError):
            return TransportError(
                "broken", f"no answer within {self._options.timeout_s:g} s", maybe_billed=True
            )
        return TransportError(
            "broken", f"connection lost ({self._hidden(str(cause or error))})", maybe_billed=True
        )

    def failure_in(self, status: int, body: object) -> TransportError:
        """What the HTTP status and body of one request of a batch stand for."""
        return self.refusal(status, self._said(body, f"HTTP status {status}"))

    def refusal(self, status: int, said: str, retry_after: float | None = None) -> TransportError:
        """What an HTTP status stands for; `said` are the server's words."""
        if status == 429 and "insufficient_quota" in said:
            return TransportError("denied", "the account has no quota left (429): mend its billing")
        if status in (429, 503, 529):
            return TransportError("throttled", f"{status} {said}", retry_after=retry_after)
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

    def _said(self, body: object, otherwise: str) -> str:
        """The server's own words in one line, without the key."""
        error = body.get("error", body) if isinstance(body, dict) else body
        if isinstance(error, dict):
            text = " ".join(str(error[name]) for name in ("message", "code", "detail") if error.get(name))
        else:
            text = str(error or otherwise)
        return self._hidden(" ".join(text.split())[:300])

    def _hidden(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key else text


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
