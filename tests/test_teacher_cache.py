import json
import multiprocessing
import os
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from stat_train.errors import UserError
from stat_train.teacher.cache import Cache, Entry
from stat_train.teacher.options import TeacherOptions
from stat_train.teacher.request import Message, Reply, TeacherRequest
from stat_train.teacher.rows import key_of
from stat_train.teacher.schemas import LabelSkills, Solve

KEYS = [bytes([n]) * 32 for n in range(4)]
REPLY = Reply("{}", "stop", 7, 3)


def entry(key: bytes, task: str = "solve", model: str = "m") -> Entry:
    return Entry(key, "n", model, task, REPLY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "teacher.sqlite"


def test_a_committed_reply_is_there_for_the_next_process(path: Path):
    first = Cache(path)
    assert first.claim(KEYS[:2]) == (set(KEYS[:2]), {})
    first.put([entry(KEYS[0])])
    first.close()
    second = Cache(path)
    assert second.get(KEYS) == {KEYS[0]: REPLY}
    second.close()


def test_who_bought_a_reply_is_known_and_counted(path: Path):
    cache, bought = Cache(path), replace(REPLY, payer="a stage")
    cache.put([entry(KEYS[0]), Entry(KEYS[1], "n", "m", "solve", bought)])
    cache.put([Entry(KEYS[1], "n", "m", "solve", replace(REPLY, payer="too late"))])
    assert cache.get(KEYS) == {KEYS[0]: REPLY, KEYS[1]: bought}
    assert (cache.bought("a stage"), cache.bought("too late")) == ((1, 7, 3), (0, 0, 0))
    cache.close()


def test_a_key_in_flight_is_leased_once(path: Path):
    first, second = Cache(path), Cache(path)
    assert first.claim(KEYS[:2])[0] == set(KEYS[:2])
    assert first.claim(KEYS[:1]) == (set(), {})
    assert second.claim(KEYS[:3]) == ({KEYS[2]}, {})
    first.put([entry(KEYS[0])])
    first.release([KEYS[1]])
    assert second.claim(KEYS[:2]) == ({KEYS[1]}, {KEYS[0]: REPLY})
    first.close()
    second.close()


def test_closing_gives_the_leases_back(path: Path):
    first, second = Cache(path), Cache(path)
    first.claim(KEYS)
    first.close()
    assert second.claim(KEYS)[0] == set(KEYS)
    second.close()


def _claim_and_die(path: Path) -> None:
    Cache(path).claim(KEYS)
    os._exit(9)


def test_a_dead_process_holds_no_lease(path: Path):
    dying = multiprocessing.get_context("fork").Process(target=_claim_and_die, args=(path,))
    dying.start()
    dying.join()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM leases").fetchone() == (4,)
    cache = Cache(path)
    assert cache.claim(KEYS)[0] == set(KEYS)
    cache.close()
    assert list(path.parent.glob("*.owners/*")) == []


def test_spending_is_booked_with_the_replies_and_adds_up(path: Path):
    cache = Cache(path)
    cache.put([entry(KEYS[0])], run="demo", tokens=10, usd=0.5)
    cache.put([entry(KEYS[1])], run="demo", tokens=5, usd=0.25)
    assert cache.spent("demo") == (15, 0.75)
    assert cache.spent("other") == (0, 0.0)
    cache.close()


def test_stats_export_and_prune(path: Path):
    cache = Cache(path)
    cache.put([entry(KEYS[0]), entry(KEYS[1])])
    time.sleep(0.01)
    cache.put([entry(KEYS[2], task="diagnose"), entry(KEYS[3], model="other")])
    stats = {(row.model, row.task): row for row in cache.stats()}
    assert stats["m", "solve"].replies == 2
    assert stats["m", "solve"].prompt_tokens == 14
    assert stats["m", "solve"].oldest <= stats["m", "diagnose"].newest
    rows = [json.loads(json.dumps(row)) for row in cache.export()]
    assert [row["key"] for row in rows] == [key.hex() for key in KEYS]
    assert rows[2] | {"created": 0} == {
        "key": KEYS[2].hex(), "name": "n", "model": "m", "task": "diagnose", "content": "{}",
        "finish_reason": "stop", "prompt_tokens": 7, "completion_tokens": 3, "created": 0,
    }  # fmt: skip
    assert cache.prune(older_than_days=1) == 0
    assert cache.prune(task="diagnose") == 1
    assert cache.prune(model="other", task="diagnose") == 0
    assert set(cache.get(KEYS)) == {KEYS[0], KEYS[1], KEYS[3]}
    cache.close()


def test_the_key_holds_the_whole_request_and_not_the_url():
    messages = [Message(role="system", content="s"), Message(role="user", content="u")]
    request = TeacherRequest("solve", messages, Solve)
    options = TeacherOptions(endpoint="http://a/v1", model="m")

    def key(options=options, request=request, messages=messages, attempt=0):
        return key_of(options, request, messages, attempt)

    def changed(**changes):
        return TeacherOptions(**{**options.model_dump(), **changes})

    same = changed(
        endpoint=("http://b/v1", "http://c/v1"), max_in_flight=3, budget_tokens=9, structured="text"
    )
    assert key(options=same) == key()
    others = [
        key(options=changed(model="m2")),
        key(options=changed(name="n2")),
        key(options=changed(temperature=0.5)),
        key(options=changed(top_p=0.5)),
        key(options=changed(max_tokens=5)),
        key(request=TeacherRequest("solve", messages, Solve, sample=1)),
        key(request=TeacherRequest("solve", messages, Solve, temperature=1.0)),
        key(request=TeacherRequest("solve", messages, LabelSkills)),
        key(request=TeacherRequest("label", messages, Solve)),
        key(messages=[messages[1]]),
        key(messages=[Message(role="system", content="S"), messages[1]]),
        key(attempt=1),
    ]
    assert len({key(), *others}) == len(others) + 1


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "garbage.sqlite").write_bytes(b"not a database" * 100)
    for path in (tmp_path / "file" / "c.sqlite", tmp_path / "garbage.sqlite", tmp_path):
        with pytest.raises(UserError, match="cannot be used") as caught:
            Cache(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_disk_that_fills_up_is_one_line(path: Path):
    cache = Cache(path)
    pages = cache._db.execute("PRAGMA page_count").fetchone()[0]
    cache._db.execute(f"PRAGMA max_page_count={pages}")
    big = Entry(KEYS[0], "n", "m", "solve", Reply("x" * 100_000, "stop", 1, 1))
    with pytest.raises(UserError, match="full"):
        cache.put([big])
    cache._db.execute("PRAGMA max_page_count=100000")
    cache.put([big])
    assert cache.get(KEYS) == {KEYS[0]: big.reply}
    cache.close()
