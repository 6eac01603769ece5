"""One transaction on the view store in PostgreSQL: generations of tables, their rows, and the public names.

Every connection finds the tables by its search path, which leads to the schema of the live ones or of one moment.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Identifier
from psycopg.sql import Literal as Value

from adapters.clock import clock_us
from adapters.cursor import Cursor
from adapters.postgres.arrays import Array, Bigints, Doubles, Texts
from adapters.postgres.datastore import sql as sql_file
from adapters.postgres.prepared import Change, PreparingConnection
from adapters.postgres.report import TYPES, comments, declared, listed, publish
from adapters.postgres.rows import CSV, as_csv
from adapters.settings import LIMITS
from adapters.views.generations import FORGET_PARTS, GIVE_UP, generations, live_tables, move
from adapters.views.sweep import Part
from adapters.views.tables import (
    Changes,
    Generation,
    Parking,
    Views,
    fenced,
    next_generations,
    primary_key,
)
from domain.company import Company, day_number
from projections.dictionary import relation
from projections.view import Column, Row, View

# Locked, so that they are not forgotten, and others made of their names, before the rows of a part are there.
_BUILDING = "SELECT view FROM generations WHERE state = 'building' AND built = %s FOR SHARE"

# For the disk; a transaction that says so commits with the next one that does wait, or a moment later. All that makes
# and fills tables says so: what a crash takes away of them is made again, and the switch waits for the disk for all.
_WITHOUT_A_WAIT = b"SET LOCAL synchronous_commit TO off"

# For this transaction: a sample of 9,000 rows of each table, not of 30,000, until the server looks at it by itself.
_COARSER = b"SET LOCAL default_statistics_target = 30"

_GO_LIVE = """
UPDATE generations SET state = 'live', cut = %s, built = %s
WHERE (view, number) IN (SELECT * FROM unnest(%s::text[], %s::bigint[]))
"""

_HAS_KEY = "SELECT 1 FROM pg_index WHERE indrelid = %s::regclass AND indisprimary"

_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


class Tracker(PostgresTrackingRecorder):
    """The library's tracking recorder, writing in a transaction that is already open."""

    def prepare(self, connection: Connection[Any]) -> None:
        """Make its table."""
        super()._create_table(connection.cursor(row_factory=dict_row))

    def track(self, connection: Connection[Any], tracking: Tracking) -> None:
        """Note a position; IntegrityError where it is not further than the last."""
        super()._insert_tracking(connection.cursor(row_factory=dict_row), tracking)


class Kept(Protocol):
    """The tables, as far as a transaction on them must know them."""

    company: Company
    views: Views
    tracker: Tracker
    schema: str
    report: str
    locks: int

    def statements(self, generation: Generation, connection: Connection[Any]) -> "Statements":
        """What is done to the rows of a generation, written out once."""
        ...


class PostgresTransaction:
    """One write transaction on the view store."""

    def __init__(self, connection: PreparingConnection, tables: Kept) -> None:
        self._connection = connection
        self._tables = tables

    def alone(self) -> None:
        """Wait until nobody else writes, and make the store where it does not stand yet."""
        self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (self._tables.locks,))
        if self._connection.execute("SELECT to_regclass('folded_parts')").fetchone() != (None,):
            return
        new = not stands(self._connection)
        for schema in (self._tables.schema, self._tables.report):
            self._connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
        self._connection.execute(sql_file("views.sql"))
        if new:
            self._tables.tracker.prepare(self._connection)
            self.set_clock(clock_us())

    def generations(self) -> list[Generation]:
        """Every generation that stands, by view and number."""
        return generations(self._connection)

    def create(self, fingerprints: Mapping[str, str], cut: str = "") -> list[Generation]:
        """Make the tables of the next generation of each view named, to be folded up to a cut; `finish` makes keys."""
        self._connection.execute(_WITHOUT_A_WAIT)
        self._connection.execute(GIVE_UP)
        made = next_generations(self.generations(), fingerprints, cut)
        for generation in made:
            view = self._tables.views[generation.view]
            table = Identifier(generation.table)
            # Vacuum would read a table over and over that only grows.
            making = SQL("CREATE TABLE {} ({}) WITH (autovacuum_enabled = off);").format(
                table, declared(view.columns())
            )
            # In one text, as for the public names: one by one, several hundred would each wait for an answer.
            self._connection.execute(making + comments("TABLE", table, relation(view)), prepare=False)
            self._connection.execute("INSERT INTO generations VALUES (%s, %s, %s, %s, %s, %s)", generation)
        return made

    def finish(self, generation: Generation) -> None:
        """Make the key of a generation, once its rows are there; done before, it changes nothing."""
        if self._connection.execute(_HAS_KEY, (generation.table,)).fetchone():
            return
        self._connection.execute(_WITHOUT_A_WAIT)
        key = listed(primary_key(self._tables.views[generation.view]))
        self._connection.forget()
        finishing = SQL("ALTER TABLE {} ADD PRIMARY KEY ({}), RESET (autovacuum_enabled)")
        self._connection.execute(finishing.format(Identifier(generation.table), key))
        self._connection.execute(_COARSER)
        self._connection.execute(SQL("ANALYZE {}").format(Identifier(generation.table)))

    def forget(self, generations: Iterable[Generation]) -> None:
        """Drop the tables of generations that failed or retired, and what is known of their parts."""
        self._connection.forget()
        for generation in generations:
            self._connection.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier(generation.table)))
            named = generation[:2]
            self._connection.execute("DELETE FROM parked WHERE view = %s AND generation = %s", named)
            self._connection.execute("DELETE FROM generations WHERE view = %s AND number = %s", named)
        self._connection.execute(FORGET_PARTS)

    def claim(self, made: Sequence[Generation], part: Part, touchpoints: int) -> bool:
        """Note that the rows of a part are written in this transaction; False where another one wrote them before.

        Raises:
            ProjectorFenced: the generations are not being built any more: another rebuild has begun anew.
        """
        if len(self._connection.execute(_BUILDING, (made[0].built,)).fetchall()) != len(made):
            raise fenced("rebuild")
        noted = self._connection.execute(
            "INSERT INTO folded_parts VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (made[0].built, *part, touchpoints),
        )
        return noted.rowcount == 1

    def folded(self, made: Sequence[Generation]) -> dict[Part, int]:
        """The parts whose rows stand in generations that are building, each with its number of touchpoints."""
        asked = "SELECT bucket, begins, ends, touchpoints FROM folded_parts WHERE begun = %s"
        return {Part(*part): count for *part, count in self._connection.execute(asked, (made[0].built,))}

    def reached(self, made: Sequence[Generation], cut: Cursor) -> None:
        """Note how far generations have come that are building."""
        self._connection.cursor().executemany(
            "UPDATE generations SET cut = %s WHERE view = %s AND number = %s", [(str(cut), *each[:2]) for each in made]
        )

    def columns(self, generation: Generation) -> list[tuple[str, str]]:
        """The columns that a generation's table has, with their types in the database's own words."""
        return self._connection.execute(_COLUMNS, (generation.table,)).fetchall()

    def scan(self, generation: Generation, names: Sequence[str], key: Sequence[str]) -> Iterator[Row]:
        """Some columns of all rows, by key; texts in the order of their code points. Memory does not grow with them."""
        texts = {name for name, type_ in self.columns(generation) if type_ == "text"}
        by = SQL(", ").join(SQL('{} COLLATE "C"' if name in texts else "{}").format(Identifier(name)) for name in key)
        asked = SQL("SELECT {} FROM {} ORDER BY {}").format(listed(names), Identifier(generation.table), by)
        self._connection.execute("SET LOCAL enable_seqscan = on")  # whoever writes asks for few rows otherwise
        with self._connection.cursor(f"scan_{generation.table}") as cursor:
            cursor.itersize = LIMITS.projector_batch_max
            yield from cursor.execute(asked)

    def position(self) -> dict[int, int]:
        """The last number of each bucket that the live generations show."""
        return position(self._connection)

    def parked(self, generation: Generation) -> set[str]:
        """The subjects that are parked in a generation."""
        found = self._connection.execute(
            "SELECT subject FROM parked WHERE view = %s AND generation = %s", generation[:2]
        )
        return {subject for (subject,) in found}

    def standing(self, generations: Iterable[Generation], subjects: Sequence[str]) -> dict[str, list[Row]]:
        """The rows of some subjects by view, as this transaction sees them."""
        asked = {each.view: self._tables.statements(each, self._connection).standing for each in generations}
        # All in one round trip.
        with self._connection.pipeline():
            found = {view: self._connection.execute(sql, (list(subjects),)) for view, sql in asked.items()}
            return {view: cursor.fetchall() for view, cursor in found.items()}

    def apply(self, changes: Iterable[tuple[Generation, Changes]]) -> None:
        """Write the rows that changed in each generation, and who is parked."""
        changed = [(generation, each) for generation, each in changes if each]
        rows = (each for generation, changes in changed for each in self._of_rows(generation, changes))
        # What a crash takes away it takes with the position, and is folded again.
        self._connection.run([Change(_WITHOUT_A_WAIT, ()), *rows])
        for generation, each in changed:
            if each.freed:
                self._connection.execute(
                    "DELETE FROM parked WHERE view = %s AND generation = %s AND subject = ANY(%s)",
                    (generation.view, generation.number, list(each.freed)),
                )
            self._park([(generation, parking) for parking in each.parked.values()])

    def _of_rows(self, generation: Generation, changes: Changes) -> Iterator[Change]:
        statements = self._tables.statements(generation, self._connection)
        if changes.deletes:
            yield Change(statements.delete, _by_column(statements.key, changes.deletes))
        if changes.upserts:
            yield Change(statements.upsert, _by_column(statements.columns, changes.upserts.values()))

    def _park(self, parked: Sequence[tuple[Generation, Parking]]) -> None:
        if parked:
            self._connection.cursor().executemany(
                "INSERT INTO parked VALUES (%s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (view, generation, subject)"
                " DO UPDATE SET bucket = excluded.bucket, number = excluded.number, error = excluded.error",
                [(generation.view, generation.number, *parking[1:]) for generation, parking in parked],
            )

    def load(
        self, rows: Iterable[tuple[Generation, Sequence[Row]]], parked: Sequence[tuple[Generation, Parking]]
    ) -> None:
        """Append rows to generations that are building."""
        self._connection.execute(_WITHOUT_A_WAIT)
        for generation, appended in rows:
            if appended:
                copying = self._tables.statements(generation, self._connection).copy
                with self._connection.cursor() as cursor, cursor.copy(copying) as copy:
                    for piece in as_csv(appended):
                        copy.write(piece)
        self._park(parked)

    def track(self, moved: Mapping[int, int]) -> None:
        """Move the live position of some buckets forward.

        Raises:
            ProjectorFenced: it already stands there or further, so another projector wrote meanwhile.
        """
        move(self._tables.tracker, self._connection, moved)

    def switch(self, made: Sequence[Generation], cut: Cursor) -> None:
        """Make generations live, retire those before them, and replace the public names and all questions.

        Raises:
            ProjectorFenced: they are not being built any more: another rebuild has begun anew.
        """
        views, numbers = [each.view for each in made], [each.number for each in made]
        self.retire(views)
        went_live = self._connection.execute(_GO_LIVE, (str(cut), clock_us(), views, numbers))
        if went_live.rowcount != len(made):
            raise fenced("rebuild")
        self._connection.execute("SET LOCAL synchronous_commit TO DEFAULT")
        self._connection.execute(FORGET_PARTS)
        self.publish(views)

    def restart(self) -> None:
        """Forget the live position, where the views are of another log or of one that was restored."""
        self._connection.execute("DELETE FROM notification_tracking WHERE application_name LIKE 'views/%'")

    def retire(self, views: Iterable[str]) -> None:
        """Take views that are no longer kept off the public names; their tables go with the next rebuild."""
        retiring = "UPDATE generations SET state = 'retired' WHERE view = ANY(%s) AND state = 'live'"
        self._connection.execute(retiring, (list(views),))

    def publish(self, moved: Sequence[str] = ()) -> None:
        """Replace public names and questions, where their definition, or the table of a view, is another."""
        self._connection.forget()
        live = live_tables(self._connection)
        publish(self._connection, self._tables.views, live, self._tables.schema, self._tables.report, moved)

    def drop(self) -> None:
        """Leave nothing of a moment's tables."""
        self._connection.forget()
        schema = Identifier(self._tables.schema)
        self._connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))

    def set_clock(self, at_us: int, *, pinned: bool = False) -> None:
        """Set the time that questions call today; once pinned, only pinned again."""
        day = self._tables.company.day_at(at_us)
        self._connection.execute(
            "UPDATE reference_time SET at = %s, day = %s, dayno = %s, pinned = %s WHERE %s OR NOT pinned",
            (at_us, day, day_number(day), pinned, pinned),
        )


def stands(connection: Connection[Any]) -> bool:
    """Whether the tables are made."""
    return connection.execute("SELECT to_regclass('generations') IS NOT NULL").fetchone() == (True,)


def position(connection: Connection[Any]) -> dict[int, int]:
    """The last number of each bucket that the live generations show."""
    found = connection.execute(
        "SELECT substr(application_name, 7), notification_id FROM notification_tracking"
        " WHERE application_name LIKE 'views/%'"
    )
    return {int(bucket): number for bucket, number in found}


Arrays = tuple[type[Array], ...]
"""What the cells of each column go in as."""

_ARRAYS: dict[type, type[Array]] = {str: Texts, int: Bigints, float: Doubles}


class Statements(NamedTuple):
    """What is done to the rows of one generation, over and over; rows that change go in as one array a column."""

    copy: bytes
    standing: bytes
    delete: bytes
    upsert: bytes
    key: Arrays
    columns: Arrays

    @classmethod
    def of(cls, view: type[View[Any]], table_name: str, connection: Connection[Any]) -> Self:
        """Write them out: composing one of forty columns takes longer than sending it."""
        table, columns, key = Identifier(table_name), view.columns(), primary_key(view)
        by_name = {column.name: column for column in columns}
        names, keys = listed(by_name), listed(key)
        others = [Identifier(name) for name in by_name if name not in key]
        assigned = SQL(", ").join(SQL("{0} = excluded.{0}").format(name) for name in others)
        conflict = SQL("UPDATE SET {}").format(assigned) if others else SQL("NOTHING")
        copy = SQL("COPY {} ({}) FROM STDIN ({})").format(table, names, SQL(CSV))
        standing = SQL("SELECT {} FROM {} WHERE subject = ANY(%s)").format(names, table)
        delete = SQL("DELETE FROM {} WHERE ({}) IN (SELECT * FROM {})").format(
            table, keys, _unnest(by_name[name] for name in key)
        )
        upsert = SQL("INSERT INTO {} ({}) SELECT * FROM {} ON CONFLICT ({}) DO {}").format(
            table, names, _unnest(columns), keys, conflict
        )
        return cls(
            copy.as_bytes(connection),
            standing.as_bytes(connection),
            delete.as_bytes(connection),
            upsert.as_bytes(connection),
            _arrays(by_name[name] for name in key),
            _arrays(columns),
        )


def _arrays(columns: Iterable[Column]) -> Arrays:
    return tuple(_ARRAYS[column.type] for column in columns)


def _unnest(columns: Iterable[Column]) -> Composed:
    numbered = enumerate(columns, 1)
    each = (SQL("${}::{}[]").format(Value(place), TYPES[column.type]) for place, column in numbered)
    return SQL("unnest({})").format(SQL(", ").join(each))


def _by_column(arrays: Arrays, rows: Iterable[Row]) -> list[Array]:
    return [array(cells) for array, cells in zip(arrays, zip(*rows, strict=True), strict=True)]
