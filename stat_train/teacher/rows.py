"""The rows of one `Teacher.ask`: looked up, leased, judged, asked again, and a result for each in order."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from typing import Literal

import orjson

from stat_train.progress import Bar
from stat_train.run.hashing import content_hash
from stat_train.teacher.cache import Entry, request_key
from stat_train.teacher.commits import Commits
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import (
    BYTES_PER_TOKEN,
    Message,
    Reply,
    RowUsage,
    TeacherRequest,
    TeacherResult,
)
from stat_train.teacher.schemas import Answer
from stat_train.teacher.structured import InvalidAnswerError, json_schema, parse
from stat_train.teacher.unread import LEAST_IN_ALL, REFUSALS, UNSENT, NothingFits, Unread, over_context

CHUNK = 256
LEASE_POLL_S = 0.1
EXCERPT = 200

Status = Literal["ok", "quarantined", "owed"]


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


def prompt_tokens(messages: Sequence[Message], schema: type[Answer]) -> int:
    """A guess of what a prompt with its schema comes to: four bytes a token."""
    return len(orjson.dumps([messages, json_schema(schema)])) // BYTES_PER_TOKEN


def read_answer(reply: Reply, request: TeacherRequest, max_tokens: int) -> Answer:
    """The valid answer in `reply`; InvalidAnswerError says what is wrong with it."""
    if reply.finish_reason == "length":
        raise InvalidAnswerError(f"The answer was cut off at {max_tokens} tokens. Answer more briefly.")
    if reply.finish_reason in REFUSALS:
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
    unread: Reply | None = None
    """The last reply, where it could not be read or was a refusal."""
    answer: Answer | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    asked: int = 0

    @classmethod
    def of(cls, index: int, request: TeacherRequest, options: TeacherOptions) -> "Row":
        """Before its first attempt."""
        return cls(index, request, request.messages, key_of(options, request, request.messages, 0))

    def is_answered_by(self, reply: Reply, options: TeacherOptions) -> bool:
        """Whether the reply is a valid answer; where it is not, the row becomes its own next attempt."""
        try:
            self.answer = read_answer(reply, self.request, options.max_tokens)
            fault = self.request.check(self.answer) if self.request.check else None
            self.unread = None
        except InvalidAnswerError as invalid:
            fault = str(invalid)
            self.unread = reply
        if fault is None:
            return True
        self.fault = fault
        self.attempt += 1
        self.messages = repair(self.request, reply, fault)
        self.key = key_of(options, self.request, self.messages, self.attempt)
        return False

    @property
    def reason(self) -> str:
        """What is wrong with the last reply; how it begins, where it could not be read."""
        if self.unread is None or self.unread.finish_reason in REFUSALS:  # the fault quotes a refusal
            return self.fault
        begins = " ".join(self.unread.content.split())[:EXCERPT]
        return f"{self.fault} It wrote: {begins!r}" if begins else self.fault

    def may_be_asked(self, options: TeacherOptions) -> bool:
        """The first attempt and one repair; with retry_quarantined one more where both were recorded."""
        return self.attempt <= 1 or (options.retry_quarantined and not self.asked)


@dataclass(slots=True)
class Tally:
    """Replies that were sent for, those that were cached, and the tokens of the former. `own` were in the
    cache too, bought by an earlier attempt of the same payer; `bought` are the keys of both. `read`: whether
    any reply held a readable answer."""

    requests: int = 0
    own: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    bought: set[bytes] = field(default_factory=set)
    read: bool = False


class Rows:
    """Every request of one `ask` until it has a result; whoever answers takes rows out of `ready`.

    `hopeless`, once it is set, is why nothing more can be asked: what is left is owed. `interrupted`: no more
    is to be taken out.
    """

    def __init__(
        self,
        options: TeacherOptions,
        requests: Iterable[TeacherRequest],
        commits: Commits,
        bar: Bar,
        tally: Tally,
        payer: str = "",
    ) -> None:
        self.options, self.commits, self.payer = options, commits, payer
        self._bar, self._tally = bar, tally
        self._requests = enumerate(requests)
        self._results: list[TeacherResult | None] = []
        self.ready: deque[Row] = deque()
        """Leased to us, to be asked."""
        self._again: deque[Row] = deque()  # invalid so far, the next attempt not yet looked up
        self._busy: list[Row] = []  # somebody else is asking
        self._finished = 0
        self._unread = Unread(options)
        self._unsent: list[int] = []  # the prompt tokens of each row that was too long for its first attempt
        self.hopeless = ""
        self.interrupted = False

    @property
    def results(self) -> list[TeacherResult]:
        """All results so far, in the requests' order."""
        return [result for result in self._results if result is not None]

    @property
    def proven(self) -> bool:
        """Whether this teacher has ever answered: replies came, or are in the cache."""
        return bool(self._tally.requests or self._tally.cached or self._tally.own)

    async def refill(self, least: int) -> bool:
        """Looks up rows until `least` are ready or no more can be; False where no row is left to ask.

        Where all that is left is in flight elsewhere (another process, an equal row), it waits for that.
        """
        few = min(CHUNK, max(least, self.options.max_in_flight))  # repairs come before more is asked
        while len(self.ready) < least:
            rows = self._take(CHUNK if self._tally.read else few)
            if not rows:
                if self.ready or not self._busy:
                    break
                await asyncio.sleep(LEASE_POLL_S)
                rows, self._busy = self._busy, []
            await self._look_up(rows)
            self.show()
        return bool(self.ready)

    @property
    def in_doubt(self) -> bool:
        """Whether all that was asked so far, and that is not little, came to nothing that can be read."""
        return not self._tally.read and self._unread.asked_in_vain

    def require_readable(self, at_end: bool = False) -> None:
        """Unreadable where the answers are in doubt, or, `at_end`, where there are none but unreadable ones.

        To be called with nothing under way.
        """
        if self.in_doubt or (at_end and not self._tally.read and self._unread.all_in_vain):
            raise self._unread.error()

    def require_fitting(self) -> None:
        """NothingFits where nothing was ever answered, and every row, of at least a few, is too long to be
        sent."""
        if not self.proven and LEAST_IN_ALL <= len(self._unsent) == len(self._results):
            raise NothingFits(self.results, min(self._unsent), self.options)

    async def answer(self, replies: Sequence[tuple[Row, Reply]]) -> None:
        """Replies to rows that were ready: counted, committed, then judged."""
        for row, reply in replies:
            self._count(row, reply)
        paid = [(row, replace(reply, payer=self.payer)) for row, reply in replies]
        await self.commits.put([self.entry(row.key, row.request.task, reply) for row, reply in paid])
        for row, reply in replies:
            self._judge(row, reply)
        self.show()

    async def answer_committed(self, replies: Sequence[tuple[Row, Reply]]) -> None:
        """Replies that stand in the cache by now, asked by us."""
        for row, reply in replies:
            self._count(row, reply)
            self._judge(row, reply)
        self.show()

    def look_up_again(self, row: Row) -> None:
        """A row that was ready, whose reply somebody else has committed meanwhile."""
        self._again.append(row)

    async def owe(self, row: Row, reason: str) -> None:
        """The row ends for now: no reply came."""
        await self._leave(row, "owed", reason)

    async def refused(self, row: Row, reason: str) -> None:
        """The row ends: the endpoint does not take it, or not its repair."""
        if row.fault:
            reason = f"{row.reason}; asking again was refused: {reason}"
        await self._leave(row, "quarantined", reason, refused=True)

    async def _leave(self, row: Row, status: Status, reason: str, *, refused: bool = False) -> None:
        await self.commits.release([row.key])
        self._finish(row, status, reason, refused=refused)
        self.show()

    def entry(self, key: bytes, task: str, reply: Reply) -> Entry:
        """The reply as it is committed."""
        return Entry(key, self.options.logical_name, self.options.model, task, reply)

    def show(self) -> None:
        if self._finished:
            self._bar.advance(self._finished)
            self._finished = 0

    async def _look_up(self, rows: Sequence[Row]) -> None:
        """Judges what the cache holds and leases what must be asked."""
        replies = await self.commits.get([row.key for row in rows])
        unanswered = [row for row in rows if not self._judge_cached(row, replies)]
        to_ask = [row for row in unanswered if self._may_ask(row)]
        if not to_ask:
            return
        leased, replies = await self.commits.claim([row.key for row in to_ask])
        for row in to_ask:
            if self._judge_cached(row, replies):
                continue
            if row.key in leased:
                leased.remove(row.key)  # a second row with this key waits for the first one's answer
                self.ready.append(row)
            else:
                self._busy.append(row)

    def _take(self, most: int) -> list[Row]:
        rows = [self._again.popleft() for _ in range(min(most, len(self._again)))]
        for index, request in islice(self._requests, most - len(rows)):
            self._results.append(None)
            rows.append(Row.of(index, request, self.options))
        return rows

    def _may_ask(self, row: Row) -> bool:
        if self.hopeless:
            self._finish(row, "owed", self.hopeless)
            return False
        if prompt := self._too_long(row):
            too_long = f"{UNSENT}: {over_context(prompt, self.options)}"
            reason = f"{row.reason}; asking again was {too_long}" if row.fault else too_long
            self._unsent += [] if row.attempt else [prompt]
            self._finish(row, "quarantined", reason, refused=not row.attempt)
            return False
        if row.may_be_asked(self.options):
            return True
        self._finish(row, "quarantined", row.reason)
        return False

    def _too_long(self, row: Row) -> int:
        """The row's prompt tokens, where they exceed the teacher's context; else 0."""
        if self.options.context is None:
            return 0
        prompt = prompt_tokens(row.messages, row.request.schema)
        return prompt if prompt + self.options.max_tokens > self.options.context else 0

    def _judge_cached(self, row: Row, replies: dict[bytes, Reply]) -> bool:
        if (reply := replies.get(row.key)) is None:
            return False
        if self.payer and reply.payer == self.payer and row.key not in self._tally.bought:
            self._tally.own += 1
            self._tally.bought.add(row.key)
        else:
            self._tally.cached += 1
        self._judge(row, reply)
        return True

    def _count(self, row: Row, reply: Reply) -> None:
        row.asked += 1
        self._tally.bought.add(row.key)
        self._tally.requests += 1
        self._tally.prompt_tokens += reply.prompt_tokens
        self._tally.completion_tokens += reply.completion_tokens

    def _judge(self, row: Row, reply: Reply) -> None:
        """Ends the row where the answer is valid, else queues its next attempt."""
        row.prompt_tokens += reply.prompt_tokens
        row.completion_tokens += reply.completion_tokens
        answered = row.is_answered_by(reply, self.options)
        self._tally.read = self._tally.read or row.answer is not None
        if answered:
            self._finish(row, "ok", "")
        else:
            self._again.append(row)

    def _finish(self, row: Row, status: Status, reason: str, *, refused: bool = False) -> None:
        usage = RowUsage(row.prompt_tokens, row.completion_tokens, row.asked)
        answer = None if status == "owed" else row.answer
        if row.unread is not None and status == "quarantined":
            self._unread.add(row.unread, row.reason, row.asked > 0)
        self._results[row.index] = TeacherResult(answer, status, reason, usage, refused)
        self._finished += 1
