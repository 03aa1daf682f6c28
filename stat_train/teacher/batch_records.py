"""Which batches are under way, on disk beside the answers, so that a killed run finds them again."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stat_train.teacher.budget import Reservation
from stat_train.teacher.cache import Cache, Entry, book, buy, insert

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    token TEXT PRIMARY KEY, id TEXT NOT NULL, url TEXT NOT NULL, run TEXT NOT NULL,
    tokens INTEGER NOT NULL, usd REAL NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS batch_rows (
    key BLOB NOT NULL, token TEXT NOT NULL, task TEXT NOT NULL, prompt_bound INTEGER NOT NULL,
    PRIMARY KEY (token, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batch_rows_by_key ON batch_rows (key);
"""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A request of a batch: its cache key, its task and the most prompt tokens it may have."""

    key: bytes
    task: str
    prompt_bound: int


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch that is not collected yet.

    `token` is ours and travels in the batch's metadata; `id` is the endpoint's, "" until the batch is
    known to exist. `held` counts as spent by `run` until the batch is collected. `created`: Unix time.
    """

    token: str
    id: str
    url: str
    run: str
    held: Reservation
    created: float


class BatchRecords:
    """The batches at `url` whose answers `cache` waits for."""

    def __init__(self, cache: Cache, url: str) -> None:
        self._cache, self._url = cache, url
        with cache.writing() as database:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                database.execute(statement)

    def begin(self, rows: Sequence[BatchRow], held: Reservation, run: str, payer: str = "") -> BatchRecord:
        """Notes, before anything is sent, a batch that is about to be, and who buys its answers."""
        record = BatchRecord(uuid.uuid4().hex, "", self._url, run, held, time.time())
        with self._cache.writing() as database:
            database.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)",
                (record.token, "", self._url, run, held.tokens, held.usd, record.created),
            )
            database.executemany(
                "INSERT INTO batch_rows VALUES (?, ?, ?, ?)",
                [(row.key, record.token, row.task, row.prompt_bound) for row in rows],
            )
            buy(database, [(row.key, payer) for row in rows])
            book(database, run, held.tokens, held.usd)
        return record

    def name(self, record: BatchRecord, id: str) -> BatchRecord:
        """Notes the endpoint's id."""
        with self._cache.writing() as database:
            database.execute("UPDATE batches SET id = ? WHERE token = ?", (id, record.token))
        return replace(record, id=id)

    def waiting(self) -> list[BatchRecord]:
        """All batches at this URL, oldest first."""
        with self._cache.writing() as database:
            found = database.execute("SELECT * FROM batches WHERE url = ? ORDER BY created", (self._url,))
            return [
                BatchRecord(token, id, url, run, Reservation(tokens, usd), created)
                for token, id, url, run, tokens, usd, created in found
            ]

    def rows(self, record: BatchRecord) -> dict[bytes, BatchRow]:
        """The requests of a batch by key."""
        with self._cache.writing() as database:
            found = database.execute(
                "SELECT key, task, prompt_bound FROM batch_rows WHERE token = ?", (record.token,)
            )
            return {row[0]: BatchRow(*row) for row in found}

    def finish(self, record: BatchRecord, entries: Sequence[Entry], spent: Reservation) -> None:
        """Keeps what a batch answered and books what it cost, in one transaction and once only, however
        many processes collected it."""
        with self._cache.writing() as database:
            found = database.execute("DELETE FROM batches WHERE token = ?", (record.token,)).rowcount
            if found:
                insert(database, entries)
                database.execute(
                    "DELETE FROM purchases WHERE key IN (SELECT key FROM batch_rows WHERE token = ?)"
                    " AND key NOT IN (SELECT key FROM replies)",
                    (record.token,),
                )
                database.execute("DELETE FROM batch_rows WHERE token = ?", (record.token,))
                held = record.held
                book(database, record.run, spent.tokens - held.tokens, spent.usd - held.usd)
