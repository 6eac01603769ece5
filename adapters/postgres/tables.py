"""The view store in PostgreSQL: generations in schema `lifecircle_views`, public names and questions in `report`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from time import time_ns
from typing import Any, Literal

import psycopg
from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from psycopg import Connection, errors
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Identifier

from adapters.log import Cursor
from adapters.postgres.datastore import Datastore, in_our_words
from adapters.postgres.datastore import sql as sql_file
from adapters.postgres.report import REPORT, SCHEMA, TYPES, ask, comment_on, declared, listed, publish
from adapters.settings import LIMITS
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
from domain.errors import LifecircleError, UnknownView
from projections.dictionary import relation
from projections.view import Column, Row

# Advisory locks of this database: writers of views wait for the first; the others are held by who leads.
_WRITING, _LEADING = 0x6C63_7601, {"projector": 0x6C63_7602, "rebuild": 0x6C63_7603}


class _Tracker(PostgresTrackingRecorder):
    """The library's tracking recorder, writing in a transaction that is already open."""

    def prepare(self, connection: Connection[Any]) -> None:
        super()._create_table(connection.cursor(row_factory=dict_row))

    def track(self, connection: Connection[Any], tracking: Tracking) -> None:
        super()._insert_tracking(connection.cursor(row_factory=dict_row), tracking)


class PostgresTransaction:
    """One write transaction on the view store."""

    def __init__(self, connection: Connection[Any], tables: "PostgresTables") -> None:
        self._connection = connection
        self._tables = tables

    def alone(self) -> None:
        """Wait until nobody else writes, and make the store where it does not stand yet."""
        self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITING,))
        if not _stands(self._connection):
            self._connection.execute(sql_file("views.sql"))
            self._tables.tracker.prepare(self._connection)
            self.set_clock(time_ns() // 1_000)

    def generations(self) -> list[Generation]:
        """Every generation that stands, by view and number."""
        return _generations(self._connection)

    def create(self, fingerprints: Mapping[str, str]) -> list[Generation]:
        """Make the tables of the next generation of each view named; `finish` makes the keys."""
        numbers = {known.view: known.number for known in self.generations()}
        made = [
            Generation(view, numbers.get(view, 0) + 1, told, "building", "", time_ns() // 1_000)
            for view, told in fingerprints.items()
        ]
        for generation in made:
            view = self._tables.views[generation.view]
            columns = declared(view.columns())
            self._connection.execute(SQL("CREATE TABLE {} ({})").format(_table(generation), columns))
            comment_on(self._connection, "TABLE", _table(generation), relation(view))
            self._connection.execute(
                "INSERT INTO lifecircle_views.generations VALUES (%s, %s, %s, %s, %s, %s)", generation
            )
        return made

    def finish(self, generation: Generation) -> None:
        """Make the key of a generation, once its rows are there."""
        key = listed(primary_key(self._tables.views[generation.view]))
        self._connection.execute(SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(_table(generation), key))
        self._connection.execute(SQL("ANALYZE {}").format(_table(generation)))

    def forget(self, generations: Iterable[Generation]) -> None:
        """Drop the tables of generations that failed or retired."""
        for generation in generations:
            self._connection.execute(SQL("DROP TABLE IF EXISTS {}").format(_table(generation)))
            named = generation[:2]
            self._connection.execute("DELETE FROM lifecircle_views.parked WHERE view = %s AND generation = %s", named)
            self._connection.execute("DELETE FROM lifecircle_views.generations WHERE view = %s AND number = %s", named)

    def position(self) -> dict[int, int]:
        """The last number of each bucket that the live generations show."""
        return _position(self._connection)

    def parked(self, generation: Generation) -> set[str]:
        """The subjects that are parked in a generation."""
        found = self._connection.execute(
            "SELECT subject FROM lifecircle_views.parked WHERE view = %s AND generation = %s", generation[:2]
        )
        return {subject for (subject,) in found}

    def standing(self, generation: Generation, subjects: Sequence[str]) -> list[Row]:
        """The rows of some subjects, as this transaction sees them."""
        columns = listed(column.name for column in self._tables.views[generation.view].columns())
        asked = SQL("SELECT {} FROM {} WHERE subject = ANY(%s)").format(columns, _table(generation))
        return self._connection.execute(asked, (list(subjects),)).fetchall()

    def apply(self, generation: Generation, changes: Changes) -> None:
        """Write the rows that changed, and who is parked."""
        view, table = self._tables.views[generation.view], _table(generation)
        columns, key = view.columns(), primary_key(view)
        if changes.deletes:
            by_name = {column.name: column for column in columns}
            gone, values = _unnested([by_name[name] for name in key], changes.deletes)
            self._connection.execute(
                SQL("DELETE FROM {} WHERE ({}) IN (SELECT * FROM {})").format(table, listed(key), gone), values
            )
        if changes.upserts:
            given, values = _unnested(columns, changes.upserts.values())
            others = [column.name for column in columns if column.name not in key]
            assigned = SQL(", ").join(SQL("{0} = excluded.{0}").format(Identifier(name)) for name in others)
            conflict = SQL("UPDATE SET {}").format(assigned) if others else SQL("NOTHING")
            self._connection.execute(
                SQL("INSERT INTO {} ({}) SELECT * FROM {} ON CONFLICT ({}) DO {}").format(
                    table, listed(column.name for column in columns), given, listed(key), conflict
                ),
                values,
            )
        if changes.freed:
            self._connection.execute(
                "DELETE FROM lifecircle_views.parked WHERE view = %s AND generation = %s AND subject = ANY(%s)",
                (generation.view, generation.number, list(changes.freed)),
            )
        self._park([(generation, parking) for parking in changes.parked.values()])

    def _park(self, parked: Sequence[tuple[Generation, Parking]]) -> None:
        if parked:
            self._connection.cursor().executemany(
                "INSERT INTO lifecircle_views.parked VALUES (%s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (view, generation, subject)"
                " DO UPDATE SET bucket = excluded.bucket, number = excluded.number, error = excluded.error",
                [(generation.view, generation.number, *parking[1:]) for generation, parking in parked],
            )

    def load(
        self, rows: Iterable[tuple[Generation, Sequence[Row]]], parked: Sequence[tuple[Generation, Parking]]
    ) -> None:
        """Append rows to generations that are building."""
        for generation, appended in rows:
            columns = listed(column.name for column in self._tables.views[generation.view].columns())
            copying = SQL("COPY {} ({}) FROM STDIN").format(_table(generation), columns)
            with self._connection.cursor() as cursor, cursor.copy(copying) as copy:
                for row in appended:
                    copy.write_row(row)
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
                "UPDATE lifecircle_views.generations SET state = 'retired' WHERE view = %s AND state = 'live'", (view,)
            )
            self._connection.execute(
                "UPDATE lifecircle_views.generations SET state = 'live', cut = %s, built = %s"
                " WHERE view = %s AND number = %s",
                (str(cut), time_ns() // 1_000, view, number),
            )
        self._connection.execute("UPDATE lifecircle_views.reference_time SET names = ''")
        self.publish()

    def restart(self) -> None:
        """Forget the live position, where the views are of another log or of one that was restored."""
        self._connection.execute(
            "DELETE FROM lifecircle_views.notification_tracking WHERE application_name LIKE 'views/%'"
        )

    def publish(self) -> None:
        """Replace public names and questions, where their definition is another than what stands."""
        live = {known.view: known.table for known in self.generations() if known.state == "live"}
        publish(self._connection, self._tables.views, live)

    def set_clock(self, at_us: int, *, pinned: bool | None = None) -> None:
        """Set the reference time; without `pinned` only where it is not pinned."""
        day = self._tables.company.day_at(at_us)
        self._connection.execute(
            "UPDATE lifecircle_views.reference_time"
            " SET at = %s, day = %s, dayno = %s, pinned = %s WHERE %s OR NOT pinned",
            (at_us, day, day_number(day), bool(pinned), pinned is not None),
        )


class PostgresTables:
    """The view store of one log. May be used from many threads; one at a time writes."""

    def __init__(self, url: str, company: Company, views: Views) -> None:
        self.url = url
        self.company = company
        self.views = views
        self._datastore = Datastore(url)
        self._datastore.schema = SCHEMA
        self.tracker = _Tracker(self._datastore)
        self._writer: Connection[Any] | None = None
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
            with self._writer.transaction():
                yield PostgresTransaction(self._writer, self)

    @contextmanager
    def lead(self, role: Literal["projector", "rebuild"]) -> Iterator[None]:
        """Be the only one in a role until the block, or this process, ends.

        Raises:
            ProjectorFenced: another process, or another thread, has the role.
        """
        with self._in_our_words(), self._connect() as connection:
            taken = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LEADING[role],)).fetchone()
            if taken != (True,):
                raise fenced(role)
            yield

    def state(self) -> tuple[list[Generation], dict[int, int], dict[tuple[str, int], int]]:
        """The generations, the live position, and how many subjects are parked by (view, generation)."""
        with self._reading() as connection:
            if not _stands(connection):
                return [], {}, {}
            counted = connection.execute(
                "SELECT view, generation, count(*) FROM lifecircle_views.parked GROUP BY view, generation"
            )
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
        names = [column.name for column in view.columns()]
        where = SQL("") if subject is None else SQL("WHERE subject = %(subject)s ")
        asked = SQL("SELECT {} FROM {} {}ORDER BY {}").format(
            listed(names), Identifier(REPORT, view_name), where, listed(primary_key(view))
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
            if not _stands(connection):
                raise not_built("query")
            return ask(connection, sql, limit)

    @contextmanager
    def _reading(self) -> Iterator[Connection[Any]]:
        with self._in_our_words(), self._connect() as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                yield connection

    def _connect(self) -> Connection[Any]:
        return psycopg.connect(self.url, autocommit=True, connect_timeout=LIMITS.postgres_connect_s)

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            ours: LifecircleError | None = in_our_words(error, self._datastore.where)
            if ours is None:
                raise
            raise ours from error

    def close(self) -> None:
        """Give all connections back."""
        with self._writing:
            if self._writer:
                self._writer.close()
            self._writer = None
        self._datastore.close()


def _stands(connection: Connection[Any]) -> bool:
    return connection.execute("SELECT to_regclass('lifecircle_views.generations') IS NOT NULL").fetchone() == (True,)


def _generations(connection: Connection[Any]) -> list[Generation]:
    found = connection.execute(
        "SELECT view, number, fingerprint, state, cut, built FROM lifecircle_views.generations ORDER BY view, number"
    )
    return [Generation(*row) for row in found]


def _position(connection: Connection[Any]) -> dict[int, int]:
    found = connection.execute(
        "SELECT substr(application_name, 7), notification_id FROM lifecircle_views.notification_tracking"
        " WHERE application_name LIKE 'views/%'"
    )
    return {int(bucket): number for bucket, number in found}


def _table(generation: Generation) -> Identifier:
    return Identifier(SCHEMA, generation.table)


def _unnested(columns: Sequence[Column], rows: Iterable[Row]) -> tuple[Composed, list[list[Any]]]:
    """Rows as one array a column, in the statement and as its parameters: one statement, however many rows."""
    arrays = SQL(", ").join(SQL("%s::{}[]").format(TYPES[column.type]) for column in columns)
    return SQL("unnest({})").format(arrays), [list(cells) for cells in zip(*rows, strict=True)]
