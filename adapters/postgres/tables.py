"""The view store in PostgreSQL: generations in schema `lifecircle_views`, public names and questions in `report`."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, Literal

import psycopg
from psycopg import Connection, errors
from psycopg.sql import SQL, Identifier

from adapters.postgres import arrays
from adapters.postgres.datastore import Datastore, in_our_words
from adapters.postgres.generations import PostgresTransaction, Statements, Tracker, position, stands
from adapters.postgres.prepared import PreparingConnection
from adapters.postgres.report import PUBLIC, ask, listed
from adapters.settings import LIMITS
from adapters.views.generations import generations
from adapters.views.tables import Generation, Views, fenced, not_built, primary_key
from domain.company import Company
from domain.errors import LifecircleError
from projections import view_named
from projections.view import Row

# Advisory locks of this database. Writers of live views wait for the first; the next ones are held by who leads.
_LOCKS = 0x6C63_7601
_ROLES = {"projector": 1, "rebuild": 2}
# A lock of 64 bits is shown in halves.
_LED = """
    SELECT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid = (%(lock)s::bigint >> 32)::oid AND objid = (%(lock)s::bigint & 4294967295)::oid
    )
"""
# A moment has a schema of its own for its tables and names, and as many locks, behind these and its place.
_MOMENT, _LOCKS_OF_MOMENTS = "lifecircle_moment_", 0x6C63 << 40


class PostgresTables:
    """The view store of one log, or of one moment of it. May be used from many threads; one at a time writes."""

    def __init__(self, url: str, company: Company, views: Views, place: str = "") -> None:
        self.url = url
        self.company = company
        self.views = views
        self.place = place
        self.schema, self.report = (_MOMENT + place,) * 2 if place else ("lifecircle_views", PUBLIC)
        self.locks = _LOCKS_OF_MOMENTS + (int(place, 16) << 8) if place else _LOCKS
        self._datastore = Datastore(url)
        self._datastore.schema = self.schema
        self.tracker = Tracker(self._datastore)
        self._writer: PreparingConnection | None = None
        self._statements: dict[str, Statements] = {}
        self._writing = Lock()

    @contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        """Begin a transaction that waits for others of its sort; made store and all on first use.

        Raises:
            LogUnavailable: the server is away. LogNotWritable: it is read-only or full.
        """
        with self.building() as transaction:
            transaction.alone()
            yield transaction

    @contextmanager
    def building(self) -> Iterator[PostgresTransaction]:
        """Begin a transaction that writes only to generations that are building, beside others."""
        with self._writing, self._in_our_words():
            if self._writer is None or self._writer.closed:
                self._writer = self._connect()
                # What is prepared while a table is empty would read all of it for as long as nobody analyzes it.
                self._writer.execute("SET enable_seqscan = off")
            with self._writer.transaction():
                yield PostgresTransaction(self._writer, self)

    def statements(self, generation: Generation, connection: Connection[Any]) -> Statements:
        """What is done to the rows of a generation, written out once."""
        if generation.table not in self._statements:
            made = Statements.of(self.views[generation.view], generation.table, connection)
            self._statements[generation.table] = made
        return self._statements[generation.table]

    @contextmanager
    def reading(self) -> Iterator[PostgresTransaction | None]:
        """What stands at this moment, read while others write; None where nothing was ever made."""
        with self._reading() as connection:
            yield PostgresTransaction(connection, self) if stands(connection) else None

    @contextmanager
    def lead(self, role: Literal["projector", "rebuild"]) -> Iterator[None]:
        """Be the only one in a role until the block, or this process, ends.

        Raises:
            ProjectorFenced: another process, or another thread, has the role.
        """
        with self._in_our_words(), self._connect() as connection:
            taken = connection.execute("SELECT pg_try_advisory_lock(%s)", (self.locks + _ROLES[role],)).fetchone()
            if taken != (True,):
                raise fenced(role)
            try:
                yield
            finally:
                # The server may notice only later that a connection was closed, and the next to lead would be refused.
                # A connection that broke holds nothing any more.
                with suppress(psycopg.OperationalError):
                    connection.execute("SELECT pg_advisory_unlock_all()")

    def led(self, role: Literal["projector", "rebuild"]) -> bool:
        """Whether a process is in a role at this moment."""
        with self._reading() as connection:
            return connection.execute(_LED, {"lock": self.locks + _ROLES[role]}).fetchone() == (True,)

    def state(self) -> tuple[list[Generation], dict[int, int], dict[tuple[str, int], int]]:
        """The generations, the live position, and how many subjects are parked by (view, generation)."""
        with self._reading() as connection:
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
        names = [column.name for column in view.columns()]
        where = SQL("") if subject is None else SQL("WHERE subject = %(subject)s ")
        asked = SQL("SELECT {} FROM {} {}ORDER BY {}").format(
            listed(names), Identifier(self.report, view_name), where, listed(primary_key(view))
        )
        with self._reading() as connection:
            try:
                return names, connection.execute(asked, {"subject": subject}).fetchall()
            except (errors.UndefinedTable, errors.InvalidSchemaName):
                raise not_built(view_name) from None

    def query(self, sql: str, limit: int | None = None) -> tuple[list[str], list[Row]]:
        """Run one reading statement over the public names; answer its column names and at most `limit` rows.

        Raises:
            QueryRefused: it is not one reading statement, took too long, or the database could not run it.
            ViewNotBuilt: no view has a table yet.
        """
        with self._reading() as connection:
            if not stands(connection):
                raise not_built("query")
            return ask(connection, sql, limit, self.report, alone=bool(self.place))

    def answers(
        self, questions: Iterable[str]
    ) -> tuple[list[Generation], dict[int, int], list[tuple[list[str], list[Row]]]]:
        """Run several reading statements at one moment, whatever is written meanwhile; errors are those of `query`.

        Answers the generations and the live position that they saw, and the columns and rows of each.
        """
        with self._reading() as connection:
            if not stands(connection):
                raise not_built("query")
            seen = generations(connection), position(connection)
            return *seen, [ask(connection, sql, None, self.report, alone=bool(self.place)) for sql in questions]

    @contextmanager
    def _reading(self) -> Iterator[PreparingConnection]:
        with self._in_our_words(), self._connect() as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                yield connection

    def _connect(self) -> PreparingConnection:
        connection = PreparingConnection.connect(self.url, autocommit=True, connect_timeout=LIMITS.postgres_connect_s)
        arrays.register(connection)
        connection.execute("SELECT set_config('search_path', %s, false)", (self.schema,))
        return connection

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            ours: LifecircleError | None = in_our_words(error, self._datastore.where)
            if ours is None:
                raise
            raise ours from error

    def moments(self) -> list[str]:
        """The places of all moments that have a schema, whether anybody still uses them or not."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT substr(nspname, 19) FROM pg_namespace WHERE nspname ~ '^lifecircle_moment_[0-9a-f]{8}$'"
            )
            return sorted(place for (place,) in found)

    def drop(self) -> None:
        """Leave nothing of these tables, which are a moment's."""
        with self.building() as transaction:
            transaction.drop()

    def close(self) -> None:
        """Give all connections back."""
        with self._writing:
            if self._writer:
                self._writer.close()
            self._writer = None
        self._datastore.close()
