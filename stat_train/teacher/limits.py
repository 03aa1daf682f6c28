"""How much may be under way: places at endpoints that adapt (AIMD), and a steady pace a minute."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from stat_train.teacher.dialect import Dialect
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.transport import Transport

RECOVERY_ROUNDS = 16


@dataclass(slots=True, eq=False)
class Endpoint:
    """One base URL: how many requests it takes now, and until when it wants none."""

    url: str
    transport: Transport
    dialect: Dialect
    most: int
    capacity: float = 0.0
    in_flight: int = 0
    paused_until: float = 0.0
    last_cut: float = field(default_factory=time.monotonic)
    answered: int = 0
    reached: bool = False

    def __post_init__(self) -> None:
        self.capacity = float(self.most)

    def succeeded(self) -> None:
        """Additive recovery: from half to all places in about eight round trips."""
        self.answered += 1
        self.reached = True
        if self.capacity < self.most:
            self.capacity = min(
                self.most, self.capacity + max(1.0, self.most / RECOVERY_ROUNDS) / self.capacity
            )

    def throttled(self, sent: float, retry_after: float | None) -> None:
        """Halves the places, once for all requests that were sent before the last cut."""
        if sent > self.last_cut:
            self.capacity = max(1.0, self.capacity / 2)
            self.last_cut = time.monotonic()
        if retry_after is not None:
            self.pause(retry_after)

    def pause(self, seconds: float) -> None:
        self.paused_until = max(self.paused_until, time.monotonic() + seconds)


class Endpoints:
    """Hands out places, the least busy endpoint first."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.all = endpoints
        self._waiting: deque[asyncio.Future[Endpoint]] = deque()

    async def acquire(self) -> Endpoint:
        """A place; give it back with `release`."""
        if not self._waiting and (endpoint := self._free()) is not None:
            endpoint.in_flight += 1
            return endpoint
        turn: asyncio.Future[Endpoint] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._wake()
        return await turn

    def release(self, endpoint: Endpoint) -> None:
        endpoint.in_flight -= 1
        if self._waiting:
            self._wake()

    def _free(self) -> Endpoint | None:
        now = time.monotonic()
        free = [e for e in self.all if e.paused_until <= now and e.in_flight < int(e.capacity)]
        return min(free, key=lambda e: e.in_flight, default=None)

    def _wake(self) -> None:
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
            elif (endpoint := self._free()) is not None:
                endpoint.in_flight += 1
                self._waiting.popleft().set_result(endpoint)
            else:
                self._wake_after_pause()
                return

    def _wake_after_pause(self) -> None:
        now = time.monotonic()
        pauses = [e.paused_until - now for e in self.all if e.paused_until > now]
        if pauses:
            asyncio.get_running_loop().call_later(min(pauses), self._wake)


class Pace:
    """Spreads amounts evenly over time, `per_minute` at most; None: no limit."""

    def __init__(self, per_minute: float | None) -> None:
        self._per_second = None if per_minute is None else per_minute / 60
        self._next = 0.0

    async def wait(self, amount: float) -> None:
        if self._per_second is None:
            return
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + amount / self._per_second
        if start > now:
            await asyncio.sleep(start - now)

    def give_back(self, amount: float) -> None:
        """A part of what was waited for was not used."""
        if self._per_second is not None:
            self._next -= amount / self._per_second


@dataclass(frozen=True, slots=True)
class Paces:
    """The limits a minute of one teacher, over all that it is asked."""

    requests: Pace
    tokens: Pace

    @classmethod
    def of(cls, options: TeacherOptions) -> "Paces":
        return cls(Pace(options.requests_per_minute), Pace(options.tokens_per_minute))
