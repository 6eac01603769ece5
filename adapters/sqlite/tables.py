"""The view store in SQLite: a second file beside the log, so that folding never holds the log's write lock."""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Literal

from eventsourcing.sqlite import SQLiteDatastore

from adapters.addresses import read_sqlite_url
from adapters.settings import LIMITS
from adapters.sqlite.ddl import listed, quoted
from adapters.sqlite.generations import SQLiteTransaction, Tracker, make, position, stands
from adapters.sqlite.report import ask
from adapters.views.generations import generations
from adapters.views.tables import Generation, Views, fenced, not_built, primary_key
from domain.company import Company
from domain.errors import LogNotWritable, LogUnavailable
from projections import view_named
from projections.view import Row

_LOOK_S = 0.1
"""How long who would lead waits for whoever only looks whether somebody does: that takes no more than a moment."""


def views_path(url: str, place: str = "") -> Path:
    """The file of the views of the log at an address: `shop.db` has `shop.views.db`, and others for moments."""
    path = read_sqlite_url(url).path
    return path.with_name(f"{path.stem}.{f'moment-{place}' if place else 'views'}{path.suffix or '.db'}")


class SQLiteTables:
    """The views file of one log, or of one moment of it. May be used from many threads; one at a time writes."""

    def __init__(self, url: str, company: Company, views: Views, place: str = "") -> None:
        self.url = url
        self.company = company
        self.views = views
        self.place = place
        self.path = views_path(url, place)
        self.tracker = Tracker(SQLiteDatastore(str(self.path)))
        self._writer: sqlite3.Connection | None = None
        self._writing = Lock()

    @contextmanager
    def transaction(self) -> Iterator[SQLiteTransaction]:
        """Begin a write transaction that waits for others; made store and all on first use.

        Raises:
            LogUnavailable: the file is locked for too long. LogNotWritable: it is read-only, or the disk is full.
        """
        with self._writing, in_our_words(self.path):
            self._writer = self._writer or self._open_to_write()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                make(self._writer, self)
                yield SQLiteTransaction(self._writer, self)
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    def building(self) -> AbstractContextManager[SQLiteTransaction]:
        """Begin a transaction that writes only to generations that are building; here it waits like any other."""
        return self.transaction()

    @contextmanager
    def reading(self) -> Iterator[SQLiteTransaction | None]:
        """What stands at this moment, read while others write; None where nothing was ever made."""
        if not self.path.exists():
            yield None
            return
        with self._reader() as connection:
            connection.execute("BEGIN")
            yield SQLiteTransaction(connection, self) if stands(connection) else None

    def _open_to_write(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=LIMITS.views_lock_wait_s, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the last commits, rows and position alike: they are folded again from the log.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
        return connection

    @contextmanager
    def lead(self, role: Literal["projector", "rebuild"]) -> Iterator[None]:
        """Be the only one in a role until the block, or this process, ends.

        Raises:
            ProjectorFenced: another process, or another thread, has the role.
        """
        # SQLite's own file lock: the system frees it with the process, however that ends.
        lock = self._lock_file(role)
        held = sqlite3.connect(lock, timeout=_LOOK_S, isolation_level=None, check_same_thread=False)
        try:
            with in_our_words(self.path):
                try:
                    held.execute("BEGIN EXCLUSIVE")
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                        raise fenced(role) from None
                    raise
            if not lock.exists():
                raise fenced(role)  # whoever cleared up after a dead process took this for its lock
            yield
        finally:
            held.close()

    def led(self, role: Literal["projector", "rebuild"]) -> bool:
        """Whether a process is in a role at this moment."""
        if not (lock := self._lock_file(role)).exists():
            return False
        with closing(sqlite3.connect(f"{lock.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as looking:
            try:
                looking.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                return True
        return False

    def _lock_file(self, role: str) -> Path:
        return self.path.with_name(f"{self.path.name}-{role}")

    def state(self) -> tuple[list[Generation], dict[int, int], dict[tuple[str, int], int]]:
        """The generations, the live position, and how many subjects are parked by (view, generation)."""
        if not self.path.exists():
            return [], {}, {}
        with self._reader() as connection:
            connection.execute("BEGIN")
            if not stands(connection):
                return [], {}, {}
            counted = connection.execute("SELECT view, generation, count(*) FROM parked GROUP BY view, generation")
            parked = {(view, number): count for view, number, count in counted}
            return generations(connection), position(connection), parked

    def rows(self, view_name: str, subject: str | None = None) -> tuple[list[str], list[Row]]:
        """A view's columns and rows, of one subject or of all, by primary key.

        Raises:
            UnknownView: there is none of this name. ViewNotBuilt: it has no table yet.
        """
        view = view_named(view_name, self.views)
        columns, key = view.columns(), ", ".join(map(quoted, primary_key(view)))
        asked = f"SELECT {listed(columns)} FROM {quoted(view_name)} WHERE ?1 IS NULL OR subject = ?1 ORDER BY {key}"  # noqa: S608 - names of views only
        if subject is not None:
            asked = asked.replace("?1 IS NULL OR ", "")
        if not self.path.exists():
            raise not_built(view_name)
        with self._reader() as connection:
            connection.execute("BEGIN")
            found = generations(connection) if stands(connection) else []
            if not any(known.view == view_name and known.state == "live" for known in found):
                raise not_built(view_name)
            return [column.name for column in columns], connection.execute(asked, (subject,)).fetchall()

    def query(self, sql: str, limit: int | None = None) -> tuple[list[str], list[Row]]:
        """Run one reading statement over the public names; answer its column names and at most `limit` rows.

        Raises:
            QueryRefused: it is not one reading statement, took too long, or the database could not run it.
        """
        if not self.path.exists():
            raise not_built("query")
        with self._reader() as connection:
            return ask(connection, sql, limit)

    def answers(
        self, questions: Iterable[str]
    ) -> tuple[list[Generation], dict[int, int], list[tuple[list[str], list[Row]]]]:
        """Run several reading statements at one moment, whatever is written meanwhile; errors are those of `query`.

        Answers the generations and the live position that they saw, and the columns and rows of each.
        """
        if not self.path.exists():
            raise not_built("query")
        with self._reader() as connection:
            connection.execute("BEGIN")
            if not stands(connection):
                raise not_built("query")
            seen = generations(connection), position(connection)
            return *seen, [ask(connection, sql, None) for sql in questions]

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with in_our_words(self.path):
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=LIMITS.views_lock_wait_s,
                isolation_level=None,
            )
            try:
                connection.execute("PRAGMA query_only = ON")
                yield connection
            finally:
                connection.close()

    def moments(self) -> list[str]:
        """The places of all moments that have a file, whether anybody still uses them or not."""
        named = re.escape(views_path(self.url, "00000000").name).replace("00000000", "([0-9a-f]{8})")
        names = (re.match(named, path.name) for path in self.path.absolute().parent.iterdir())
        return sorted({name[1] for name in names if name})

    def drop(self) -> None:
        """Leave no file of these tables, which are a moment's."""
        self.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self._lock_file("rebuild").unlink(missing_ok=True)

    def close(self) -> None:
        """Give all connections back."""
        with self._writing, suppress(sqlite3.Error):
            if self._writer:
                self._writer.close()
            self._writer = None


@contextmanager
def in_our_words(
    path: Path,
    what: str = "the views",
    mend: str = "move this file away, then: lifecircle rebuild",
) -> Iterator[None]:
    """Tell errors of a file beside the log in our words: what it holds, and the way out where it is damaged."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL):
            raise LogNotWritable(
                f"the file of {what} is read-only, or its disk is full",
                where=str(path),
                way_out="make it writable, or free space, then do the same again",
            ) from error
        if code == sqlite3.SQLITE_IOERR:
            raise LogUnavailable(
                f"the disk of the file of {what} fails, or takes no more",
                where=str(path),
                rule="nothing of this step is written; what was written before is kept",
                way_out="free space or check the disk, then do the same again",
            ) from error
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise LogUnavailable(
                f"the file of {what} cannot be opened, or stays locked",
                where=str(path),
                way_out="check the folder's rights and who holds the file",
            ) from error
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise LogUnavailable(
                f"the file of {what} is damaged, or another program's",
                where=str(path),
                rule="the log itself is in a file of its own",
                way_out=mend,
            ) from error
        raise
