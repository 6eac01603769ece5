"""What analysts may ask of the views file: one reading statement."""

import sqlite3
from time import monotonic

from adapters.settings import LIMITS
from domain.errors import QueryRefused
from projections.view import Row

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
# What SQLite says about the statement itself; its other messages may quote what stands in a row.
_ABOUT_THE_STATEMENT = ("no such", "near ", "ambiguous", "incomplete", "not authorized", "wrong number", "misuse")
_STEPS_BETWEEN_LOOKS = 10_000


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
