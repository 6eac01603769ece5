"""One transaction on the views file of a SQLite log: generations of tables, their rows, and the public names."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json import dumps
from typing import Protocol

from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteTrackingRecorder

from adapters.clock import clock_us
from adapters.cursor import Cursor
from adapters.sqlite.ddl import declared, insert, listed, quoted
from adapters.sqlite.report import publish
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
from projections.view import Row

# Each is made where it is missing, so that a file of an earlier version gets what it lacks.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS generations (
    view TEXT NOT NULL, number INTEGER NOT NULL, fingerprint TEXT NOT NULL, state TEXT NOT NULL, cut TEXT NOT NULL,
    built INTEGER NOT NULL, PRIMARY KEY (view, number)
) STRICT;
CREATE TABLE IF NOT EXISTS parked (
    view TEXT NOT NULL, generation INTEGER NOT NULL, subject TEXT NOT NULL, bucket INTEGER NOT NULL,
    number INTEGER NOT NULL, error TEXT NOT NULL, PRIMARY KEY (view, generation, subject)
) STRICT;
CREATE TABLE IF NOT EXISTS folded_parts (
    begun INTEGER NOT NULL, bucket INTEGER NOT NULL, begins TEXT NOT NULL, ends TEXT, touchpoints INTEGER NOT NULL,
    PRIMARY KEY (begun, bucket, begins)
) STRICT;
CREATE TABLE IF NOT EXISTS reference_time (
    at INTEGER NOT NULL, day TEXT NOT NULL, dayno INTEGER NOT NULL, pinned INTEGER NOT NULL, names TEXT NOT NULL
) STRICT;
INSERT INTO reference_time SELECT 0, '1970-01-01', 0, 0, '' WHERE NOT EXISTS (SELECT 1 FROM reference_time)
"""


class Tracker(SQLiteTrackingRecorder):
    """The library's tracking recorder, writing in a transaction that is already open."""

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Make its table."""
        super()._create_table(SQLiteCursor(connection.cursor()))

    def track(self, connection: sqlite3.Connection, tracking: Tracking) -> None:
        """Note a position; IntegrityError where it is not further than the last."""
        super()._insert_tracking(SQLiteCursor(connection.cursor()), tracking)


class Kept(Protocol):
    """The tables, as far as a transaction on them must know them."""

    company: Company
    views: Views
    tracker: Tracker


class SQLiteTransaction:
    """One write transaction on the views file."""

    def __init__(self, connection: sqlite3.Connection, tables: Kept) -> None:
        self._connection = connection
        self._tables = tables

    def generations(self) -> list[Generation]:
        """Every generation that stands, by view and number."""
        return generations(self._connection)

    def create(self, fingerprints: Mapping[str, str], cut: str = "") -> list[Generation]:
        """Make the tables of the next generation of each view named, to be folded up to a cut."""
        self._connection.execute(GIVE_UP)
        made = next_generations(self.generations(), fingerprints, cut)
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
        """Drop the tables of generations that failed or retired, and what is known of their parts."""
        for generation in generations:
            named = generation[:2]
            self._connection.execute(f"DROP TABLE IF EXISTS {quoted(generation.table)}")
            self._connection.execute("DELETE FROM parked WHERE view = ? AND generation = ?", named)
            self._connection.execute("DELETE FROM generations WHERE view = ? AND number = ?", named)
        self._connection.execute(FORGET_PARTS)

    def claim(self, made: Sequence[Generation], part: Part, touchpoints: int) -> bool:
        """Note that the rows of a part are written in this transaction; False where another one wrote them before.

        Raises:
            ProjectorFenced: the generations are not being built any more: another rebuild has begun anew.
        """
        if not set(made) <= set(self.generations()):
            raise fenced("rebuild")
        noted = self._connection.execute(
            "INSERT OR IGNORE INTO folded_parts VALUES (?, ?, ?, ?, ?)", (made[0].built, *part, touchpoints)
        )
        return noted.rowcount == 1

    def folded(self, made: Sequence[Generation]) -> dict[Part, int]:
        """The parts whose rows stand in generations that are building, each with its number of touchpoints."""
        asked = "SELECT bucket, begins, ends, touchpoints FROM folded_parts WHERE begun = ?"
        return {Part(*part): count for *part, count in self._connection.execute(asked, (made[0].built,))}

    def reached(self, made: Sequence[Generation], cut: Cursor) -> None:
        """Note how far generations have come that are building."""
        self._connection.executemany(
            "UPDATE generations SET cut = ? WHERE view = ? AND number = ?", [(str(cut), *each[:2]) for each in made]
        )

    def columns(self, generation: Generation) -> list[tuple[str, str]]:
        """The columns that a generation's table has, with their types in the database's own words."""
        return self._connection.execute(
            "SELECT name, type FROM pragma_table_info(?) ORDER BY cid", (generation.table,)
        ).fetchall()

    def scan(self, generation: Generation, names: Sequence[str], key: Sequence[str]) -> Iterator[Row]:
        """Some columns of all rows, by key; texts in the order of their code points. Memory does not grow with them."""
        columns, order = (", ".join(map(quoted, each)) for each in (names, key))
        asked = f"SELECT {columns} FROM {quoted(generation.table)} ORDER BY {order}"  # noqa: S608 - names of views only
        yield from self._connection.execute(asked)

    def position(self) -> dict[int, int]:
        """The last number of each bucket that the live generations show."""
        return position(self._connection)

    def finish(self, generation: Generation) -> None:
        """Nothing is left to do: a table is its own key here."""

    def parked(self, generation: Generation) -> set[str]:
        """The subjects that are parked in a generation."""
        asked = "SELECT subject FROM parked WHERE view = ? AND generation = ?"
        return {subject for (subject,) in self._connection.execute(asked, generation[:2])}

    def standing(self, generations: Iterable[Generation], subjects: Sequence[str]) -> dict[str, list[Row]]:
        """The rows of some subjects by view, as this transaction sees them."""
        found, named = dict[str, list[Row]](), dumps(list(subjects))
        for generation in generations:
            columns = listed(self._tables.views[generation.view].columns())
            asked = (
                f"SELECT {columns} FROM {quoted(generation.table)} WHERE subject IN (SELECT value FROM json_each(?))"  # noqa: S608 - names of views only
            )
            found[generation.view] = self._connection.execute(asked, (named,)).fetchall()
        return found

    def apply(self, changes: Iterable[tuple[Generation, Changes]]) -> None:
        """Write the rows that changed in each generation, and who is parked."""
        for generation, changed in changes:
            if changed:
                self._apply(generation, changed)

    def _apply(self, generation: Generation, changes: Changes) -> None:
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
        move(self._tables.tracker, self._connection, moved)

    def switch(self, made: Sequence[Generation], cut: Cursor) -> None:
        """Make generations live, retire those before them, and replace the public names and all questions.

        Raises:
            ProjectorFenced: they are not being built any more: another rebuild has begun anew.
        """
        for view, number, *_ in made:
            self._connection.execute(
                "UPDATE generations SET state = 'retired' WHERE view = ? AND state = 'live' AND number <> ?",
                (view, number),
            )
            went_live = self._connection.execute(
                "UPDATE generations SET state = 'live', cut = ?, built = ? WHERE view = ? AND number = ?",
                (str(cut), clock_us(), view, number),
            )
            if went_live.rowcount != 1:
                raise fenced("rebuild")
        self._connection.execute(FORGET_PARTS)
        self._connection.execute("UPDATE reference_time SET names = ''")
        self.publish()

    def restart(self) -> None:
        """Forget the live position, where the views are of another log or of one that was restored."""
        self._connection.execute("DELETE FROM tracking WHERE application_name LIKE 'views/%'")

    def retire(self, views: Iterable[str]) -> None:
        """Take views that are no longer kept off the public names; their tables go with the next rebuild."""
        self._connection.executemany(
            "UPDATE generations SET state = 'retired' WHERE view = ? AND state = 'live'", [(name,) for name in views]
        )

    def publish(self) -> None:
        """Replace public names and questions, where their definition is another than what stands."""
        live = live_tables(self._connection)
        publish(self._connection, self._tables.views, live)

    def set_clock(self, at_us: int, *, pinned: bool = False) -> None:
        """Set the time that questions call today; once pinned, only pinned again."""
        day = self._tables.company.day_at(at_us)
        self._connection.execute(
            "UPDATE reference_time SET at = ?, day = ?, dayno = ?, pinned = ? WHERE ? OR NOT pinned",
            (at_us, day, day_number(day), pinned, pinned),
        )


def make(connection: sqlite3.Connection, tables: Kept) -> None:
    """Make what is missing of the tables beside those of generations."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'folded_parts'").fetchone():
        return
    new = not stands(connection)
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    if new:
        tables.tracker.prepare(connection)
        SQLiteTransaction(connection, tables).set_clock(clock_us())


def stands(connection: sqlite3.Connection) -> bool:
    """Whether the tables are made; whoever makes them has the file for a moment before."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'generations'").fetchone() is not None


def position(connection: sqlite3.Connection) -> dict[int, int]:
    """The last number of each bucket that the live generations show."""
    found = connection.execute(
        "SELECT substr(application_name, 7), notification_id FROM tracking WHERE application_name LIKE 'views/%'"
    )
    return {int(bucket): number for bucket, number in found}
