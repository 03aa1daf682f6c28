import asyncio
import time

import pytest

from stat_train.errors import Unfinished, UserError
from stat_train.teacher.budget import Budget, Price, read_price
from stat_train.teacher.failures import retry_after
from stat_train.teacher.limits import Endpoint, Endpoints
from stat_train.teacher.options import TeacherOptions


def endpoint(most: int = 64) -> Endpoint:
    return Endpoint("http://x/v1", transport=None, dialect=None, most=most)


def test_capacity_halves_once_a_wave_and_recovers_additively():
    it = endpoint(64)
    sent = time.monotonic()
    for _ in range(30):
        it.throttled(sent, None)
    assert it.capacity == 32
    it.throttled(time.monotonic(), None)
    assert it.capacity == 16
    steps = 0
    while it.capacity < 64:
        before = it.capacity
        it.succeeded()
        assert it.capacity - before <= 4 / before + 1e-9
        steps += 1
    assert 300 < steps < 600  # about a dozen rounds at these sizes
    for _ in range(100):
        it.throttled(time.monotonic(), None)
    assert it.capacity == 1


def test_places_go_to_the_least_busy_endpoint_that_is_not_paused():
    async def main():
        one, two = endpoint(2), endpoint(2)
        two.pause(0.05)
        places = Endpoints([one, two])
        assert [await places.acquire() for _ in range(2)] == [one, one]
        start = time.monotonic()
        assert await places.acquire() is two
        assert time.monotonic() - start >= 0.04
        places.release(one)
        assert await places.acquire() in (one, two)
        places.release(two)
        waiting = [asyncio.ensure_future(places.acquire()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        places.release(one)
        assert await asyncio.wait_for(waiting[1], 1) in (one, two)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "86400"}, 86400),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_seconds(headers, seconds):
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date():
    from email.utils import formatdate

    assert retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) == pytest.approx(60, abs=2)


def budget(price=None, spent=(0, 0.0), **options) -> Budget:
    return Budget(TeacherOptions(max_tokens=100, **options), price, spent)


def test_a_reservation_waits_for_attempts_in_flight_and_stops_when_there_are_none():
    async def main():
        it = budget(budget_tokens=400)
        first = await it.reserve(100)
        second = await it.reserve(100)
        third = asyncio.ensure_future(it.reserve(100))
        await asyncio.sleep(0)
        assert not third.done()
        it.settle(first, 20, 20)
        await asyncio.sleep(0)
        assert not third.done()  # 40 spent, 200 reserved, 200 more would be 440
        it.settle(second, 20, 20)
        it.settle(await asyncio.wait_for(third, 1), 60, 60)
        assert it.tokens == 200
        it.charge(await it.reserve(100))
        assert it.tokens == 400
        with pytest.raises(Unfinished, match="400 of 400 tokens"):
            await it.reserve(1)

    asyncio.run(main())


def test_a_budget_in_dollars_counts_what_was_spent_before():
    async def main():
        it = budget(Price(10.0, 20.0), spent=(5, 0.0049), budget_usd=0.01)
        reservation = await it.reserve(300)  # 300 * 10 + 100 * 20 = 0.005 USD
        it.settle(reservation, 0, 10)
        with pytest.raises(Unfinished):
            await it.reserve(300)

    asyncio.run(main())


def test_a_budget_in_dollars_needs_a_price():
    with pytest.raises(UserError, match="price of 'tutor' is unknown"):
        budget(budget_usd=1.0)


def test_prices(tmp_path):
    assert read_price("gpt-4o-mini", None) == Price(0.15, 0.6)
    assert read_price("my-model", None) is None
    mine = tmp_path / "prices.yaml"
    mine.write_text("models: {my-model: {input: 1, output: 2.5}}")
    assert read_price("my-model", mine).usd(1_000_000, 2_000_000) == 6.0
    for text in (
        "models: {my-model: {input: 1}}",
        "models: {my-model: 3}",
        "models: {my-model: {input: a, output: 1}}",
        "models: {my-model: {input: -1, output: 1}}",
        "models: {my-model: {input: .nan, output: 1}}",
        "models: []",
        "[",
    ):
        mine.write_text(text)
        with pytest.raises(UserError, match="prices") as caught:
            read_price("my-model", mine)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="none"):
        read_price("my-model", tmp_path / "none.yaml")
