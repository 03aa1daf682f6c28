"""Several questions a request, and what becomes of each when an answer is invalid."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Generic, Literal, Protocol, TypeVar

from stat_train.errors import Unreadable
from stat_train.teacher.request import Message, TeacherRequest, TeacherResult
from stat_train.teacher.schemas import Answer
from stat_train.teacher.unread import NothingFits

Item = TypeVar("Item")
Status = Literal["ok", "quarantined", "owed"]
Fault = Callable[[Any, str], str | None]
"""What is wrong with one part of an answer (the part, its subject), or None."""


class Asks(Protocol):
    """What is needed of the teacher: `stat_train.teacher.client.Teacher` has it."""

    def ask(self, requests: Iterable[TeacherRequest], label: str) -> list[TeacherResult]:
        """One result a request, in order."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question (a sample of it) without a usable answer, and why."""

    question_id: str
    reason: str
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Batch(Generic[Item]):
    """Questions of one subject that share a request; the request's local ids q1, q2, ... -> item.

    `sample` tells several answers to the same questions apart.
    """

    subject: str
    items: dict[str, Item]
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Reply(Generic[Item]):
    """What the teacher said of one item. `answer` is its part of the answer, also where that is invalid."""

    item: Item
    answer: Any | None
    status: Status
    reason: str = ""
    sample: int = 0


def in_batches(
    items: Sequence[Item], subject: Callable[[Item], str], size: int, *, sample: int = 0
) -> list[Batch[Item]]:
    """`items` by subject, in order of first appearance, in batches of at most `size`."""
    by_subject: dict[str, list[Item]] = {}
    for item in items:
        by_subject.setdefault(subject(item), []).append(item)
    return [
        Batch(name, {f"q{n}": item for n, item in enumerate(group[start : start + size], start=1)}, sample)
        for name, group in by_subject.items()
        for start in range(0, len(group), size)
    ]


def ask_batches(
    teacher: Asks,
    batches: Sequence[Batch[Item]],
    render: Callable[[Batch[Item]], Sequence[Message]],
    schema: type[Answer],
    fault: Fault,
    *,
    repair: bool = True,
    temperature: float | None = None,
    label: str,
) -> Iterator[Reply[Item]]:
    """One request a batch; a reply for every item, batch by batch.

    Every local id must come back exactly once, and `fault` must find nothing; otherwise the teacher is
    asked once more with the error text (unless `repair` is off). What is still invalid then is
    quarantined item by item; its valid neighbours in the batch are kept. Where the endpoint refuses a
    whole batch, or its answer cannot be read (cut off, no JSON), each of its items is asked alone, so that
    only the offender is quarantined.
    `temperature` overrides the teacher's own.
    """

    def request(batch: Batch[Item]) -> TeacherRequest:
        check = partial(_faults, batch, fault) if repair else None
        return TeacherRequest(schema.task, render(batch), schema, batch.sample, check, temperature)

    asked = list(zip(batches, _ask(teacher, batches, request, label), strict=True))
    single = [part for batch, result in asked if _to_be_split(batch, result) for part in _alone(batch)]
    alone = zip(single, teacher.ask(Requests(single, request), label) if single else (), strict=True)
    for batch, result in asked:
        split = _to_be_split(batch, result)
        parts = islice(alone, len(batch.items)) if split else iter([(batch, result)])
        for part, its_result in parts:
            yield from _outcome(part, its_result, fault)


def _ask(
    teacher: Asks,
    batches: Sequence[Batch[Item]],
    request: Callable[[Batch[Item]], TeacherRequest],
    label: str,
) -> list[TeacherResult]:
    """A result for each batch. Where no answer to several items can be read, those of one batch are tried
    alone: only if they fare no better it is the teacher. Where no batch is short enough to be sent, single
    items may be."""
    try:
        return teacher.ask(Requests(batches, request), label)
    except NothingFits as none:
        if all(len(batch.items) == 1 for batch in batches):
            raise
        return none.results
    except Unreadable:
        single = next((_alone(batch) for batch in batches if len(batch.items) > 1), [])
        if all(result.answer is None for result in teacher.ask(Requests(single, request), label)):
            raise
    return teacher.ask(Requests(batches, request), label)


def _alone(batch: Batch[Item]) -> list[Batch[Item]]:
    return [Batch(batch.subject, {"q1": item}, batch.sample) for item in batch.items.values()]


def _to_be_split(batch: Batch[Any], result: TeacherResult) -> bool:
    return result.status == "quarantined" and result.answer is None and len(batch.items) > 1


def _outcome(batch: Batch[Item], result: TeacherResult, fault: Fault) -> Iterator[Reply[Item]]:
    if result.answer is None:
        return (
            Reply(item, None, result.status, result.reason, batch.sample) for item in batch.items.values()
        )
    return (reply for _, reply in _replies(batch, result.answer, fault))


class Requests(Generic[Item]):
    """The requests of many items, each made when it is sent: prompts need not all fit into memory."""

    def __init__(self, items: Sequence[Item], make: Callable[[Item], TeacherRequest]) -> None:
        self._items, self._make = items, make

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[TeacherRequest]:
        return map(self._make, self._items)


def _faults(batch: Batch[Any], fault: Fault, answer: Any) -> str | None:
    """What the teacher is asked to mend in its answer to one batch."""
    strangers = sorted({part.id for part in answer.answers} - batch.items.keys())
    found = [f"{id!r} is no id of this request (they are {', '.join(batch.items)})" for id in strangers]
    found += [f"{id}: {reply.reason}" for id, reply in _replies(batch, answer, fault) if reply.reason]
    return "; ".join(found) or None


def _replies(batch: Batch[Item], answer: Any, fault: Fault) -> Iterator[tuple[str, Reply[Item]]]:
    for id, item in batch.items.items():
        parts = [part for part in answer.answers if part.id == id]
        if len(parts) == 1:
            reason, part = fault(parts[0], batch.subject) or "", parts[0]
        else:
            times = f"answered {len(parts)} times; answer each id once"
            reason, part = times if parts else "no answer; answer every id once", None
        yield id, Reply(item, part, "quarantined" if reason else "ok", reason, batch.sample)
