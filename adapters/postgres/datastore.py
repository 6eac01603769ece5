"""Connections to the database of a log, what their errors mean, and how a lost one is got over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from threading import Lock
from time import monotonic, sleep
from typing import Any, Self, TypeVar, cast

import psycopg
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import PoolClosed

from adapters import tracing
from adapters.postgres import arrays
from adapters.postgres.prepared import PreparingConnection
from adapters.settings import LIMITS
from domain.errors import LifecircleError, LogNotFound, LogNotWritable, LogUnavailable, NotOurLog

SCHEMA = "lifecircle"

# Every append notifies it, without a payload: followers look for themselves.
_LISTEN = "LISTEN lifecircle"

# In one round trip, and without a wait for the disk: of a notification nothing must be kept.
_NOTIFY = "SET LOCAL synchronous_commit TO off; NOTIFY lifecircle"

_QUIET = b"SET lifecircle.quiet = on"

T = TypeVar("T")

# What passes: the connection was cut (no state, or class 08), the server stops, restarts, is full of connections, chose
# us as the victim of a deadlock, or no longer has a statement that was prepared. Whatever was sent may be sent again.
_PASSING = ("08", "57P01", "57P02", "57P03", "57P05", "53300", "40001", "40P01", "26000")
_MAY_PASS = (psycopg.OperationalError, psycopg.InterfaceError, errors.InvalidSqlStatementName)


def sql(name: str) -> bytes:
    """The text of one of this package's SQL files."""
    return files("adapters.postgres").joinpath(name).read_bytes()


def lost(error: BaseException) -> bool:
    """Whether an error means that the outcome is unknown, or the server was away: trying again may help."""
    if not isinstance(error, _MAY_PASS) or isinstance(error, PoolClosed):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(_PASSING)


def in_our_words(error: psycopg.Error, where: str) -> LifecircleError | None:
    """What a database error means to a caller; None when it is a fault of this program."""
    match error:
        case errors.ReadOnlySqlTransaction():
            return LogNotWritable(
                "the database is read-only",
                where=where,
                way_out="connect to the primary server, or set default_transaction_read_only to off",
            )
        case errors.DiskFull():
            return LogNotWritable(
                "the disk of the database is full",
                where=where,
                rule="nothing of what was sent is stored",
                way_out="free space on the server, then send the same again",
            )
        case errors.InsufficientPrivilege():
            return LogNotWritable(
                "this account lacks a right that is needed here",
                where=where,
                way_out="make it a member of the role that has it; which one is shown by: lifecircle roles",
            )
        case errors.InvalidCatalogName():
            return LogUnavailable(
                "the server has no such database",
                where=where,
                way_out="create it (createdb), or correct the name in the address",
            )
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.UndefinedFunction():
            return NotOurLog(
                "schema lifecircle of this database holds something else than a log",
                where=where,
                way_out="choose another database, or move what stands in that schema",
            )
        case errors.InvalidSchemaName():
            return no_log(where)
        case PoolClosed():
            return LogUnavailable("this log was closed", where=where, way_out="open it again")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return LogUnavailable(
                "the database server cannot be reached, refuses, or was lost on the way",
                where=where,
                rule=_first_line(error),
                way_out="check that the server runs and that host, port, user and password of the address are right",
            )
    return None


def no_log(where: str) -> LogNotFound:
    """The error for a database without a log."""
    return LogNotFound("there is no log in this database", where=where, way_out="create one with: lifecircle init")


def place(url: str) -> str:
    """An address without its password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise LogUnavailable(
            "this is no address of a PostgreSQL database",
            rule="postgresql://user@host:port/database, as libpq reads it",
            way_out="correct the address",
        ) from error
    return f"postgresql://{parts.get('host', 'localhost')}/{parts.get('dbname', parts.get('user', ''))}"


def _first_line(error: psycopg.Error) -> str:
    # The server's own words on a refused connection; a statement's values never stand in these errors.
    return str(error).strip().splitlines()[0] if str(error).strip() else ""


class Datastore(PostgresDatastore):
    """The library's datastore for one address, with everything that the address says, such as options and TLS."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.where = place(url)
        self._begin: list[bytes] = []
        self._announcing = Lock()
        self._unheard = False
        parts = conninfo_to_dict(url)
        super().__init__(
            str(parts.get("dbname", "")),
            str(parts.get("host", "")),
            str(parts.get("port", "")),
            str(parts.get("user", "")),
            "",
            schema=SCHEMA,
            connect_timeout=LIMITS.postgres_connect_s,
            pool_size=1,
            max_overflow=LIMITS.postgres_connections_max - 1,
            originator_id_type="text",
        )
        self.pool.conninfo = url
        self.pool.connection_class = PreparingConnection
        # On a failure the pool would wait ever longer before it connects again; instead each caller makes it try.
        self.pool.reconnect_timeout = LIMITS.postgres_pause_max_s
        self.pool.kwargs = {"row_factory": dict_row, "connect_timeout": LIMITS.postgres_connect_s}

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """What every connection gets when it is new."""
        configure_library, begin = super().after_connect_func(), self._begin

        def configure(connection: Connection[Any]) -> None:
            configure_library(connection)
            arrays.register(connection)
            for statement in begin:
                connection.execute(statement)

        return configure

    def commit_side_by_side(self, buckets: int) -> None:
        """Serve several buckets: a connection more for each, and notifications apart from commits; before first use."""
        self.pool.resize(1, LIMITS.postgres_connections_max + buckets)
        self._begin.append(_QUIET)

    def announce(self) -> None:
        """Wake followers after a commit, where the commit itself did not; of several at a time, one for all."""
        if not self._begin:
            return
        self._unheard = True
        while self._unheard and self._announcing.acquire(blocking=False):
            try:
                self._unheard = False
                # What was appended stands already; a follower that is not woken finds it by looking for itself.
                with suppress(psycopg.Error), self.connection() as connection:
                    connection.execute(_NOTIFY)
            finally:
                self._announcing.release()

    def connect(self) -> Connection[DictRow]:
        """A connection of its own, outside the pool: to look whether the server is there, and to listen."""
        return Connection[DictRow].connect(
            self.url, autocommit=True, connect_timeout=LIMITS.postgres_connect_s, row_factory=dict_row
        )

    @contextmanager
    def connection(self, wait_s: float = LIMITS.postgres_pause_max_s) -> Iterator[PreparingConnection]:
        """A pooled connection, waited for so long; its errors stay the driver's, the library's lose the SQLSTATE."""
        self.pool.open()
        connection = self.pool.getconn(wait_s)
        try:
            yield cast("PreparingConnection", connection)
        finally:
            # Each statement or block commits by itself; what broke off in the middle of one is undone by the pool.
            self.pool.putconn(connection)

    def patiently(self, work: Callable[[PreparingConnection], T]) -> T:
        """Do what may be done twice, again after a lost connection, for a bounded time.

        Raises:
            LogUnavailable: the server did not come back in time.
            LogNotWritable: the database is read-only, or its disk is full.
        """
        deadline = monotonic() + LIMITS.postgres_reconnect_s
        pause_s = LIMITS.postgres_pause_min_s
        while True:
            try:
                with tracing.database("postgresql"), self.connection() as connection:
                    return work(connection)
            except psycopg.Error as error:
                if lost(error) and monotonic() + pause_s < deadline:
                    sleep(pause_s)
                    pause_s = min(2 * pause_s, LIMITS.postgres_pause_max_s)
                elif ours := in_our_words(error, self.where):
                    raise ours from error
                else:
                    raise


class Listener:
    """Wakes a follower when something was appended. A lost notification or connection only makes it wake later."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._connection: Connection[DictRow] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def wait(self, timeout_s: float) -> None:
        """Return after the next notification, at the latest after the time-out."""
        began = monotonic()
        try:
            if self._connection is None:
                self._connection = self._datastore.connect()
                self._connection.execute(_LISTEN)
                return  # what was appended before we listened is seen by looking now
            for _ in self._connection.notifies(timeout=timeout_s, stop_after=1):
                pass
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._drop()
            sleep(max(0.0, min(LIMITS.postgres_pause_max_s, timeout_s - (monotonic() - began))))

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
