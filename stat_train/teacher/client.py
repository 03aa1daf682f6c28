"""The teacher: requests in, one result each out, whatever happens on the way."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, TypeVar

from stat_train.errors import Interrupted, UserError
from stat_train.progress import Bar, progress
from stat_train.teacher.asking import ask_by_requests
from stat_train.teacher.batch import Batches
from stat_train.teacher.batch_api import BatchApi
from stat_train.teacher.batch_records import BatchRecords
from stat_train.teacher.budget import Budget, read_price
from stat_train.teacher.cache import Cache
from stat_train.teacher.commits import Commits
from stat_train.teacher.dialect import Dialect
from stat_train.teacher.in_process import Engine, ask_in_process
from stat_train.teacher.limits import Endpoint, Paces
from stat_train.teacher.options import TUTOR, TeacherOptions
from stat_train.teacher.request import Estimate, TeacherRequest, TeacherResult, Usage
from stat_train.teacher.rows import CHUNK, Row, Rows, Tally, prompt_tokens
from stat_train.teacher.sending import Sender
from stat_train.teacher.transport import TUTOR_URL, HttpTransport

T = TypeVar("T")


class Teacher:
    """Asks one teacher model, through a cache that no answer is paid for twice.

    `cache` is the SQLite file. `app` is an ASGI application that answers in process in place of
    every URL (the embedded tutor). `run` names whose budget is spent: all teachers with the same
    `cache` and `run` share one, over restarts; with "" the budget holds for this object. `beside` is another
    teacher of the same options, whose pace, and whose model where it is loaded here, this one shares.
    `payer` names what answers are bought for (a stage): `usage` then counts all that were ever bought for it,
    over restarts; with "" those that this object bought.
    UserError: an unusable cache or price table, a missing key, a budget in USD without a price.
    """

    def __init__(
        self,
        options: TeacherOptions,
        cache: Path | str,
        app: Any = None,
        run: str = "",
        beside: "Teacher | None" = None,
        payer: str = "",
    ) -> None:
        if app is None and options.is_tutor:
            raise UserError('teacher.endpoint: "tutor" answers in process only; name a URL, or pass its app')
        self.options = options
        self._app, self._run, self._payer = app, run, payer
        self._price = read_price(options.model, options.prices, batch=options.mode == "batch")
        self._cache = Cache(Path(cache))
        self._budget = Budget(options, self._price, self._cache.spent(run) if run else (0, 0.0))
        self._dialects = {url: Dialect.of(options) for url in options.urls}
        self._answered: dict[str, int] = {}
        self._tally = Tally()
        self._closed = False
        self._engine: Engine = beside._engine if beside else Engine(options)
        self._paces: Paces = beside._paces if beside else Paces.of(options)

    def __enter__(self) -> "Teacher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        self._engine.close()
        self._cache.close()

    @property
    def usage(self) -> Usage:
        """What was asked so far."""
        tally = self._tally
        asked, prompt, completion = (
            self._cache.bought(self._payer)
            if self._payer
            else (tally.requests, tally.prompt_tokens, tally.completion_tokens)
        )
        usd = self._price.usd(prompt, completion) if self._price else None
        return Usage(asked, tally.cached, prompt, completion, usd)

    @property
    def spent(self) -> tuple[int, float]:
        """Tokens and dollars that count against the budget so far."""
        return self._budget.tokens, self._budget.usd

    def ask(
        self, requests: Iterable[TeacherRequest], label: str = "asking the teacher"
    ) -> list[TeacherResult]:
        """One result a request, in input order; blocks, with a progress bar named `label`.

        `requests` may be a generator: rows are read as they are needed. Unfinished (budget) and
        Interrupted (Ctrl-C): all replies so far are kept, the same call goes on from there. UserError: no
        request can be answered (unreachable, key, model, cache, context), in one line.
        """
        self._check_open()
        total = len(requests) if isinstance(requests, Sized) else None
        before = self._tally.requests
        try:
            with progress(label, total) as bar:
                return _run(lambda: self._ask(requests, label, bar))
        except KeyboardInterrupt:
            new = self._tally.requests - before
            raise Interrupted(
                f"{label}: interrupted; {new:,} new answers are kept in {self._cache.path}"
                f"{self._under_way()}: run the same command again to go on"
            ) from None

    def _check_open(self) -> None:
        if self._closed:
            raise UserError("this Teacher is closed: ask inside its `with` block, or open another")

    def estimate(self, requests: Iterable[TeacherRequest]) -> Estimate:
        """What `ask` would send and cost at most, repairs of new answers aside. Sends nothing."""
        self._check_open()
        count, longest, most = 0, None, 0
        to_ask: dict[bytes, int] = {}
        numbered = enumerate(requests)
        while rows := [Row.of(n, request, self.options) for n, request in islice(numbered, CHUNK)]:
            count += len(rows)
            sizes = {row.index: prompt_tokens(row.messages, row.request.schema) for row in rows}
            for row in rows:
                if sizes[row.index] > most:
                    longest, most = row.request, sizes[row.index]
            for row in self._open(rows):
                repaired = row.attempt > 0
                size = prompt_tokens(row.messages, row.request.schema) if repaired else sizes[row.index]
                to_ask[row.key] = size
        asked = sum(to_ask.values())
        answered = len(to_ask) * self.options.max_tokens
        usd = self._price.usd(asked, answered) if self._price else None
        return Estimate(count, count - len(to_ask), asked, answered, usd, longest, most)

    def _open(self, rows: Sequence[Row]) -> Iterator[Row]:
        """The rows, each at the attempt that is to be asked, without those that the cache can answer."""
        while rows:
            replies = self._cache.get([row.key for row in rows])
            found = [row for row in rows if row.key in replies]
            yield from (row for row in rows if row.key not in replies and row.may_be_asked(self.options))
            rows = [row for row in found if not row.is_answered_by(replies[row.key], self.options)]

    async def _ask(self, requests: Iterable[TeacherRequest], label: str, bar: Bar) -> list[TeacherResult]:
        if self._run:
            self._budget.catch_up(self._cache.spent(self._run))
        commits = Commits(self._cache, self._budget, self._run)
        rows = Rows(self.options, requests, commits, bar, self._tally, self._payer)
        try:
            if self.options.mode == "batch":
                await self._ask_by_batches(rows, label)
            elif self.options.mode == "vllm":
                await ask_in_process(rows, self._engine, self._budget)
            else:
                await self._ask_by_requests(rows, label)
            rows.require_readable(at_end=True)
            rows.require_fitting()
        finally:
            await commits.close()
        return rows.results

    async def _ask_by_requests(self, rows: Rows, label: str) -> None:
        transports = {url: self._transport(url) for url in self.options.urls}
        endpoints = [
            Endpoint(
                url,
                transport,
                self._dialects[url],
                self.options.max_in_flight,
                answered=self._answered.get(url, 0),
            )
            for url, transport in transports.items()
        ]
        try:
            sender = Sender(self.options, endpoints, self._budget, self._paces, lambda: rows.proven)
            await ask_by_requests(rows, sender, label)
        finally:
            self._dialects = {endpoint.url: endpoint.dialect for endpoint in endpoints}
            self._answered = {endpoint.url: endpoint.answered for endpoint in endpoints}
            for transport in transports.values():
                await transport.close()

    async def _ask_by_batches(self, rows: Rows, label: str) -> None:
        (url,) = self.options.urls
        api = BatchApi(url, self.options, self._app)
        batches = Batches(
            rows, api, self._batch_records(), self._budget, self._dialects[url], self._run, label
        )
        try:
            await batches.ask()
        finally:
            self._dialects[url] = batches.dialect
            await api.close()

    def _batch_records(self) -> BatchRecords:
        return BatchRecords(self._cache, self.options.urls[0])

    def _under_way(self) -> str:
        """Says which batches go on without us."""
        if self.options.mode != "batch":
            return ""
        ids = [record.id for record in self._batch_records().waiting() if record.id]
        return f"; {', '.join(ids)} goes on at the teacher and is collected then" if ids else ""

    def _transport(self, url: str) -> HttpTransport:
        return HttpTransport(TUTOR_URL if url == TUTOR else url, self.options, self._app)


def _run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs `main` to its end; beside a running event loop (a notebook) in a thread of its own.

    A first Ctrl-C cancels it, which may wait for what is under way; a second one cancels that too.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    loop, started, interrupted = asyncio.new_event_loop(), Event(), False
    task: list[asyncio.Task[T]] = []

    async def stoppable() -> T:
        task.append(asyncio.ensure_future(main()))
        started.set()
        return await task[0]

    def in_thread() -> T:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(stoppable())

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(in_thread)
        while True:
            try:
                return future.result()
            except KeyboardInterrupt:
                interrupted = True
                started.wait()
                with suppress(RuntimeError):  # it has just ended
                    loop.call_soon_threadsafe(task[0].cancel)
            except asyncio.CancelledError:
                raise (KeyboardInterrupt if interrupted else asyncio.CancelledError) from None
