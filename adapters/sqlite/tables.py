"""The view store in SQLite: a second file beside the log, so that folding never holds the log's write lock."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from json import dumps
from pathlib import Path
from threading import Lock
from time import time_ns
from typing import Literal

from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteDatastore, SQLiteTrackingRecorder

from adapters.addresses import read_sqlite_url
from adapters.log import Cursor
from adapters.settings import LIMITS
from adapters.sqlite.ddl import declared, insert, listed, quoted
from adapters.sqlite.report import ask, publish
from adapters.tables import (
    Changes,
    Generation,
    Parking,
    Views,
    day_number,
    fenced,
    not_built,
    primary_key,
)
from domain.company import Company
from domain.errors import LogNotWritable, LogUnavailable, UnknownView
from projections.view import Row

_SCHEMA = """
CREATE TABLE generations (
    view TEXT NOT NULL, number INTEGER NOT NULL, fingerprint TEXT NOT NULL, state TEXT NOT NULL, cut TEXT NOT NULL,
    built INTEGER NOT NULL, PRIMARY KEY (view, number)
) STRICT;
CREATE TABLE parked (
    view TEXT NOT NULL, generation INTEGER NOT NULL, subject TEXT NOT NULL, bucket INTEGER NOT NULL,
    number INTEGER NOT NULL, error TEXT NOT NULL, PRIMARY KEY (view, generation, subject)
) STRICT;
CREATE TABLE reference_time (
    at INTEGER NOT NULL, day TEXT NOT NULL, dayno INTEGER NOT NULL, pinned INTEGER NOT NULL, names TEXT NOT NULL
) STRICT;
"""


def views_path(url: str) -> Path:
    """The file of the views of the log at an address: `shop.db` has `shop.views.db`."""
    path = read_sqlite_url(url).path
    return path.with_name(f"{path.stem}.views{path.suffix or '.db'}")


class _Tracker(SQLiteTrackingRecorder):
    """The library's tracking recorder, writing in a transaction that is already open."""

    def prepare(self, connection: sqlite3.Connection) -> None:
        super()._create_table(SQLiteCursor(connection.cursor()))

    def track(self, connection: sqlite3.Connection, tracking: Tracking) -> None:
        super()._insert_tracking(SQLiteCursor(connection.cursor()), tracking)


class SQLiteTransaction:
    """One write transaction on the views file."""

    def __init__(self, connection: sqlite3.Connection, tables: "SQLiteTables") -> None:
        self._connection = connection
        self._tables = tables

    def generations(self) -> list[Generation]:
        """Every generation that stands, by view and number."""
        return _generations(self._connection)

    def create(self, fingerprints: Mapping[str, str]) -> list[Generation]:
        """Make the tables of the next generation of each view named."""
        numbers = {known.view: known.number for known in self.generations()}
        made = [
            Generation(view, numbers.get(view, 0) + 1, told, "building", "", time_ns() // 1_000)
            for view, told in fingerprints.items()
        ]
        for generation in made:
            view = self._tables.views[generation.view]
            columns = ", ".join(declared(column) for column in view.columns())
            key = ", ".join(map(quoted, primary_key(view)))
            self._connection.execute(
                f"CREATE TABLE {quoted(generation.table)} ({columns}, PRIMARY KEY ({key})) STRICT, WITHOUT ROWID"
            )
            self._connection.execute("INSERT INTO generations VALUES (?, ?, ?, ?, ?, ?)", generation)
        return made

    def forget(self, generations: Iterable[Generation]) -> None:
        """Drop the tables of generations that failed or retired."""
        for generation in generations:
            named = generation[:2]
            self._connection.execute(f"DROP TABLE IF EXISTS {quoted(generation.table)}")
            self._connection.execute("DELETE FROM parked WHERE view = ? AND generation = ?", named)
            self._connection.execute("DELETE FROM generations WHERE view = ? AND number = ?", named)

    def position(self) -> dict[int, int]:
        """The last number of each bucket that the live generations show."""
        return _position(self._connection)

    def finish(self, generation: Generation) -> None:
        """Nothing is left to do: a table is its own key here."""

    def parked(self, generation: Generation) -> set[str]:
        """The subjects that are parked in a generation."""
        asked = "SELECT subject FROM parked WHERE view = ? AND generation = ?"
        return {subject for (subject,) in self._connection.execute(asked, generation[:2])}

    def standing(self, generation: Generation, subjects: Sequence[str]) -> list[Row]:
        """The rows of some subjects, as this transaction sees them."""
        columns = listed(self._tables.views[generation.view].columns())
        asked = f"SELECT {columns} FROM {quoted(generation.table)} WHERE subject IN (SELECT value FROM json_each(?))"  # noqa: S608 - names of views only
        return self._connection.execute(asked, (dumps(list(subjects)),)).fetchall()

    def apply(self, generation: Generation, changes: Changes) -> None:
        """Write the rows that changed, and who is parked."""
        view = self._tables.views[generation.view]
        table, key, columns = quoted(generation.table), primary_key(view), view.columns()
        if changes.deletes:
            matched = " AND ".join(f"{quoted(name)} = ?" for name in key)
            self._connection.executemany(f"DELETE FROM {table} WHERE {matched}", changes.deletes)  # noqa: S608 - names of views only
        if changes.upserts:
            rows = changes.upserts.values()
            self._connection.executemany(insert("REPLACE", table, columns), rows)
        named = (generation.view, generation.number)
        self._connection.executemany(
            "DELETE FROM parked WHERE view = ? AND generation = ? AND subject = ?",
            [(*named, subject) for subject in changes.freed],
        )
        self._park((generation, parking) for parking in changes.parked.values())

    def _park(self, parked: Iterable[tuple[Generation, Parking]]) -> None:
        self._connection.executemany(
            "REPLACE INTO parked VALUES (?, ?, ?, ?, ?, ?)",
            [(generation.view, generation.number, *parking[1:]) for generation, parking in parked],
        )

    def load(
        self, rows: Iterable[tuple[Generation, Sequence[Row]]], parked: Sequence[tuple[Generation, Parking]]
    ) -> None:
        """Append rows to generations that are building."""
        for generation, appended in rows:
            columns = self._tables.views[generation.view].columns()
            self._connection.executemany(insert("INSERT", quoted(generation.table), columns), appended)
        self._park(parked)

    def track(self, moved: Mapping[int, int]) -> None:
        """Move the live position of some buckets forward.

        Raises:
            ProjectorFenced: it already stands there or further, so another projector wrote meanwhile.
        """
        try:
            for bucket, number in moved.items():
                self._tables.tracker.track(self._connection, Tracking(f"views/{bucket}", number))
        except IntegrityError:
            raise fenced("projector") from None

    def switch(self, made: Sequence[Generation], cut: Cursor) -> None:
        """Make generations live, retire those before them, and replace the public names and all questions."""
        for view, number, *_ in made:
            self._connection.execute(
                "UPDATE generations SET state = 'retired' WHERE view = ? AND state = 'live' AND number <> ?",
                (view, number),
            )
            self._connection.execute(
                "UPDATE generations SET state = 'live', cut = ?, built = ? WHERE view = ? AND number = ?",
                (str(cut), time_ns() // 1_000, view, number),
            )
        self._connection.execute("UPDATE reference_time SET names = ''")
        self.publish()

    def restart(self) -> None:
        """Forget the live position, where the views are of another log or of one that was restored."""
        self._connection.execute("DELETE FROM tracking WHERE application_name LIKE 'views/%'")

    def publish(self) -> None:
        """Replace public names and questions, where their definition is another than what stands."""
        live = {known.view: known.table for known in self.generations() if known.state == "live"}
        publish(self._connection, self._tables.views, live)

    def set_clock(self, at_us: int, *, pinned: bool | None = None) -> None:
        """Set the reference time; without `pinned` only where it is not pinned."""
        day = self._tables.company.day_at(at_us)
        self._connection.execute(
            "UPDATE reference_time SET at = ?, day = ?, dayno = ?, pinned = ? WHERE ? OR NOT pinned",
            (at_us, day, day_number(day), bool(pinned), pinned is not None),
        )


class SQLiteTables:
    """The views file of one log. May be used from many threads; one at a time writes."""

    def __init__(self, url: str, company: Company, views: Views) -> None:
        self.url = url
        self.company = company
        self.views = views
        self.path = views_path(url)
        self.tracker = _Tracker(SQLiteDatastore(str(self.path)))
        self._writer: sqlite3.Connection | None = None
        self._writing = Lock()

    @contextmanager
    def transaction(self) -> Iterator[SQLiteTransaction]:
        """Begin a write transaction that waits for others; made store and all on first use.

        Raises:
            LogUnavailable: the file is locked for too long. LogNotWritable: it is read-only, or the disk is full.
        """
        with self._writing, _in_our_words(self.path):
            self._writer = self._writer or self._open_to_write()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                if not _stands(self._writer):
                    self._make(self._writer)
                yield SQLiteTransaction(self._writer, self)
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    def building(self) -> AbstractContextManager[SQLiteTransaction]:
        """Begin a transaction that writes only to generations that are building; here it waits like any other."""
        return self.transaction()

    def _open_to_write(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=LIMITS.views_lock_wait_s, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the last commits, rows and position alike: they are folded again from the log.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
        return connection

    def _make(self, connection: sqlite3.Connection) -> None:
        for statement in filter(str.strip, _SCHEMA.split(";")):
            connection.execute(statement)
        connection.execute("INSERT INTO reference_time VALUES (0, '1970-01-01', 0, 0, '')")
        self.tracker.prepare(connection)
        SQLiteTransaction(connection, self).set_clock(time_ns() // 1_000)

    @contextmanager
    def lead(self, role: Literal["projector", "rebuild"]) -> Iterator[None]:
        """Be the only one in a role until the block, or this process, ends.

        Raises:
            ProjectorFenced: another process, or another thread, has the role.
        """
        # SQLite's own file lock: the system frees it with the process, however that ends.
        held = sqlite3.connect(f"{self.path}-{role}", timeout=0, isolation_level=None, check_same_thread=False)
        try:
            with _in_our_words(self.path):
                try:
                    held.execute("BEGIN EXCLUSIVE")
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                        raise fenced(role) from None
                    raise
            yield
        finally:
            held.close()

    def state(self) -> tuple[list[Generation], dict[int, int], dict[tuple[str, int], int]]:
        """The generations, the live position, and how many subjects are parked by (view, generation)."""
        if not self.path.exists():
            return [], {}, {}
        with self._reader() as connection:
            connection.execute("BEGIN")
            if not _stands(connection):
                return [], {}, {}
            counted = connection.execute("SELECT view, generation, count(*) FROM parked GROUP BY view, generation")
            parked = {(view, number): count for view, number, count in counted}
            return _generations(connection), _position(connection), parked

    def set_moment(self, at_us: int | None) -> None:
        """Pin the reference time that questions call today, in microseconds since 1970 UTC; None frees it."""
        with self.transaction() as transaction:
            transaction.set_clock(time_ns() // 1_000 if at_us is None else at_us, pinned=at_us is not None)

    def rows(self, view_name: str, subject: str | None = None) -> tuple[list[str], list[Row]]:
        """A view's columns and rows, of one subject or of all, by primary key.

        Raises:
            UnknownView: there is none of this name. ViewNotBuilt: it has no table yet.
        """
        if view_name not in self.views:
            raise UnknownView(f"there is no view named {view_name}", rule=", ".join(self.views))
        view = self.views[view_name]
        columns, key = view.columns(), ", ".join(map(quoted, primary_key(view)))
        asked = f"SELECT {listed(columns)} FROM {quoted(view_name)} WHERE ?1 IS NULL OR subject = ?1 ORDER BY {key}"  # noqa: S608 - names of views only
        if subject is not None:
            asked = asked.replace("?1 IS NULL OR ", "")
        if not any(known.view == view_name and known.state == "live" for known in self.state()[0]):
            raise not_built(view_name)
        with self._reader() as connection:
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

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with _in_our_words(self.path):
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

    def close(self) -> None:
        """Give all connections back."""
        with self._writing, suppress(sqlite3.Error):
            if self._writer:
                self._writer.close()
            self._writer = None


def _stands(connection: sqlite3.Connection) -> bool:
    """Whether the tables are made; whoever makes them has the file for a moment before."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'generations'").fetchone() is not None


def _generations(connection: sqlite3.Connection) -> list[Generation]:
    found = connection.execute(
        "SELECT view, number, fingerprint, state, cut, built FROM generations ORDER BY view, number"
    )
    return [Generation(*row) for row in found]


def _position(connection: sqlite3.Connection) -> dict[int, int]:
    found = connection.execute(
        "SELECT substr(application_name, 7), notification_id FROM tracking WHERE application_name LIKE 'views/%'"
    )
    return {int(bucket): number for bucket, number in found}


@contextmanager
def _in_our_words(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL):
            raise LogNotWritable(
                "the file of the views is read-only, or its disk is full",
                where=str(path),
                way_out="make it writable, or free space",
            ) from error
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR):
            raise LogUnavailable(
                "the file of the views cannot be opened, or stays locked",
                where=str(path),
                way_out="check the folder's rights and who holds the file",
            ) from error
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise LogUnavailable(
                "the file of the views is damaged, or another program's",
                where=str(path),
                rule="the log itself is in a file of its own",
                way_out="move this file away, then: lifecircle rebuild",
            ) from error
        raise
