"""What analysts meet in PostgreSQL: the public names in schema `report`, and their one reading statement."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import Connection, errors
from psycopg.sql import SQL, Composed, Identifier
from psycopg.sql import Literal as Value

from adapters.postgres.roles import readers_of_report
from adapters.settings import LIMITS
from adapters.views.tables import Views, public_names
from domain.errors import ExtensionBroken, LifecircleError, QueryRefused
from projections.dictionary import DICTIONARY, MOMENT, Entry, Relation, entries, relation
from projections.view import Column, Row, View, columns_of

PUBLIC = "report"
"""The schema of the public names of the live views."""

_ENTRIES = Identifier("dictionary_entries")

# Last those that others rest on; and whether each still stands, for its owner may drop it.
_PUBLISHED = """
SELECT name, to_regclass(format('%%I.%%I', %s::text, name)) IS NOT NULL FROM published ORDER BY place DESC
"""

# The rights that others have on public names, so that they have them again on what replaces these.
_GRANTS = """
SELECT class.relname, granted.privilege_type, coalesce(role.rolname, 'public')
FROM pg_class AS class
JOIN pg_namespace AS space ON space.oid = class.relnamespace AND space.nspname = %s
CROSS JOIN LATERAL aclexplode(class.relacl) AS granted
LEFT JOIN pg_roles AS role ON role.oid = granted.grantee
WHERE class.relname = ANY(%s) AND granted.grantee <> class.relowner
"""

# What a statement reads beside the views of its schema: a view locks all that it rests on until the transaction ends.
_ELSEWHERE = """
SELECT 1 FROM pg_locks AS lock
JOIN pg_class AS class ON class.oid = lock.relation
JOIN pg_namespace AS space ON space.oid = class.relnamespace
WHERE lock.pid = pg_backend_pid() AND space.nspname NOT IN (%s, 'pg_catalog', 'information_schema', 'pg_toast')
"""

TYPES = {str: SQL("text"), int: SQL("bigint"), float: SQL("double precision")}


class ReportInUse(LifecircleError):
    """Something that others made rests on a view whose columns change, so it cannot be replaced."""


class _Public(NamedTuple):
    """One SQL view to be published."""

    relation: Relation
    select: bytes

    @property
    def name(self) -> str:
        return self.relation.name


def publish(
    connection: Connection[Any],
    views: Views,
    live: Mapping[str, str],
    schema: str,
    report: str,
    moved: Sequence[str] = (),
) -> None:
    """Replace public names and questions, where their definition is another than what stands.

    Args:
        connection: in a transaction, which switches for readers when it commits.
        views: all that are kept.
        live: the table of each view that has one.
        schema: where these tables are, and where the search path of the connection leads.
        report: where the public names go.
        moved: the views whose table is another one now.

    Raises:
        ReportInUse: columns change, and something that others made rests on them.
    """
    names = connection.execute("SELECT names FROM reference_time").fetchone()
    found = connection.execute(_PUBLISHED, (report,)).fetchall()
    published = [name for name, _ in found]
    if names == (told := public_names(views),) and set(moved) <= set(published) and all(stands for _, stands in found):
        # Whatever rests on these names, questions among it, follows them to their tables.
        for name in moved:
            select = _of_table(connection, views[name], schema, live[name])
            connection.execute(_replacing(Identifier(report, name), select))
        return
    connection.execute(SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(_ENTRIES, declared(columns_of(Entry))))
    wanted = _wanted(connection, {name: views[name] for name in views if name in live}, live, schema)
    made: list[str] | None = None
    if set(published) <= {public.name for public in wanted}:
        try:
            with connection.transaction():
                # Replacing keeps the grants, and whatever others built upon a name.
                made = _make(connection, wanted, schema, report)
        except errors.InvalidTableDefinition:
            pass  # columns changed, and PostgreSQL replaces no view whose columns did
    if made is None:
        made = _make_anew(connection, published, wanted, schema, report)
    connection.execute("DELETE FROM published")
    connection.cursor().executemany(
        "INSERT INTO published VALUES (%s, %s)", [(name, place) for place, name in enumerate(made)]
    )
    _describe(connection, [public.relation for public in wanted if public.name in made])
    if report == PUBLIC:
        _let_read(connection, made)
    connection.execute("UPDATE reference_time SET names = %s", (told,))


def _let_read(connection: Connection[Any], names: Sequence[str]) -> None:
    """Let the log's own roles read public names."""
    if names and (readers := readers_of_report(connection)):
        among = SQL(", ").join([Identifier(PUBLIC, name) for name in names])
        connection.execute(SQL("GRANT SELECT ON {} TO {}").format(among, listed(readers)))


def _wanted(connection: Connection[Any], views: Views, live: Mapping[str, str], schema: str) -> list[_Public]:
    tables = ((MOMENT, "reference_time"), (DICTIONARY, "dictionary_entries"))
    wanted = [
        _Public(found, _selected(found.columns, Identifier(schema, table)).as_bytes(connection))
        for found, table in tables
    ]
    wanted += [_Public(relation(view), _of_table(connection, view, schema, live[name])) for name, view in views.items()]
    questions = (question for view in views.values() for question in view.questions)
    return wanted + [_Public(relation(question), question.sql.encode()) for question in questions]


def _of_table(connection: Connection[Any], view: type[View[Any]], schema: str, table: str) -> bytes:
    names = (column.name for column in view.columns())
    return _selected(names, Identifier(schema, table)).as_bytes(connection)


def _selected(columns: Iterable[str], table: Identifier) -> Composed:
    return SQL("SELECT {} FROM {}").format(listed(columns), table)


def _describe(connection: Connection[Any], made: Sequence[Relation]) -> None:
    """Write the rows of the data dictionary."""
    connection.execute(SQL("DELETE FROM {}").format(_ENTRIES))
    with connection.cursor() as cursor, cursor.copy(SQL("COPY {} FROM STDIN").format(_ENTRIES)) as copy:
        for entry in entries(made):
            copy.write_row(entry)


def _make_anew(
    connection: Connection[Any], published: Sequence[str], wanted: Sequence[_Public], schema: str, report: str
) -> list[str]:
    grants = connection.execute(_GRANTS, (report, list(published))).fetchall()
    try:
        # All in one statement, for they rest on each other in an order that replacing them did not keep.
        dropping = SQL(", ").join([Identifier(report, name) for name in published])
        connection.execute(SQL("DROP VIEW IF EXISTS {}").format(dropping))
    except errors.DependentObjectsStillExist as error:
        raise ReportInUse(
            "columns of the report change, and something of your own rests on them",
            where=report,
            rule=error.diag.message_detail or "",
            way_out="drop what rests on it, start again, and make it anew over the new columns",
        ) from error
    made = _make(connection, wanted, schema, report)
    for name, right, grantee in grants:
        to = SQL("PUBLIC") if grantee == "public" else Identifier(grantee)
        if name in made:
            connection.execute(SQL("GRANT {} ON {} TO {}").format(SQL(right), Identifier(report, name), to))
    return made


def _make(connection: Connection[Any], wanted: Sequence[_Public], schema: str, report: str) -> list[str]:
    """Make SQL views, each after those that it rests on; what rests on a view that is not kept is left out."""
    _look_in(connection, report)
    made: list[str] = []
    waiting = list(wanted)
    while waiting:
        left = []
        for public in waiting:
            name = Identifier(report, public.name)
            try:
                with connection.transaction():
                    # In one text, for several hundred names would each wait twice.
                    described = comments("VIEW", name, public.relation).as_bytes(connection)
                    connection.execute(_replacing(name, public.select) + b"\n;" + described, prepare=False)
                made.append(public.name)
            except errors.UndefinedTable:
                left.append(public)
            except (errors.InvalidTableDefinition, errors.InsufficientPrivilege):
                raise
            except psycopg.ProgrammingError as error:
                raise ExtensionBroken(
                    "PostgreSQL does not understand the SQL of a question",
                    where=public.name,
                    rule=_told(error),
                    way_out="mend it in the package that has it: the same text must run on SQLite and PostgreSQL",
                ) from error
        if len(left) == len(waiting):
            break
        waiting = left
    _look_in(connection, schema)
    return made


def _replacing(name: Identifier, select: bytes) -> bytes:
    return SQL("CREATE OR REPLACE VIEW {} AS ").format(name).as_bytes() + select


def _look_in(connection: Connection[Any], schema: str) -> None:
    """Find names without a schema in this one, until the transaction ends."""
    connection.execute("SELECT set_config('search_path', %s, true)", (schema,))


def listed(names: Iterable[str]) -> Composed:
    """Names between commas."""
    return SQL(", ").join(map(Identifier, names))


def declared(columns: Iterable[Column]) -> Composed:
    """Columns as a table declares them."""
    null = {True: SQL("{} {}"), False: SQL("{} {} NOT NULL")}
    return SQL(", ").join(
        null[column.nullable].format(Identifier(column.name), TYPES[column.type]) for column in columns
    )


def comments(what: Literal["TABLE", "VIEW"], name: Identifier, described: Relation) -> Composed:
    """What a table or view and its columns mean, as statements that write it into the database."""
    on_columns = [
        SQL("COMMENT ON COLUMN {}.{} IS {};").format(name, Identifier(column), Value(meaning))
        for column, meaning in described.columns.items()
    ]
    return SQL("COMMENT ON {} {} IS {};").format(SQL(what), name, Value(described.about)) + Composed(on_columns)


def ask(
    connection: Connection[Any], sql: str, limit: int | None, report: str, *, alone: bool
) -> tuple[list[str], list[Row]]:
    """Run one reading statement over the public names of a schema, in a read-only transaction that is open.

    `alone` refuses one that reads anything else: an answer about a moment must not mix in what stands now.

    Raises:
        QueryRefused: it is not one reading statement, took too long, or the database could not run it.
    """
    connection.execute(
        "SELECT set_config('search_path', %s, true), set_config('statement_timeout', %s, true),"
        " set_config('standard_conforming_strings', 'on', true)",
        (report, f"{LIMITS.query_wait_s * 1000:.0f}"),
    )
    try:
        # A declared cursor takes one SELECT and nothing else, whatever the text says.
        with connection.cursor("query") as cursor:
            cursor.execute(sql.encode())
            if alone and connection.execute(_ELSEWHERE, (report,)).fetchone():
                raise _refused("it names a schema, and what stands there is not of the moment that is asked")
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
    except (psycopg.Error, ValueError) as error:
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            raise
        raise _refused(_told(error)) from None
    return names, [tuple(map(_plain, row)) for row in rows]


def _refused(rule: str) -> QueryRefused:
    return QueryRefused(
        "the query was refused",
        rule=rule,
        way_out="send one SELECT over the views and questions; list them with: lifecircle view",
    )


def _plain(cell: Any) -> Any:
    """A numeric as SQLite would answer it, so that a question has the same answer on both databases."""
    if not isinstance(cell, Decimal):
        return cell
    return int(cell) if cell.is_finite() and cell == cell.to_integral_value() else float(cell)


def _told(error: Exception) -> str:
    state = getattr(error, "sqlstate", None) or ""
    if state == "57014":
        return f"it took more than {LIMITS.query_wait_s} s"
    # Class 42 speaks of the statement alone; other messages may quote what stands in a row.
    if state.startswith("42") and isinstance(error, psycopg.Error):
        return error.diag.message_primary or type(error).__name__
    return f"the database could not run it: {type(error).__name__}"
