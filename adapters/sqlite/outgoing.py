"""Subscriptions beside a SQLite log: in a file of their own, so that delivering never holds the log's write lock."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path

from adapters.addresses import read_sqlite_url
from adapters.outgoing.store import TABLES
from adapters.settings import LIMITS
from adapters.sqlite.statements import SQLiteRun, SQLiteStatements
from adapters.sqlite.tables import in_our_words
from adapters.statements import Run

_MEND = "put back a copy, or move this file away and subscribe anew"


class SQLiteOutgoing:
    """The file `shop.outgoing.db` beside `shop.db`."""

    def __init__(self, url: str) -> None:
        path = read_sqlite_url(url).path
        self._path = path.with_name(f"{path.stem}.outgoing{path.suffix or '.db'}")
        self._in_our_words = partial(in_our_words, self._path, "the subscriptions", _MEND)
        self._statements = SQLiteStatements(self._open, self._in_our_words)
        self.close = self._statements.close

    @property
    def there(self) -> bool:
        """Whether the file was made."""
        return self._path.exists()

    def transaction(self) -> AbstractContextManager[Run]:
        """One transaction, in which nobody else writes."""
        return self._statements.transaction(alone=True)

    @contextmanager
    def reading(self) -> Iterator[Run | None]:
        """What stands at this moment, read while others write; None where nothing was ever made."""
        if not self._path.exists():
            yield None
            return
        with self._in_our_words():
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=LIMITS.sqlite_lock_timeout_s)) as connection:
                stands = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'held'").fetchone()
                yield SQLiteRun(connection) if stands else None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=LIMITS.sqlite_lock_timeout_s, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        for statement in TABLES:
            connection.execute(statement)
        return connection

    @contextmanager
    def lead(self, name: str) -> Iterator[Run | None]:
        """Be the only one to deliver for a subscription until the block, or this process, ends; None where one is."""
        # SQLite's own file lock: the system frees it with the process, however that ends.
        lock = Path(f"{self._path}-{name}")
        held = sqlite3.connect(lock, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            with self._in_our_words():
                try:
                    held.execute("BEGIN EXCLUSIVE")
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                        raise
                    yield None
                    return
                yield SQLiteRun(held)
        finally:
            held.close()
