"""The Batch API of one endpoint, through the openai package: files in, batches, files out."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import orjson

from stat_train.errors import Unfinished, UserError
from stat_train.teacher.failures import Access, TransportError
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Reply
from stat_train.teacher.sending import BACKOFF_S, LONGEST_BACKOFF_S
from stat_train.teacher.transport import open_clients, read_completion

METADATA = "stat_train"
_A_DAY_S = 86_400
_OVER = ("completed", "failed", "expired", "cancelled")

T = TypeVar("T")


class GoneError(Exception):
    """The endpoint has the batch, or a file of it, no more; the message gives its words."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch as the endpoint tells it; `errors` is why the whole of it failed."""

    id: str
    status: str
    total: int
    completed: int
    failed: int
    files: tuple[str, ...]
    errors: str

    @property
    def over(self) -> bool:
        return self.status in _OVER


class BatchApi:
    """Calls are tried again as requests are; after `max_attempts` failures Unfinished is raised.

    UserError where the endpoint refuses the call or was never reached.
    """

    def __init__(self, url: str, options: TeacherOptions, app: Any = None) -> None:
        self._url, self._options = url, options
        self._access = Access(url, options)
        (self._client,) = open_clients(url, self._access, options, app)
        self._reached = False

    async def close(self) -> None:
        await self._client.close()

    async def upload(self, lines: bytes) -> str:
        """The id of the file that holds the requests."""
        file = ("stat_train.jsonl", lines, "application/jsonl")
        return (await self._call(lambda: self._client.files.create(file=file, purpose="batch"))).id

    async def create(self, file_id: str, token: str, since: float) -> str:
        """The id of the new batch; one that an attempt made unheard is not made again."""

        async def once() -> str:
            try:
                made = await self._client.batches.create(
                    input_file_id=file_id,
                    endpoint="/v1/chat/completions",
                    completion_window="24h",
                    metadata={METADATA: token},
                )
            except self._errors as error:
                if self._access.failure(error).kind == "broken" and (found := await self.find(token, since)):
                    return found
                raise
            return made.id

        return await self._call(once)

    async def find(self, token: str, since: float) -> str | None:
        """The id of the batch with our token, made after `since` (Unix time); None where there is none."""

        async def search() -> str | None:
            async for batch in self._client.batches.list(limit=100):
                if (batch.metadata or {}).get(METADATA) == token:
                    return batch.id
                if batch.created_at < since - _A_DAY_S:
                    break
            return None

        return await self._call(search)

    async def state(self, id: str, token: str, since: float) -> BatchState:
        """GoneError where the endpoint neither gives nor lists the batch."""
        try:
            batch = await self._call(lambda: self._client.batches.retrieve(id), may_be_gone=True)
        except GoneError as gone:
            if await self.find(token, since):
                raise Unfinished(
                    f"the Batch API at {self._url} lists the batch {id} and does not give it ({gone}); "
                    "run the same command again to collect it"
                ) from None
            raise
        counts = batch.request_counts
        errors = (batch.errors and batch.errors.data) or []
        return BatchState(
            id,
            batch.status,
            counts.total if counts else 0,
            counts.completed if counts else 0,
            counts.failed if counts else 0,
            tuple(file for file in (batch.output_file_id, batch.error_file_id) if file),
            "; ".join(" ".join(f"{error.message or error.code}".split()) for error in errors)[:300],
        )

    async def outcomes(self, state: BatchState) -> dict[str, Reply | TransportError]:
        """What the batch's files say of each request, by its custom id; what it never did is not there.

        GoneError where a file is deleted.
        """
        found: dict[str, Reply | TransportError] = {}
        for file in state.files:
            content = partial(self._client.files.content, file)
            for line in (await self._call(content, may_be_gone=True)).content.splitlines():
                if line.strip():
                    found |= self._outcome(line)
        return found

    def _outcome(self, line: bytes) -> dict[str, Reply | TransportError]:
        try:
            said = orjson.loads(line)
            id, response = str(said["custom_id"]), said.get("response")
            if not response:
                error = said.get("error") or {}
                reason = error.get("message") or error.get("code") or "not answered"
                return {id: TransportError("broken", str(reason))}
            status, body = int(response["status_code"]), response.get("body")
        except (ValueError, LookupError, TypeError, AttributeError):
            return {}
        if status != 200:
            return {id: self._access.failure_in(status, body)}
        try:
            return {id: read_completion(body)}
        except ValueError:
            return {id: TransportError("broken", "the answer is no chat completion", maybe_billed=True)}

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        import openai

        return TimeoutError, openai.APIError

    async def _call(self, operation: Callable[[], Awaitable[T]], *, may_be_gone: bool = False) -> T:
        import openai

        for attempt in range(1, self._options.max_attempts + 1):
            try:
                result = await operation()
            except self._errors as error:
                failure = self._access.failure(error)
                if may_be_gone and isinstance(error, openai.NotFoundError):
                    raise GoneError(failure.reason.partition(";")[0]) from None
            else:
                self._reached = True
                return result
            if failure.kind in ("denied", "refused", "too_long"):
                raise UserError(f"the Batch API at {self._url} answers: {failure.reason}")
            backoff = min(LONGEST_BACKOFF_S, BACKOFF_S * 2.0**attempt) * random.uniform(0.5, 1.5)
            await asyncio.sleep(backoff if failure.retry_after is None else failure.retry_after)
        if failure.kind == "unreachable" and not self._reached:
            raise UserError(
                f"the teacher at {self._url} cannot be reached ({failure.reason}); "
                "start it or mend teacher.endpoint"
            )
        raise Unfinished(
            f"the Batch API at {self._url} fails ({failure.reason}); what was sent goes on there: "
            "run the same command again to collect it"
        )
