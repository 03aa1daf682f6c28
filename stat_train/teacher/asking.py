"""Rows asked by single requests: a fixed set of workers pulls them, so that pending rows cost nothing."""

import asyncio
import sys
from collections.abc import Sequence

from stat_train.teacher.failures import TransportError
from stat_train.teacher.request import Reply
from stat_train.teacher.rows import Row, Rows
from stat_train.teacher.sending import OwedError, Sender


async def ask_by_requests(rows: Rows, sender: Sender, label: str) -> None:
    """Sends all rows; whatever ends it early, no worker is left running.

    Cancelled (Ctrl-C), it sends nothing more and waits for the answers under way, which are paid for;
    cancelled again, it drops them. Unreadable where no answer can be read, that is after those under way.
    """
    while await rows.refill(1):
        rows.require_readable()
        await _ask(rows, sender, label)


async def _ask(rows: Rows, sender: Sender, label: str) -> None:
    """Sends rows until none is left, or their answers are in doubt."""
    refilling = asyncio.Lock()
    workers = [asyncio.create_task(_work(rows, sender, refilling)) for _ in range(rows.options.max_in_flight)]
    try:
        done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        for worker in done:
            worker.result()
    except asyncio.CancelledError:
        await _stop(rows, sender, workers, label)
        raise
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def _stop(rows: Rows, sender: Sender, workers: Sequence["asyncio.Task[None]"], label: str) -> None:
    """Ends the workers, those that wait for an answer when it is there."""
    rows.interrupted, sender.hopeless = True, "interrupted"
    waiting = [worker for worker in workers if worker in sender.waiting]
    for worker in workers:
        if worker not in sender.waiting:
            worker.cancel()
    if waiting:
        print(
            f"{label}: stopping; waiting for {len(waiting):,} answers under way, which are paid for "
            "(Ctrl-C again goes without them)",
            file=sys.stderr,
            flush=True,
        )
    await asyncio.wait(workers)


async def _work(rows: Rows, sender: Sender, refilling: asyncio.Lock) -> None:
    """Sends row after row; the next one is on its way while the last answer is committed and judged.

    What was answered is committed, even where the worker is cancelled while it waits for an earlier answer.
    """
    judging: asyncio.Task[None] | None = None
    answered: tuple[Row, Reply] | None = None
    try:
        while True:
            row = await _next(rows, refilling)
            if row is None and judging is None:
                return
            if row is not None and (reply := await _reply(rows, sender, row)) is not None:
                answered = row, reply
            if judging is not None:
                await asyncio.shield(judging)  # an invalid answer makes its row ready again
                judging = None
            if answered is not None:
                judging, answered = asyncio.create_task(rows.answer([answered])), None
    finally:
        if judging is not None:
            await asyncio.gather(judging, return_exceptions=True)
        if answered is not None:
            await rows.answer([answered])


async def _reply(rows: Rows, sender: Sender, row: Row) -> Reply | None:
    """The endpoint's reply to the row; None where the row ended without one."""
    try:
        return await sender.send(row.request, row.messages)
    except OwedError as owed:
        rows.hopeless = sender.hopeless
        await rows.owe(row, str(owed))
    except TransportError as failure:
        await rows.refused(row, failure.reason)
    return None


async def _next(rows: Rows, refilling: asyncio.Lock) -> Row | None:
    """The next row to send; None when no row is left, or no more is to be sent."""
    while not (rows.interrupted or rows.in_doubt):
        if rows.ready:
            return rows.ready.popleft()
        async with refilling:
            if not rows.ready and not await rows.refill(1):
                return None
    return None
