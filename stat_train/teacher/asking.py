"""One list of requests, asked: cache, leases, repairs, and a result for every row in input order."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Literal

from stat_train.progress import Bar
from stat_train.run.hashing import content_hash
from stat_train.teacher.cache import Entry, request_key
from stat_train.teacher.commits import Commits
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Message, Reply, RowUsage, TeacherRequest, TeacherResult
from stat_train.teacher.schemas import Answer
from stat_train.teacher.sending import OwedError, Sender
from stat_train.teacher.structured import InvalidAnswerError, json_schema, parse
from stat_train.teacher.transport import TransportError

CHUNK = 256
LEASE_POLL_S = 0.1


@cache
def schema_identity(schema: type[Answer]) -> str:
    """A hash of what the answer must look like."""
    return content_hash(json_schema(schema))


def key_of(
    options: TeacherOptions, request: TeacherRequest, messages: Sequence[Message], attempt: int
) -> bytes:
    """The cache key of one attempt at `request`."""
    return request_key(
        options.logical_name,
        options.model,
        messages,
        options.parameters(request.temperature),
        (request.task, schema_identity(request.schema)),
        request.sample,
        attempt,
    )


def read_answer(reply: Reply, request: TeacherRequest, max_tokens: int) -> Answer:
    """The valid answer in `reply`; InvalidAnswerError says what is wrong with it."""
    if reply.finish_reason == "length":
        raise InvalidAnswerError(f"The answer was cut off at {max_tokens} tokens. Answer more briefly.")
    if reply.finish_reason in ("refusal", "content_filter"):
        raise InvalidAnswerError(f"The question was refused. {reply.content[:300]}".strip())
    return parse(reply.content, request.schema)


def repair(request: TeacherRequest, reply: Reply, fault: str) -> list[Message]:
    """The request again, with the invalid answer (unless it was cut off) and what is wrong with it."""
    wrong = [Message(role="assistant", content=reply.content)] if reply.content.strip() else []
    if reply.finish_reason == "length":
        wrong = []
    again = f"Your previous answer was not valid: {fault}\nAnswer again, with the complete JSON object only."
    return [*request.messages, *wrong, Message(role="user", content=again)]


@dataclass(slots=True)
class Row:
    """A request on its way; every invalid answer starts the next `attempt`, with the fault in `messages`."""

    index: int
    request: TeacherRequest
    messages: Sequence[Message]
    key: bytes
    attempt: int = 0
    fault: str = ""
    answer: Answer | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    asked: int = 0


@dataclass(slots=True)
class Tally:
    """Replies that were sent for, those that were cached, and the tokens of the former."""

    requests: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Asking:
    """The state of one `Teacher.ask`: a fixed set of workers pulls rows, so pending rows cost nothing."""

    def __init__(
        self,
        options: TeacherOptions,
        requests: Iterable[TeacherRequest],
        commits: Commits,
        sender: Sender,
        bar: Bar,
        tally: Tally,
    ) -> None:
        self._options, self._commits, self._sender = options, commits, sender
        self._bar, self._tally = bar, tally
        self._requests = enumerate(requests)
        self._results: list[TeacherResult | None] = []
        self._ready: deque[Row] = deque()  # leased to us
        self._again: deque[Row] = deque()  # invalid so far, the next attempt not yet looked up
        self._busy: list[Row] = []  # somebody else is asking
        self._refilling = asyncio.Lock()
        self._finished = 0

    async def run(self) -> list[TeacherResult]:
        """All results in order. Whatever ends it early: replies are committed, leases given back."""
        workers = [asyncio.create_task(self._work()) for _ in range(self._options.max_in_flight)]
        try:
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            for worker in done:
                worker.result()
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self._commits.close()
        return [result for result in self._results if result is not None]

    async def _work(self) -> None:
        while (row := await self._next()) is not None:
            try:
                reply = await self._sender.send(row.request, row.messages)
            except OwedError as owed:
                await self._commits.release([row.key])
                self._finish(row, "owed", str(owed))
            except TransportError as failure:
                await self._commits.release([row.key])
                self._finish(row, "quarantined", failure.reason)
            else:
                self._count(row, reply)
                entry = Entry(
                    row.key, self._options.logical_name, self._options.model, row.request.task, reply
                )
                await self._commits.put(entry)
                self._judge(row, reply)
            self._show()

    async def _next(self) -> Row | None:
        """The next row to send; None when no row is left."""
        while True:
            if self._ready:
                return self._ready.popleft()
            async with self._refilling:
                if not self._ready and not await self._refill():
                    return None

    async def _refill(self) -> bool:
        """Looks up the next rows and leases what must be asked; False when there are no more rows."""
        rows = self._take()
        if not rows:
            if not self._busy:
                return False
            await asyncio.sleep(LEASE_POLL_S)
            rows, self._busy = self._busy, []
        replies = await self._commits.get([row.key for row in rows])
        unanswered = [row for row in rows if not self._judge_cached(row, replies)]
        to_ask = [row for row in unanswered if self._may_ask(row)]
        if to_ask:
            leased, replies = await self._commits.claim([row.key for row in to_ask])
            for row in to_ask:
                if self._judge_cached(row, replies):
                    continue
                if row.key in leased:
                    leased.remove(row.key)  # a second row with this key waits for the first one's answer
                    self._ready.append(row)
                else:
                    self._busy.append(row)
        self._show()
        return True

    def _take(self) -> list[Row]:
        rows = [self._again.popleft() for _ in range(min(CHUNK, len(self._again)))]
        for index, request in islice(self._requests, CHUNK - len(rows)):
            self._results.append(None)
            key = key_of(self._options, request, request.messages, 0)
            rows.append(Row(index, request, request.messages, key))
        return rows

    def _may_ask(self, row: Row) -> bool:
        """The first attempt and one repair; with retry_quarantined one more where both were recorded."""
        if self._sender.hopeless:
            self._finish(row, "owed", self._sender.hopeless)
            return False
        if row.attempt <= 1 or (self._options.retry_quarantined and not row.asked):
            return True
        self._finish(row, "quarantined", row.fault)
        return False

    def _judge_cached(self, row: Row, replies: dict[bytes, Reply]) -> bool:
        if (reply := replies.get(row.key)) is None:
            return False
        self._tally.cached += 1
        self._judge(row, reply)
        return True

    def _count(self, row: Row, reply: Reply) -> None:
        row.asked += 1
        self._tally.requests += 1
        self._tally.prompt_tokens += reply.prompt_tokens
        self._tally.completion_tokens += reply.completion_tokens

    def _judge(self, row: Row, reply: Reply) -> None:
        """Ends the row where the answer is valid, else queues its next attempt."""
        row.prompt_tokens += reply.prompt_tokens
        row.completion_tokens += reply.completion_tokens
        try:
            row.answer = read_answer(reply, row.request, self._options.max_tokens)
            fault = row.request.check(row.answer) if row.request.check else None
        except InvalidAnswerError as invalid:
            fault = str(invalid)
        if fault is None:
            self._finish(row, "ok", "")
            return
        row.fault = fault
        row.attempt += 1
        row.messages = repair(row.request, reply, fault)
        row.key = key_of(self._options, row.request, row.messages, row.attempt)
        self._again.append(row)

    def _finish(self, row: Row, status: Literal["ok", "quarantined", "owed"], reason: str) -> None:
        usage = RowUsage(row.prompt_tokens, row.completion_tokens, row.asked)
        self._results[row.index] = TeacherResult(
            None if status == "owed" else row.answer, status, reason, usage
        )
        self._finished += 1

    def _show(self) -> None:
        if self._finished:
            self._bar.advance(self._finished)
            self._finished = 0
