"""One request until it is answered or owed: the only retry loop; limits and budget see every attempt."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence

from stat_train.errors import UserError
from stat_train.teacher.budget import Budget
from stat_train.teacher.dialect import Dialect, about_format
from stat_train.teacher.failures import LEAST_REFUSED, TransportError
from stat_train.teacher.limits import Endpoint, Endpoints, Paces
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import BYTES_PER_TOKEN, Message, Reply, TeacherRequest

BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 30.0
UNREACHABLE_ATTEMPTS = 3
OWED_IN_A_ROW = 16
UNCOUNTED_TOKENS = 64
"""Room in a reservation for what a server adds to a prompt (roles, a default system message)."""


class OwedError(Exception):
    """No answer came, and waiting longer is no use; the message says why."""


class Sender:
    """Sends to whichever endpoint has room, within the limits a minute and the budget.

    `proven` says whether the teacher has ever answered.
    """

    def __init__(
        self,
        options: TeacherOptions,
        endpoints: Sequence[Endpoint],
        budget: Budget,
        paces: Paces,
        proven: Callable[[], bool],
    ) -> None:
        self._options, self._budget, self._paces, self._proven = options, budget, paces, proven
        self._endpoints = Endpoints(endpoints)
        self._under_way: set[object] = set()
        self._refused = 0
        self._pages: set[object] = set()  # requests that met a web page, and no teacher, again and again
        self._undecided: set[object] = set()  # what was under way beside the third refusal
        self._owed_in_a_row = 0
        self.waiting: set[asyncio.Task[None] | None] = set()
        """The tasks that wait for an endpoint's answer."""
        self.hopeless = ""
        """Why nothing more can be sent, once so many rows in a row failed that it is no use."""

    async def send(self, request: TeacherRequest, messages: Sequence[Message]) -> Reply:
        """The endpoint's reply.

        OwedError: transport failed for good. TransportError (refused, too_long): this request
        cannot be answered. UserError: none can. Unfinished: the budget is reached.
        """
        ticket = object()
        self._under_way.add(ticket)
        try:
            return await self._send(request, messages, ticket)
        finally:
            self._under_way.remove(ticket)

    async def _send(self, request: TeacherRequest, messages: Sequence[Message], ticket: object) -> Reply:
        failures, tries, progress = 0, 0, -1
        while not self.hopeless:
            endpoint = await self._endpoints.acquire()
            dialect = endpoint.dialect
            try:
                reply = await self._attempt(endpoint, dialect.body(request, messages, self._options))
            except TransportError as caught:
                failure = caught
            else:
                self._owed_in_a_row = 0
                return reply
            finally:
                self._endpoints.release(endpoint)

            if _adapted(endpoint, dialect, failure):
                continue
            self._raise_if_final(endpoint, failure, ticket)
            tries += 1
            answered = sum(each.answered for each in self._endpoints.all)
            if failure.kind != "throttled" or answered == progress:
                failures += 1  # while a throttling teacher still answers other rows, waiting is no failure
            progress = answered
            self._raise_if_unreachable(endpoint, failure, failures)
            self._raise_if_no_teacher(endpoint, failure, failures, ticket)
            if failures >= self._options.max_attempts:
                raise self._owed(endpoint, failure)
            if self.hopeless:
                break
            await self._pause(endpoint, failure, tries)
        raise OwedError(self.hopeless)

    async def _attempt(self, endpoint: Endpoint, body: bytes) -> Reply:
        tokens = len(body) // BYTES_PER_TOKEN + self._options.max_tokens
        await self._paces.requests.wait(1)
        await self._paces.tokens.wait(tokens)
        reservation = await self._budget.reserve(len(body) + UNCOUNTED_TOKENS)
        sent, task = time.monotonic(), asyncio.current_task()
        self.waiting.add(task)
        try:
            reply = await endpoint.transport(body)
        except TransportError as failure:
            if failure.maybe_billed:
                self._budget.charge(reservation)
            else:
                self._budget.settle(reservation, 0, 0)
            if failure.kind == "throttled":
                endpoint.throttled(sent, failure.retry_after)
            raise
        except BaseException:
            self._budget.charge(reservation)  # interrupted
            raise
        finally:
            self.waiting.discard(task)
        used = reply.prompt_tokens + reply.completion_tokens
        if used:
            self._budget.settle(reservation, reply.prompt_tokens, reply.completion_tokens)
            self._paces.tokens.give_back(tokens - used)
        else:
            self._budget.charge(reservation)  # a server that does not count
        endpoint.succeeded()
        return reply

    def _raise_if_final(self, endpoint: Endpoint, failure: TransportError, ticket: object) -> None:
        if failure.kind == "too_long":
            raise failure
        if failure.kind == "refused" and not self._refuses_all(endpoint, failure, ticket):
            raise failure
        if failure.kind in ("refused", "denied"):
            raise UserError(f"the teacher at {endpoint.url} answers: {failure.reason}")

    def _refuses_all(self, endpoint: Endpoint, failure: TransportError, ticket: object) -> bool:
        """Whether a refusal is about the endpoint rather than the request: nothing was ever answered, and
        it speaks of the format, or all that was under way when the third request was refused came to
        nothing too."""
        if endpoint.answered or (len(self._endpoints.all) == 1 and self._proven()):
            return False
        if about_format(failure.reason):
            return True
        self._refused += 1
        if self._refused == LEAST_REFUSED:
            self._undecided = self._under_way - {ticket}
        return self._refused >= LEAST_REFUSED and not self._undecided & (self._under_way - {ticket})

    def _raise_if_unreachable(self, endpoint: Endpoint, failure: TransportError, failures: int) -> None:
        if failure.kind != "unreachable":
            endpoint.reached = True
        elif failures >= UNREACHABLE_ATTEMPTS and not any(each.reached for each in self._endpoints.all):
            raise UserError(
                f"the teacher at {endpoint.url} cannot be reached ({failure.reason}); "
                "start it or mend teacher.endpoint"
            )

    def _raise_if_no_teacher(
        self, endpoint: Endpoint, failure: TransportError, failures: int, ticket: object
    ) -> None:
        """UserError where nothing was ever answered, and all that is under way met a web page thrice."""
        if failure.kind != "nonsense" or failures < UNREACHABLE_ATTEMPTS:
            return
        self._pages.add(ticket)
        if endpoint.answered or self._proven() or not self._under_way <= self._pages:
            return
        raise UserError(
            f"the teacher at {endpoint.url} answers with no chat completion ({failure.reason}); mend "
            "teacher.endpoint: most end in /v1"
        )

    def _owed(self, endpoint: Endpoint, failure: TransportError) -> OwedError:
        self._owed_in_a_row += 1
        if self._owed_in_a_row >= OWED_IN_A_ROW:
            self.hopeless = (
                f"given up after {OWED_IN_A_ROW} rows in a row failed, the last one with: {failure.reason}"
            )
        last = f"the last of {self._options.max_attempts} failures at {endpoint.url}"
        return OwedError(f"{failure.reason} ({last})")

    async def _pause(self, endpoint: Endpoint, failure: TransportError, tries: int) -> None:
        if failure.retry_after is not None:
            return  # the endpoint itself is paused; another one may take the row at once
        delay = min(LONGEST_BACKOFF_S, BACKOFF_S * 2.0 ** (tries - 1)) * random.uniform(0.5, 1.5)
        if failure.kind == "unreachable":
            endpoint.pause(delay)
        await asyncio.sleep(delay)


def _adapted(endpoint: Endpoint, used: Dialect, failure: TransportError) -> bool:
    """True where the endpoint is to be asked again in another dialect."""
    if failure.kind not in ("refused", "broken"):
        return False
    if endpoint.dialect is not used:
        return True
    known_good = bool(endpoint.answered) or failure.kind == "broken"
    other = used.after_refusal(failure.reason, known_good)
    if other is not None:
        endpoint.dialect = other
    return other is not None
