"""What analysts meet in the views file: the public names, the data dictionary, and their one reading statement."""

import sqlite3
from collections.abc import Mapping
from time import monotonic

from adapters.settings import LIMITS
from adapters.sqlite.ddl import declared, insert, listed, quoted
from adapters.views.tables import Views, public_names
from domain.errors import QueryRefused
from projections.dictionary import DICTIONARY, Entry, entries, relations
from projections.view import Row, columns_of

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
# What SQLite says about the statement itself; its other messages may quote what stands in a row.
_ABOUT_THE_STATEMENT = ("no such", "near ", "ambiguous", "incomplete", "not authorized", "wrong number", "misuse")
_STEPS_BETWEEN_LOOKS = 10_000

# What stands in the views file for everybody to read, beside the views.
_MOMENT = "CREATE VIEW moment AS SELECT at, day, dayno FROM reference_time"


def publish(connection: sqlite3.Connection, views: Views, live: Mapping[str, str]) -> None:
    """Replace public names and questions, where their definition is another than what stands.

    Args:
        connection: in a transaction, which switches for readers when it commits.
        views: all that are kept.
        live: the table of each view that has one.
    """
    if connection.execute("SELECT names FROM reference_time").fetchone() == (public_names(views),):
        return
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
        connection.execute(f"DROP VIEW {quoted(name)}")
    connection.execute(_MOMENT)
    standing = [views[name] for name in views if name in live]
    for view in standing:
        columns, table = listed(view.columns()), quoted(live[view.name])
        connection.execute(f"CREATE VIEW {quoted(view.name)} AS SELECT {columns} FROM {table}")  # noqa: S608 - names of views only
    for question in (question for view in standing for question in view.questions):
        connection.execute(f"CREATE VIEW {quoted(question.name)} AS {question.sql}")
    described, table = columns_of(Entry), quoted(DICTIONARY.name)
    connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute(f"CREATE TABLE {table} ({', '.join(map(declared, described))}) STRICT")
    connection.executemany(insert("INSERT", table, described), entries(relations(standing)))
    connection.execute("UPDATE reference_time SET names = ?", (public_names(views),))


def ask(connection: sqlite3.Connection, sql: str, limit: int | None) -> tuple[list[str], list[Row]]:
    """Run one reading statement on a connection that is then closed.

    Raises:
        QueryRefused: it is not one reading statement, took too long, or the database could not run it.
    """
    deadline = monotonic() + LIMITS.query_wait_s
    connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY)
    connection.set_progress_handler(lambda: monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
    try:
        answer = connection.execute(sql)
        if answer.description is None:
            raise _refused("it is not a statement that reads")
        names = [described[0] for described in answer.description]
        return names, answer.fetchall() if limit is None else answer.fetchmany(limit)
    except sqlite3.Warning:
        raise _refused("it is more than one statement") from None
    except (sqlite3.Error, ValueError, OverflowError) as error:
        raise _refused(_told(error)) from None


def _refused(rule: str) -> QueryRefused:
    return QueryRefused(
        "the query was refused",
        rule=rule,
        way_out="send one SELECT over the views and questions; list them with: lifecircle view",
    )


def _told(error: Exception) -> str:
    if isinstance(error, sqlite3.OperationalError) and str(error) == "interrupted":
        return f"it took more than {LIMITS.query_wait_s} s"
    if isinstance(error, sqlite3.ProgrammingError):
        return "it is not one statement"
    if str(error).startswith(_ABOUT_THE_STATEMENT):
        return str(error)
    return "the database could not run it: " + getattr(error, "sqlite_errorname", type(error).__name__)
