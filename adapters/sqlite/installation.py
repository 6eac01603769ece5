"""Making a log in a file, and reading what the log in a file is."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from adapters.addresses import SQLiteAddress, read_sqlite_url
from adapters.cursor import Origin
from adapters.log import Meta
from adapters.schema_steps import FORMAT_VERSION, checked_format, checked_steps
from adapters.settings import LIMITS
from adapters.sqlite.datastore import connect, explained
from adapters.sqlite.recorder import statements_of
from adapters.sqlite.upgrading import steps_taken, take_steps
from domain.company import Company
from domain.errors import LogExists, LogNotFound, LogNotWritable, NotOurLog

_OURS = 0x4C434531
"""`LCE1`: the application id in the header of every file of ours."""

_CREATE = "INSERT INTO log (only_row, log_id, format_version, buckets, company) VALUES (1, ?, ?, ?, ?)"

_OPEN = """
    SELECT log_id, format_version, buckets,
           coalesce((SELECT company FROM settings ORDER BY number DESC LIMIT 1), company)
    FROM log
"""

_ORIGINS = "SELECT log_id, buckets, cut, ends, copied FROM origins ORDER BY copied DESC"


@contextmanager
def making(url: str, company: Company, buckets: int, log_id: bytes | None = None) -> Iterator[sqlite3.Connection]:
    """Make a log in the transaction of a connection: at the end of the block it is there, or after an error not.

    Raises:
        LogExists: the file is a log already.
        NotOurLog: the file is something else.
        LogNotWritable: the address or the file is read-only, or the disk is full.
        LogUnavailable: the folder does not exist, or may not be entered.
    """
    address = read_sqlite_url(url)
    if address.read_only:
        raise LogNotWritable("a log cannot be made read-only", where=str(address.path), way_out="leave out mode=ro")
    if address.path.exists():
        try:
            read_meta(address)
        except LogNotFound:
            pass  # an empty file: what an interrupted creation leaves, or mktemp
        else:
            raise _exists(address.path)
    with explained(address.path), connected(address.uri.replace("mode=rw", "mode=rwc")) as connection:
        connection.execute("PRAGMA page_size = 8192")  # most touchpoints fit into a quarter of it, so into the tree
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA application_id").fetchone()[0]:
            raise _exists(address.path)
        for statement in (*statements_of("schema.sql"), *statements_of("library.sql")):
            connection.execute(statement)
        take_steps(connection)
        made = (log_id or secrets.token_bytes(16), FORMAT_VERSION, buckets, company.model_dump_json())
        connection.execute(_CREATE, made)
        connection.execute(f"PRAGMA application_id = {_OURS:d}")
        yield connection
        connection.execute("COMMIT")


def read_meta(address: SQLiteAddress) -> Meta:
    """What the log in a file is.

    Raises:
        LogNotFound: there is no file, or an empty one.
        NotOurLog: the file is something else.
        NewerLog, OlderLog, OlderSchema: another version of lifecircle wrote it.
        LogUnavailable: the file may not be opened.
    """
    where = str(address.path)
    if not address.path.exists():
        raise LogNotFound("there is no log at this address", where=where, way_out="make one: lifecircle init")
    if address.path.is_dir():
        raise NotOurLog("this is a folder, not a log", where=where, way_out="name the file in it")
    # Looked at before it is treated as ours: another program's file must stay as it is.
    with explained(address.path), connected(address.uri) as connection:
        if (owner := connection.execute("PRAGMA application_id").fetchone()[0]) != _OURS:
            if not owner and not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise LogNotFound("the file is empty", where=where, way_out="make a log in it: lifecircle init")
            raise NotOurLog("this database holds something else", where=where, way_out="check the log's address")
        log_id, format_version, buckets, company = connection.execute(_OPEN).fetchone()
        origins = connection.execute(_ORIGINS).fetchall()
        steps = steps_taken(connection)
    checked_format(format_version, where)
    checked_steps(*steps, where)
    return Meta(log_id, buckets, Company.model_validate_json(company), tuple(map(Origin.read, origins)))


@contextmanager
def connected(uri: str) -> Iterator[sqlite3.Connection]:
    """A connection of its own to a file, which ends with the block."""
    with closing(connect(uri, LIMITS.sqlite_lock_timeout_s)) as connection:
        yield connection


def _exists(path: Path) -> LogExists:
    return LogExists(
        "there is a log at this address already",
        where=str(path),
        way_out="use it as it is, or give the new one another address",
    )
