"""A budget is a wall: every attempt is reserved against it before it is sent."""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from stat_train.assets import asset
from stat_train.errors import Unfinished, UserError
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Reply


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


def read_price(model: str, path: Path | None, batch: bool = False) -> Price | None:
    """The price of `model` in a table like data/prices.yaml; None where it is not listed.

    With `batch` that of its entry `batch`, where there is one. UserError names the file and the entry
    that cannot be read.
    """
    path = path or asset("data/prices.yaml")
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not a readable price table ({' '.join(str(error).split())})") from None
    models = table.get("models") if isinstance(table, dict) else None
    if not isinstance(models, dict):
        raise UserError(f"{path}: no `models:`; write `models: {{my-model: {{input: 1.0, output: 2.0}}}}`")
    if (entry := models.get(model)) is None:
        return None
    if batch and isinstance(entry, dict):
        entry = entry.get("batch", entry)
    try:
        price = Price(float(entry["input"]), float(entry["output"]))
    except (KeyError, TypeError, ValueError):
        price = None
    if price is None or not (0 <= price.input < math.inf and 0 <= price.output < math.inf):
        raise UserError(f"{path}: models.{model}: write {{input: USD, output: USD}} per million tokens")
    return price


@dataclass(frozen=True, slots=True)
class Reservation:
    """Tokens and dollars: the most that attempts may cost, or what they did cost."""

    tokens: int
    usd: float


class Budget:
    """What may be spent, has been spent, and is reserved for attempts in flight.

    Prompt tokens are bounded by bytes (no tokenizer makes more), completions by `max_tokens`.
    An attempt of which nobody knows whether it was billed (time-out, lost connection, interrupt)
    counts as spent in full.
    """

    def __init__(
        self, options: TeacherOptions, price: Price | None, spent: tuple[int, float] = (0, 0.0)
    ) -> None:
        if options.budget_usd is not None and price is None:
            raise UserError(
                f"teacher.budget_usd: the price of {options.model!r} is unknown; "
                "add it to the price table (teacher.prices) or set teacher.budget_tokens"
            )
        self._price = price
        self._cap_tokens, self._cap_usd = options.budget_tokens, options.budget_usd
        self._completion_bound = options.max_tokens
        self.tokens, self.usd = spent
        self._reserved_tokens, self._reserved_usd, self._outstanding = 0, 0.0, 0
        self._unbooked_tokens, self._unbooked_usd = 0, 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def catch_up(self, spent: tuple[int, float]) -> None:
        """What the ledger holds by now, others' spending too; left alone while attempts are in flight."""
        if not self._outstanding:
            self.tokens, self.usd = spent

    async def reserve(self, prompt_bound: int) -> Reservation:
        """Waits until attempts in flight leave room; Unfinished where they never will."""
        needed = self.bound(prompt_bound)
        while not self._fits(needed):
            if not self._outstanding:
                raise Unfinished(self._message(needed))
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._outstanding += 1
        self._reserved_tokens += needed.tokens
        self._reserved_usd += needed.usd
        return needed

    def settle(self, reservation: Reservation, prompt_tokens: int, completion_tokens: int) -> None:
        """The attempt is over and cost this much."""
        usd = self._price.usd(prompt_tokens, completion_tokens) if self._price else 0.0
        self._close(reservation, prompt_tokens + completion_tokens, usd)

    def charge(self, reservation: Reservation) -> None:
        """The attempt is over and may have cost all that was reserved."""
        self._close(reservation, reservation.tokens, reservation.usd)

    def hold(self, prompt_bounds: Sequence[int]) -> tuple[int, Reservation]:
        """Takes as spent, until `settle_held`, as many of the first attempts as fit: their number and sum.

        Unfinished where not even the first one fits. The ledger does not hear of it.
        """
        held, count = Reservation(0, 0.0), 0
        for bound in prompt_bounds:
            one = self.bound(bound)
            more = Reservation(held.tokens + one.tokens, held.usd + one.usd)
            if not self._fits(more):
                break
            held, count = more, count + 1
        if prompt_bounds and not count:
            raise Unfinished(self._message(self.bound(prompt_bounds[0])))
        self.tokens += held.tokens
        self.usd += held.usd
        return count, held

    def settle_held(self, held: Reservation, spent: Reservation, *, book: bool) -> None:
        """What was held cost `spent`; `book`: the ledger is yet to hear of it."""
        self.tokens += spent.tokens - held.tokens
        self.usd += spent.usd - held.usd
        if book:
            self._unbooked_tokens += spent.tokens
            self._unbooked_usd += spent.usd

    def cost(self, reply: Reply, prompt_bound: int) -> Reservation:
        """What a reply cost; all that it may have cost where the server does not count."""
        tokens = reply.prompt_tokens + reply.completion_tokens
        if not tokens:
            return self.bound(prompt_bound)
        usd = self._price.usd(reply.prompt_tokens, reply.completion_tokens) if self._price else 0.0
        return Reservation(tokens, usd)

    def unbooked(self) -> tuple[int, float]:
        """Tokens and dollars spent since the last call: what the ledger does not hold yet."""
        booked = self._unbooked_tokens, self._unbooked_usd
        self._unbooked_tokens, self._unbooked_usd = 0, 0.0
        return booked

    def bound(self, prompt_bound: int) -> Reservation:
        """The most that an attempt with at most so many prompt tokens may cost."""
        usd = self._price.usd(prompt_bound, self._completion_bound) if self._price else 0.0
        return Reservation(prompt_bound + self._completion_bound, usd)

    def _fits(self, needed: Reservation) -> bool:
        tokens = self.tokens + self._reserved_tokens + needed.tokens
        usd = self.usd + self._reserved_usd + needed.usd
        return (self._cap_tokens is None or tokens <= self._cap_tokens) and (
            self._cap_usd is None or usd <= self._cap_usd
        )

    def _close(self, reservation: Reservation, tokens: int, usd: float) -> None:
        self._outstanding -= 1
        self._reserved_tokens -= reservation.tokens
        self._reserved_usd -= reservation.usd
        self.tokens += tokens
        self.usd += usd
        self._unbooked_tokens += tokens
        self._unbooked_usd += usd
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)

    def _message(self, needed: Reservation) -> str:
        parts = []
        if self._cap_usd is not None:
            parts.append(
                f"{self.usd:.4f} of {self._cap_usd:g} USD spent, the next request may cost {needed.usd:.4f}"
            )
        if self._cap_tokens is not None:
            parts.append(
                f"{self.tokens:,} of {self._cap_tokens:,} tokens spent, "
                f"the next request may take {needed.tokens:,}"
            )
        return (
            f"the teacher's budget is reached ({'; '.join(parts)}); all answers so far are kept: "
            "raise teacher.budget_usd or teacher.budget_tokens and run again"
        )
