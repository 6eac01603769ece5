"""A SQLite file as the event sourcing library's datastore: connections, transactions, and what goes wrong."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Lock

from eventsourcing.persistence import (
    ConnectionPoolClosedError,
    ConnectionUnavailableError,
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    PersistenceError,
    ProgrammingError,
)
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool, SQLiteCursor, SQLiteDatastore

from adapters.settings import LIMITS
from domain.errors import LifecircleError, LogNotWritable, LogUnavailable, NotOurLog

_LIBRARY_ERRORS: dict[type[sqlite3.Error], type[PersistenceError]] = {
    sqlite3.DataError: DataError,
    sqlite3.OperationalError: OperationalError,
    sqlite3.IntegrityError: IntegrityError,
    sqlite3.InternalError: InternalError,
    sqlite3.ProgrammingError: ProgrammingError,
    sqlite3.NotSupportedError: NotSupportedError,
    sqlite3.DatabaseError: DatabaseError,
    sqlite3.InterfaceError: InterfaceError,
}


_NEVER_CHANGED = ("touchpoints", "log", "origins", "settings", "schema_steps")

_DEFINITIONS = (
    sqlite3.SQLITE_ALTER_TABLE,
    sqlite3.SQLITE_DROP_TABLE,
    sqlite3.SQLITE_DROP_INDEX,
    sqlite3.SQLITE_DROP_TRIGGER,
    sqlite3.SQLITE_DROP_VIEW,
)


def _append_only(action: int, first: str | None, _second: str | None, _database: str | None, _by: str | None) -> int:
    """Hold this program to appending: SQLite asks before it runs a statement, whatever has become of the triggers."""
    if action in _DEFINITIONS or (action == sqlite3.SQLITE_PRAGMA and first == "writable_schema"):
        return sqlite3.SQLITE_DENY
    if action in (sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE) and first in _NEVER_CHANGED:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


class _Connection(SQLiteConnection):
    """A connection whose writing transactions take the write lock at once, and which never goes back in one."""

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        # The library begins deferred: a write after a read then fails at once if anybody wrote in between.
        cursor = self.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE" if commit else "BEGIN")
            try:
                yield cursor
                if commit:
                    self.commit()
            finally:
                self.rollback()  # nothing is left to undo after a commit
        except sqlite3.Error as error:
            raise _LIBRARY_ERRORS.get(type(error), PersistenceError)(error) from error
        finally:
            cursor.sqlite_cursor.close()


class _Pool(SQLiteConnectionPool):
    def _create_connection(self) -> SQLiteConnection:
        try:
            return _Connection(_opened(self.db_name, self.lock_timeout or LIMITS.sqlite_lock_timeout_s), self.max_age)
        except sqlite3.Error as error:
            raise InterfaceError(error) from error


def _opened(db_name: str, lock_timeout_s: float) -> sqlite3.Connection:
    connection = connect(db_name, lock_timeout_s)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{LIMITS.sqlite_cache_size_kib:d}")
    connection.set_authorizer(_append_only)
    connection.row_factory = sqlite3.Row
    return connection


class Datastore(SQLiteDatastore):
    """One SQLite file, shared by the threads of this process; streams are text.

    Writers of this process queue at a lock of ours for the one connection that writes: SQLite's own waiting is by
    sleeping, unfair and slow, and needed against other processes only. Readers never wait for writers.
    """

    def __init__(self, db_name: str, *, lock_timeout: int = LIMITS.sqlite_lock_timeout_s) -> None:
        self._lock_timeout_s = lock_timeout
        self._in_use = 0
        self._closed = False
        self._use_changed = Condition()
        super().__init__(db_name, lock_timeout=lock_timeout, originator_id_type="text")
        self._writing = Lock()
        self._writer: sqlite3.Connection | None = None
        self.pool = _Pool(
            db_name=db_name,
            lock_timeout=lock_timeout,
            max_overflow=LIMITS.sqlite_connections_max - 5,
            pool_timeout=float(lock_timeout),
        )

    @contextmanager
    def get_connection(self, *, commit: bool) -> Iterator[SQLiteConnection]:
        """A connection of the pool; the one that writes, alone, when `commit` is asked for."""
        if not commit:
            with self._pooled() as connection:
                yield connection
            return
        writer = self._take_writer()
        try:
            yield _Connection(writer, max_age=None)
        finally:
            self._writing.release()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Cursor]:
        """A transaction that is committed, as `transaction` makes one, without the library's wrapping of each call.

        Raises:
            PersistenceError: the connection is not to be had. sqlite3.Error: what fails on it.
        """
        writer = self._take_writer()
        try:
            cursor = writer.execute("BEGIN IMMEDIATE")
            cursor.row_factory = None
            try:
                yield cursor
                cursor.execute("COMMIT")
            finally:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
        finally:
            self._writing.release()

    def _take_writer(self) -> sqlite3.Connection:
        """The connection that writes; whoever takes it releases `_writing`."""
        if not self._writing.acquire(timeout=self._lock_timeout_s):
            raise ConnectionUnavailableError("timed out waiting for another writer of this process")
        if self._writer:
            return self._writer
        try:
            return self._open_writer()
        except BaseException:
            self._writing.release()
            raise

    def _open_writer(self) -> sqlite3.Connection:
        if self._closed:
            raise ConnectionPoolClosedError
        self._writer = _opened(self.pool.db_name, self._lock_timeout_s)
        return self._writer

    @contextmanager
    def _pooled(self) -> Iterator[SQLiteConnection]:
        with self._use_changed:
            if self._closed:
                raise ConnectionPoolClosedError
            self._in_use += 1
        try:
            connection = self.pool.get_connection()
            try:
                yield connection
            finally:
                self.pool.put_connection(connection)
        finally:
            with self._use_changed:
                self._in_use -= 1
                self._use_changed.notify_all()

    def close(self) -> None:
        """Close all connections, after what other threads are doing: SQLite crashes when one is closed in use."""
        with self._use_changed:
            self._closed = True
            if self._use_changed.wait_for(lambda: not self._in_use, self._lock_timeout_s):
                super().close()
        if self._writing.acquire(timeout=self._lock_timeout_s):
            if self._writer:
                self._writer.close()
            self._writer = None
            self._writing.release()

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """A transaction, begun with the write lock when it is to be committed.

        Raises:
            PersistenceError: the library's error of the same name as SQLite's.
        """
        with self.get_connection(commit=commit) as connection, connection.transaction(commit=commit) as cursor:
            yield cursor


def connect(db_name: str, lock_timeout_s: float) -> sqlite3.Connection:
    """Open a file by its SQLite URI, without changing anything in it; transactions begin only when told."""
    return sqlite3.connect(db_name, timeout=lock_timeout_s, isolation_level=None, uri=True, check_same_thread=False)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the library raise into errors that say the way out.

    Raises:
        LogNotWritable: the file or its disk takes no writes.
        LogUnavailable: the file cannot be used now.
        NotOurLog: the file is no SQLite database.
    """
    try:
        yield
    except (sqlite3.Error, PersistenceError, ConnectionPoolClosedError) as error:
        raise _explanation(error, path) from error


def _explanation(error: Exception, path: Path) -> LifecircleError:
    where = str(path)
    cause = error if isinstance(error, sqlite3.Error) else error.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    # A quota, and a limit on the size of files, are no full disk to SQLite, but a write that failed.
    match sqlite3.SQLITE_FULL if code == sqlite3.SQLITE_IOERR_WRITE else code & 0xFF if code is not None else None:
        case sqlite3.SQLITE_FULL:
            return LogNotWritable(
                "the disk is full, or its quota; nothing of this was recorded",
                where=where,
                way_out="free some space, and send again",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return LogNotWritable(
                "the log is read-only",
                where=where,
                way_out="give this account the right to write the file and its folder, and open it without mode=ro",
            )
        case sqlite3.SQLITE_NOTADB:
            return NotOurLog("the file is no SQLite database", where=where, way_out="check the log's address")
        case sqlite3.SQLITE_CORRUPT:
            return LogUnavailable("the file is damaged", where=where, way_out="restore it from a backup")
        case sqlite3.SQLITE_CANTOPEN:
            return LogUnavailable(
                "the file cannot be opened", where=where, way_out="check that the folder exists and its access rights"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return _busy(where)
    if isinstance(error, ConnectionUnavailableError):
        return _busy(where)
    if isinstance(error, ConnectionPoolClosedError):
        return LogUnavailable("the log was closed", where=where, way_out="open it again")
    name = getattr(cause, "sqlite_errorname", type(error).__name__)
    return LogUnavailable(
        f"the database failed ({name})", where=where, way_out="check the disk, and send again: ids make repeats safe"
    )


def _busy(where: str) -> LogUnavailable:
    return LogUnavailable(
        f"another writer has held the log for more than {LIMITS.sqlite_lock_timeout_s} seconds; nothing was recorded",
        where=where,
        way_out="find the program that holds the file open in a transaction, end it, and send again",
    )
