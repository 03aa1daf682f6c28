"""Rows asked through a Batch API: written, noted on disk, uploaded, waited for, collected.

Every round sends one batch of what is still without a valid answer; repairs, and what a batch left
undone, go into the next one. A batch outlives the process: it stands in the cache's database before
anybody waits for it.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from stat_train.errors import Unfinished, UserError
from stat_train.teacher.batch_api import BatchApi, BatchState, GoneError
from stat_train.teacher.batch_records import BatchRecord, BatchRecords, BatchRow
from stat_train.teacher.budget import Budget, Reservation
from stat_train.teacher.cache import Entry
from stat_train.teacher.dialect import Dialect, about_format
from stat_train.teacher.failures import LEAST_REFUSED, TransportError
from stat_train.teacher.request import Reply
from stat_train.teacher.rows import Row, Rows
from stat_train.teacher.sending import UNCOUNTED_TOKENS

MOST_REQUESTS, MOST_BYTES = 50_000, 190_000_000
"""What one input file may hold (OpenAI: 50,000 requests, 200 MB)."""
BATCHES_A_ROW = 3
"""Batches that may leave a row unanswered before it is owed."""

Outcome = Reply | TransportError


@dataclass(slots=True)
class Batches:
    """One `Teacher.ask` by batches; `run` is whose budget is spent, `label` names the progress lines."""

    rows: Rows
    api: BatchApi
    records: BatchRecords
    budget: Budget
    dialect: Dialect
    run: str
    label: str
    _left: dict[int, int] = field(default_factory=dict)  # row index -> batches that left it unanswered
    _held: set[str] = field(default_factory=set)  # batches that this object's budget counts as spent

    async def ask(self) -> None:
        """Until every row has a result. UserError where no request can be answered; Unfinished (budget,
        endpoint away): what is under way stays noted, and the same call goes on from there."""
        while await self.rows.refill(MOST_REQUESTS):
            self.rows.require_readable()
            used = self.dialect
            unsent = {row.key: row for row in self.rows.ready}
            self.rows.ready.clear()
            sent: dict[bytes, Row] = {}
            mine: set[bytes] = set()
            batches = await self._under_way(unsent)
            for record in batches:
                sent |= {key: unsent.pop(key) for key in await self._keys(record, unsent)}
            if unsent:
                try:
                    record, rows = await self._submit(list(unsent.values()))
                except Unfinished:
                    if not batches:
                        raise
                    rows = []  # what is under way may leave room in the budget once it is collected
                else:
                    batches.append(record)
                for row in rows:
                    sent[row.key] = unsent.pop(row.key)
                    mine.add(row.key)
                self.rows.ready.extend(unsent.values())
            outcomes: dict[bytes, Outcome] = {}
            for record in batches:
                outcomes |= await self._collect(record)
            elsewhere = [key for key in sent if key not in outcomes or key not in mine]
            for key in await self.rows.commits.get(elsewhere):
                self.rows.look_up_again(sent.pop(key))  # sent, or collected, by another process
            await self._judge(sent, outcomes, used)

    async def _under_way(self, leased: dict[bytes, Row]) -> list[BatchRecord]:
        """The batches of an earlier process that hold some of these rows."""
        found = []
        for record in await self.rows.commits.call(self.records.waiting):
            if not await self._keys(record, leased):
                continue
            named = record if record.id else await self._look_for(record)
            if named:
                self._say(f"batch {named.id} is under way: waiting for it")
                found.append(named)
        return found

    async def _keys(self, record: BatchRecord, leased: dict[bytes, Row]) -> list[bytes]:
        return [key for key in await self.rows.commits.call(self.records.rows, record) if key in leased]

    async def _look_for(self, record: BatchRecord) -> BatchRecord | None:
        """The record with its id; None, and forgotten, where the batch was never made."""
        id = await self.api.find(record.token, record.created)
        if id:
            return await self.rows.commits.call(self.records.name, record, id)
        await self._finish(record, [], Reservation(0, 0.0))
        return None

    async def _submit(self, rows: Sequence[Row]) -> tuple[BatchRecord, Sequence[Row]]:
        """A new batch of as many of the first rows as file and budget allow, and these rows.

        Unfinished where the budget allows none.
        """
        lines, size = list[bytes](), 0
        for row in rows[:MOST_REQUESTS]:
            line = self._line(row)
            size += len(line)
            if lines and size > MOST_BYTES:
                break
            lines.append(line)
        bounds = [len(line) + UNCOUNTED_TOKENS for line in lines]
        count, held = self.budget.hold(bounds)
        rows, lines = rows[:count], lines[:count]
        described = [
            BatchRow(row.key, row.request.task, bound) for row, bound in zip(rows, bounds, strict=False)
        ]
        call = self.rows.commits.call
        record = await call(self.records.begin, described, held, self.run, self.rows.payer)
        self._held.add(record.token)
        try:
            file = await self.api.upload(b"".join(lines))
            id = await self.api.create(file, record.token, record.created)
        except UserError:
            await self._finish(record, [], Reservation(0, 0.0))
            raise
        record = await call(self.records.name, record, id)
        self._say(f"batch {id} sent, {len(rows):,} requests; Ctrl-C leaves it running")
        return record, rows

    def _line(self, row: Row) -> bytes:
        body = self.dialect.body(row.request, row.messages, self.rows.options)
        head = orjson.dumps({"custom_id": row.key.hex(), "method": "POST", "url": "/v1/chat/completions"})
        return head[:-1] + b',"body":' + body + b"}\n"

    async def _collect(self, record: BatchRecord) -> dict[bytes, Outcome]:
        """Waits until the batch is over and keeps all that it answered, whoever asked for it."""
        try:
            state = await self._wait(record)
            outcomes = await self.api.outcomes(state)
        except GoneError as gone:
            await self._finish(record, [], record.held)
            self._say(f"batch {record.id} is gone ({gone}): it counts as spent, its requests are sent again")
            return {}
        known = await self.rows.commits.call(self.records.rows, record)
        found = {key: outcomes[key.hex()] for key in known if key.hex() in outcomes}
        replies = {key: outcome for key, outcome in found.items() if isinstance(outcome, Reply)}
        costs = [self.budget.cost(reply, known[key].prompt_bound) for key, reply in replies.items()]
        costs += [
            self.budget.bound(known[key].prompt_bound)
            for key, outcome in found.items()
            if isinstance(outcome, TransportError) and outcome.maybe_billed
        ]
        spent = Reservation(sum(cost.tokens for cost in costs), sum(cost.usd for cost in costs))
        entries = [self.rows.entry(key, known[key].task, reply) for key, reply in replies.items()]
        await self._finish(record, entries, spent)
        if not found:
            if state.status == "failed":
                raise UserError(
                    f"the teacher's batch {state.id} failed ({state.errors or 'no reason given'}); "
                    "mend the cause and run again"
                )
            if known:
                self._say(f"batch {state.id} {state.status} without an answer")
        return found

    async def _wait(self, record: BatchRecord) -> BatchState:
        """The batch's state once it is over, with a line whenever something moved."""
        shown = None
        while True:
            state = await self.api.state(record.id, record.token, record.created)
            moved = (state.status, state.completed, state.failed)
            if moved != shown:
                shown = moved
                answered = f"{state.completed:,} of {state.total:,} answered"
                failed = f", {state.failed:,} failed" if state.failed else ""
                self._say(f"batch {state.id} {state.status}, {answered}{failed}, {_ago(record.created)}")
            if state.over:
                return state
            await asyncio.sleep(self.rows.options.batch_poll_s)

    async def _finish(self, record: BatchRecord, entries: Sequence[Entry], spent: Reservation) -> None:
        """Keeps the replies, forgets the batch, and books what it cost instead of what was held."""
        await self.rows.commits.call(self.records.finish, record, entries, spent)
        if record.token in self._held or (self.run and record.run == self.run):
            self.budget.settle_held(record.held, spent, book=False)

    async def _judge(self, rows: dict[bytes, Row], outcomes: dict[bytes, Outcome], used: Dialect) -> None:
        """Results, repairs, or another batch, for the rows of one that is over."""
        replies, failures = list[tuple[Row, Reply]](), list[tuple[Row, TransportError]]()
        for key, row in rows.items():
            outcome = outcomes.get(key, _UNANSWERED)
            if isinstance(outcome, Reply):
                replies.append((row, outcome))
            else:
                failures.append((row, outcome))
        await self.rows.answer_committed(replies)
        few = sum(failure.kind == "refused" for _, failure in failures) < LEAST_REFUSED
        for row, failure in failures:
            if failure.kind == "denied":
                raise UserError(f"the teacher answers: {failure.reason}")
            if failure.kind == "too_long":
                await self.rows.refused(row, failure.reason)
            elif failure.kind == "refused":
                await self._refused(row, failure, used, bool(replies), few)
            else:
                await self._unanswered(row, failure)

    async def _refused(
        self, row: Row, failure: TransportError, used: Dialect, others_answered: bool, few: bool
    ) -> None:
        """Once more in another dialect, where the refusal is about that."""
        if self.dialect is used and (other := used.after_refusal(failure.reason, others_answered)):
            self.dialect = other
        if self.dialect is not used:
            self.rows.ready.append(row)
        elif self.rows.proven or (few and not about_format(failure.reason)):
            await self.rows.refused(row, failure.reason)
        else:
            raise UserError(f"the teacher answers: {failure.reason}")

    async def _unanswered(self, row: Row, failure: TransportError) -> None:
        self._left[row.index] = self._left.get(row.index, 0) + 1
        if self._left[row.index] < BATCHES_A_ROW:
            self.rows.ready.append(row)
        else:
            reason = f"{failure.reason} (the last of {BATCHES_A_ROW} batches that left it unanswered)"
            await self.rows.owe(row, reason)

    def _say(self, line: str) -> None:
        print(f"{self.label}: {line}", file=sys.stderr, flush=True)


_UNANSWERED = TransportError("broken", "not answered")


def _ago(since: float) -> str:
    seconds = max(0, int(time.time() - since))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
