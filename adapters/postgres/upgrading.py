"""Taking the steps of the schema in a PostgreSQL database, each in one transaction."""

from typing import Any

import psycopg
from psycopg import Cursor

from adapters.clock import clock_us
from adapters.postgres.datastore import in_our_words, place, sql
from adapters.schema_steps import STEPS
from adapters.settings import LIMITS

# The catalogue, for a table that is not there cannot be asked.
_THERE = "SELECT to_regclass('lifecircle.schema_steps')"
_TAKEN = "SELECT coalesce(max(step), 0), coalesce(max(oldest), 0) FROM lifecircle.schema_steps"
_TAKE = "INSERT INTO lifecircle.schema_steps (step, oldest, taken) VALUES (%s, %s, %s)"
# Two that upgrade the same log take turns; whoever appends takes other locks. Bucket -2 is none.
_ALONE = "SELECT pg_advisory_xact_lock(1818453603, -2)"


def steps_taken(cursor: Cursor[Any]) -> tuple[int, int]:
    """The last step that was taken, and the one that programs must know at least."""
    if cursor.execute(_THERE).fetchone() == (None,):
        return 0, 0
    taken, oldest = cursor.execute(_TAKEN).fetchone() or (0, 0)
    return taken, oldest


def take_steps(cursor: Cursor[Any]) -> list[int]:
    """Take the steps that are missing, in the caller's transaction; answer which."""
    taken, _ = steps_taken(cursor)
    missing = [step for step in STEPS if step > taken]
    for step in missing:
        cursor.execute(sql(f"steps/{step}.sql"))
        cursor.execute(_TAKE, (step, STEPS[step], clock_us()))
    return missing


class PostgresUpgrading:
    """How a log in a database is upgraded."""

    @staticmethod
    def upgrade(url: str) -> list[int]:
        """Take the steps that it lacks; no table is locked that is appended to."""
        try:
            with psycopg.connect(url, connect_timeout=LIMITS.postgres_connect_s) as connection:
                cursor = connection.cursor()
                cursor.execute(_ALONE)
                return take_steps(cursor)
        except psycopg.Error as error:
            if ours := in_our_words(error, place(url)):
                raise ours from error
            raise
