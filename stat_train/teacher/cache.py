"""The teacher's answers on disk: SQLite, committed before use, shared by concurrent processes."""

import fcntl
import hashlib
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from stat_train.errors import UserError
from stat_train.teacher.request import Message, Reply

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY, name TEXT NOT NULL, model TEXT NOT NULL, task TEXT NOT NULL,
    content TEXT NOT NULL, finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS purchases (key BLOB PRIMARY KEY, payer TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS purchases_by_payer ON purchases (payer);
CREATE TABLE IF NOT EXISTS leases (key BLOB PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spending (run TEXT PRIMARY KEY, tokens INTEGER NOT NULL, usd REAL NOT NULL);
"""
_VARIABLES = 500


def request_key(
    name: str,
    model: str,
    messages: Sequence[Message],
    parameters: Mapping[str, Any],
    schema: tuple[str, str],
    sample: int,
    attempt: int,
) -> bytes:
    """sha256 of the whole request as canonical JSON; `schema` is its name and the hash of its JSON schema."""
    whole = [name, model, messages, parameters, schema, sample, attempt]
    return hashlib.sha256(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A reply and what it answers, as it is committed."""

    key: bytes
    name: str
    model: str
    task: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Replies and tokens of one (name, model, task); `oldest` and `newest` are Unix times."""

    name: str
    model: str
    task: str
    replies: int
    prompt_tokens: int
    completion_tokens: int
    oldest: float
    newest: float


class Cache:
    """Replies by request key, and leases on keys in flight.

    A lease belongs to a live process: each owner holds the lock of a file beside the database, which
    the kernel releases when the process dies, so a killed run's keys are free at once and a slow
    one's never are. UserError where the file cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._owner: IO[bytes] | None = None
        self._name = uuid.uuid4().hex
        with _usable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        """The replies that are there."""
        found: dict[bytes, Reply] = {}
        with _usable(self.path):
            for part in _parts(keys):
                rows = self._db.execute(
                    "SELECT key, content, finish_reason, prompt_tokens, completion_tokens,"
                    " coalesce(payer, '') FROM replies LEFT JOIN purchases USING (key)"
                    f" WHERE key IN ({_marks(part)})",
                    part,
                )
                found.update({row[0]: Reply(*row[1:]) for row in rows})
        return found

    def claim(self, keys: Sequence[bytes]) -> tuple[set[bytes], dict[bytes, Reply]]:
        """Leases the keys that nobody has answered or is asking: (leased now, answered meanwhile).

        The remaining keys are in flight, here or in another process.
        """
        self._take_ownership()
        with self.writing():
            found = self.get(keys)
            missing = [key for key in dict.fromkeys(keys) if key not in found]
            held = self._live_leases(missing)
            leased = [key for key in missing if key not in held]
            self._db.executemany(
                "INSERT OR REPLACE INTO leases VALUES (?, ?)", [(key, self._name) for key in leased]
            )
        return set(leased), found

    def put(self, entries: Sequence[Entry], run: str = "", tokens: int = 0, usd: float = 0.0) -> None:
        """Commits replies, ends their leases and books what they cost `run`, in one transaction."""
        with self.writing() as database:
            insert(database, entries)
            book(database, run, tokens, usd)

    def release(self, keys: Sequence[bytes] | None = None) -> None:
        """Ends leases of this process (None: all of them)."""
        if self._owner is None:
            return
        with self.writing():
            if keys is None:
                self._db.execute("DELETE FROM leases WHERE owner = ?", (self._name,))
            else:
                self._db.executemany("DELETE FROM leases WHERE key = ?", [(key,) for key in keys])

    def spent(self, run: str) -> tuple[int, float]:
        """Tokens and dollars that `run` has cost so far, over all its processes."""
        with _usable(self.path):
            row = self._db.execute("SELECT tokens, usd FROM spending WHERE run = ?", (run,)).fetchone()
        return (int(row[0]), float(row[1])) if row else (0, 0.0)

    def bought(self, payer: str) -> tuple[int, int, int]:
        """Replies that were bought for `payer`, their prompt tokens and their completion tokens."""
        with _usable(self.path):
            row = self._db.execute(
                "SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0)"
                " FROM purchases JOIN replies USING (key) WHERE payer = ?",
                (payer,),
            ).fetchone()
        return int(row[0]), int(row[1]), int(row[2])

    def stats(self) -> list[CacheStats]:
        with _usable(self.path):
            rows = self._db.execute(
                "SELECT name, model, task, count(*), sum(prompt_tokens), sum(completion_tokens),"
                " min(created), max(created) FROM replies GROUP BY name, model, task"
                " ORDER BY name, model, task"
            )
            return [CacheStats(*row) for row in rows]

    def export(self) -> Iterator[dict[str, Any]]:
        """All replies as JSON-ready rows, oldest first; `key` in hex."""
        with _usable(self.path):
            rows = self._db.execute(
                "SELECT key, name, model, task, content, finish_reason, prompt_tokens, completion_tokens,"
                " created FROM replies ORDER BY created, key"
            )
            columns = [column[0] for column in rows.description]
            for row in rows:
                yield dict(zip(columns, (row[0].hex(), *row[1:]), strict=True))

    def prune(self, *, older_than_days: float = 0.0, task: str = "", model: str = "") -> int:
        """Deletes replies that are older than so many days, of that task and model; how many."""
        with self.writing():
            old = (
                "created <= ? AND task = coalesce(nullif(?, ''), task)"
                " AND model = coalesce(nullif(?, ''), model)"
            )
            chosen = (time.time() - older_than_days * 86400, task, model)
            self._db.execute(
                f"DELETE FROM purchases WHERE key IN (SELECT key FROM replies WHERE {old})", chosen
            )
            deleted = self._db.execute(f"DELETE FROM replies WHERE {old}", chosen).rowcount
        with _usable(self.path):
            self._db.execute("VACUUM")
        return deleted

    def close(self) -> None:
        try:
            self.release()
        finally:
            if self._owner is not None:
                fcntl.flock(self._owner, fcntl.LOCK_UN)
                self._owner.close()
                self._lock_file(self._name).unlink(missing_ok=True)
                self._owner = None
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or, where an error leaves it, nothing."""
        with _usable(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _take_ownership(self) -> None:
        if self._owner is None:
            with _usable(self.path):
                self._lock_file(self._name).parent.mkdir(exist_ok=True)
                self._owner = self._lock_file(self._name).open("wb")
                fcntl.flock(self._owner, fcntl.LOCK_EX)

    def _lock_file(self, owner: str) -> Path:
        return self.path.with_name(self.path.name + ".owners") / owner

    def _live_leases(self, keys: Sequence[bytes]) -> set[bytes]:
        held: dict[str, set[bytes]] = {}
        for part in _parts(keys):
            for key, owner in self._db.execute(
                f"SELECT key, owner FROM leases WHERE key IN ({_marks(part)})", part
            ):
                held.setdefault(owner, set()).add(key)
        live: set[bytes] = set()
        for owner, owned in held.items():
            if owner == self._name or self._alive(owner):
                live |= owned
        return live

    def _alive(self, owner: str) -> bool:
        path = self._lock_file(owner)
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        path.unlink(missing_ok=True)
        return False


def insert(database: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Inside a transaction: keeps the replies and ends their leases."""
    now = time.time()
    database.executemany(
        "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (e.key, e.name, e.model, e.task, e.reply.content, e.reply.finish_reason,
             e.reply.prompt_tokens, e.reply.completion_tokens, now)
            for e in entries
        ],
    )  # fmt: skip
    buy(database, [(e.key, e.reply.payer) for e in entries])
    database.executemany("DELETE FROM leases WHERE key = ?", [(e.key,) for e in entries])


def buy(database: sqlite3.Connection, payers: Sequence[tuple[bytes, str]]) -> None:
    """Inside a transaction: notes who buys the reply to a key ("": nobody), unless somebody has."""
    named = [(key, payer) for key, payer in payers if payer]
    database.executemany("INSERT OR IGNORE INTO purchases VALUES (?, ?)", named)


def book(database: sqlite3.Connection, run: str, tokens: int, usd: float) -> None:
    """Inside a transaction: adds to what `run` has spent ("": no run)."""
    if run and (tokens or usd):
        database.execute(
            "INSERT INTO spending VALUES (?, ?, ?) ON CONFLICT (run)"
            " DO UPDATE SET tokens = tokens + excluded.tokens, usd = usd + excluded.usd",
            (run, tokens, usd),
        )


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    """Turns what the disk refuses into one line for the user."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise UserError(
            f"{path}: the cache of teacher answers cannot be used ({error}); "
            "free the disk, mend its permissions or name another cache"
        ) from None


def _parts(keys: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (keys[start : start + _VARIABLES] for start in range(0, len(keys), _VARIABLES))


def _marks(keys: Sequence[bytes]) -> str:
    return ",".join("?" * len(keys))
