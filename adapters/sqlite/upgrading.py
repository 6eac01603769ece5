"""Taking the steps of the schema in a SQLite file, each in one transaction."""

import sqlite3
from contextlib import closing

from adapters.addresses import read_sqlite_url
from adapters.clock import clock_us
from adapters.schema_steps import STEPS
from adapters.settings import LIMITS
from adapters.sqlite.datastore import connect, explained
from adapters.sqlite.recorder import statements_of

_THERE = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_steps'"
_TAKEN = "SELECT coalesce(max(step), 0), coalesce(max(oldest), 0) FROM schema_steps"
_TAKE = "INSERT INTO schema_steps (step, oldest, taken) VALUES (?, ?, ?)"


def steps_taken(connection: sqlite3.Connection) -> tuple[int, int]:
    """The last step that was taken, and the one that programs must know at least."""
    if not connection.execute(_THERE).fetchone()[0]:
        return 0, 0
    taken, oldest = connection.execute(_TAKEN).fetchone()
    return taken, oldest


def take_steps(connection: sqlite3.Connection) -> list[int]:
    """Take the steps that are missing, in the caller's transaction; answer which."""
    taken, _ = steps_taken(connection)
    missing = [step for step in STEPS if step > taken]
    for step in missing:
        for statement in statements_of(f"steps/{step}.sql"):
            connection.execute(statement)
        connection.execute(_TAKE, (step, STEPS[step], clock_us()))
    return missing


class SQLiteUpgrading:
    """How a log in a file is upgraded."""

    @staticmethod
    def upgrade(url: str) -> list[int]:
        """Take the steps that it lacks; who appends waits no longer than for another append."""
        address = read_sqlite_url(url)
        with explained(address.path), closing(connect(address.uri, LIMITS.sqlite_lock_timeout_s)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            missing = take_steps(connection)
            connection.execute("COMMIT")
        return missing
