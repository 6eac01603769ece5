"""Making a log in a database, and reading what the log of a database is."""

from secrets import token_bytes
from typing import Any

from psycopg import Cursor
from psycopg.rows import tuple_row
from pydantic import ValidationError

from adapters.cursor import Origin
from adapters.log import Meta
from adapters.postgres.datastore import no_log, sql
from adapters.postgres.upgrading import steps_taken, take_steps
from adapters.schema_steps import FORMAT_VERSION, checked_format, checked_steps
from domain.company import Company
from domain.errors import LogExists, LogNotWritable, NotOurLog

# One at a time: two programs that create the same log would meet in the system catalogues. Bucket 0 is none.
_LOCK = "SELECT pg_advisory_xact_lock(1818453603, 0)"

_SCHEMA_EXISTS = "SELECT 1 FROM pg_namespace WHERE nspname = 'lifecircle'"

# The catalogue, for the information schema shows an account only what it may use.
_TABLES = """
    SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('lifecircle.log')
        AND attname IN ('log_id', 'format_version', 'buckets', 'company')
"""

_META = """
    SELECT log_id, format_version, buckets,
           coalesce((SELECT company FROM lifecircle.settings ORDER BY number DESC LIMIT 1), company)
    FROM lifecircle.log
"""

_ORIGINS = "SELECT log_id, buckets, cut, ends, copied FROM lifecircle.origins ORDER BY copied DESC"

_INSERT_META = "INSERT INTO lifecircle.log (log_id, format_version, buckets, company) VALUES (%s, %s, %s, %s)"


def install(cursor: Cursor[Any], company: Company, buckets: int = 1, log_id: bytes | None = None) -> bool:
    """Make the log's tables and functions in the caller's transaction; false, and nothing done, if they are there.

    Raises:
        LogNotWritable: the database cannot keep every text.
    """
    cursor.execute(_LOCK)
    if cursor.execute(_SCHEMA_EXISTS).fetchone():
        return False
    if (encoding := cursor.connection.info.parameter_status("server_encoding")) != "UTF8":
        raise LogNotWritable(
            "this database cannot keep every text",
            where=f"database {cursor.connection.info.dbname}",
            rule=f"its encoding is {encoding}, and that of a log's database UTF8",
            way_out="make it anew: createdb --template template0 --encoding UTF8 NAME",
        )
    for name in ("schema.sql", "append.sql", "append_facts.sql", "cut.sql"):
        cursor.execute(sql(name))
    cursor.row_factory = tuple_row
    take_steps(cursor)
    cursor.execute(_INSERT_META, (log_id or token_bytes(16), FORMAT_VERSION, buckets, company.model_dump_json()))
    return True


def read_meta(cursor: Cursor[Any], where: str) -> Meta:
    """What the log of this database is.

    Raises:
        LogNotFound: there is none.
        NotOurLog: something else stands in its place.
        NewerLog, OlderLog, OlderSchema: another version of lifecircle wrote it.
    """
    cursor.row_factory = tuple_row
    if not cursor.execute(_SCHEMA_EXISTS).fetchone():
        raise no_log(where)
    row = None
    if cursor.execute(_TABLES).fetchone() == (4,):
        row = cursor.execute(_META).fetchone()
    if row is None:
        raise _foreign(where)
    log_id, format_version, buckets, company = row
    checked_format(format_version, where)
    checked_steps(*steps_taken(cursor), where)
    try:
        settings = Company.model_validate_json(company)
    except ValidationError as error:
        raise _foreign(where) from error
    return Meta(bytes(log_id), buckets, settings, tuple(map(Origin.read, cursor.execute(_ORIGINS))))


def log_exists(where: str) -> LogExists:
    """The error for a database that holds a log already."""
    return LogExists("this database holds a log already", where=where, way_out="open it, or choose another database")


def _foreign(where: str) -> NotOurLog:
    return NotOurLog(
        "schema lifecircle of this database holds something else than a log",
        where=where,
        way_out="choose another database, or move what stands in that schema",
    )
