"""The cache from the event loop: one thread, and replies of a few milliseconds committed together."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from stat_train.teacher.budget import Budget
from stat_train.teacher.cache import Cache, Entry
from stat_train.teacher.request import Reply

GATHER_S = 0.004

P = ParamSpec("P")
T = TypeVar("T")


class Commits:
    """Runs the cache's operations in a thread of their own; `run` is whose spending is booked."""

    def __init__(self, cache: Cache, budget: Budget, run: str) -> None:
        self._cache, self._budget, self._run = cache, budget, run
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="teacher-cache")
        self._batch: list[Entry] = []
        self._flushing: asyncio.Task[None] | None = None

    async def get(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        return await self.call(self._cache.get, keys)

    async def claim(self, keys: Sequence[bytes]) -> tuple[set[bytes], dict[bytes, Reply]]:
        return await self.call(self._cache.claim, keys)

    async def release(self, keys: Sequence[bytes]) -> None:
        await self.call(self._cache.release, keys)

    async def put(self, entries: Sequence[Entry]) -> None:
        """Returns when the entries are committed; once this was called, `close` commits them in any case."""
        self._batch.extend(entries)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_soon())
        await asyncio.shield(self._flushing)

    async def close(self) -> None:
        """Commits what is left and gives back all leases. It awaits nothing, so that no interrupt comes
        between; what is under way in the thread ends first."""
        ends = [self._thread.submit(end) for end in (self._writing(), self._cache.release)]
        self._thread.shutdown()
        for end in ends:
            end.result()

    async def _flush_soon(self) -> None:
        await asyncio.sleep(GATHER_S)
        self._flushing = None
        await asyncio.shield(self._in_thread(self._writing()))

    def _writing(self) -> Callable[[], None]:
        """What commits, in the thread, all that was put and booked by now."""
        batch, self._batch = self._batch, []
        tokens, usd = self._budget.unbooked()

        def write() -> None:
            if batch or tokens or usd:
                self._cache.put(batch, self._run, tokens, usd)

        return write

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `function`, which may use the cache's database, in the cache's thread."""
        return await self._in_thread(function, *args, **kwargs)

    def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))
