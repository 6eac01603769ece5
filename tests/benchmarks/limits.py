"""What the machine, the databases and plain drivers can do: the limits that stand above every ratio."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.sql import Identifier

from adapters.codec import draft_of
from adapters.engine import Engine
from tests.benchmarks.appends import BATCH
from tests.benchmarks.ground import Site
from tests.benchmarks.imports import OURS, copy_rate, into_ours
from tests.benchmarks.measures import rate
from tests.benchmarks.touchpoints import envelopes

_UNINDEXED = """
    CREATE TABLE bare (bucket int, number bigint, stream text, version bigint, kind text, id text, source text,
                       occurred bigint, recorded bigint, recordedby text, state bytea)
"""

_ROW = "bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state"
_ONE = f"INSERT INTO lifecircle.touchpoints ({_ROW}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
_ARRAYS = f"""
    INSERT INTO lifecircle.touchpoints ({_ROW}) SELECT * FROM unnest(
        %b::int[], %b::bigint[], %b::text[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::bigint[],
        %b::bigint[], %b::text[], %b::bytea[])
"""
_COPY = f"COPY lifecircle.touchpoints ({_ROW}) FROM STDIN"
_SQLITE_ONE = f"INSERT INTO touchpoints ({_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

Rows = Sequence[tuple[Any, ...]]


@cache
def rows(count: int) -> Rows:
    """Ready rows of the log."""
    versions: dict[str, int] = {}
    made: list[tuple[Any, ...]] = []
    for number, draft in enumerate((draft_of(envelope, "bench") for envelope in envelopes(count)), 1):
        versions[draft.stream] = version = versions.get(draft.stream, 0) + 1
        named = (draft.kind, draft.id, draft.source, draft.occurred, 1, draft.recordedby, draft.state)
        made.append((1, number, draft.stream, version, *named))
    return made


def disk(site: Site) -> dict[str, float]:
    """What one appender can do who waits for the disk: write and fsync, and PostgreSQL's smallest commit."""
    count = site.sizes.commits
    handle = os.open(site.file("fsync", Path.touch), os.O_WRONLY | os.O_APPEND)
    try:

        def synced() -> None:
            for _ in range(count):
                os.write(handle, b"x" * 400)
                os.fsync(handle)

        syncs = rate(count, synced)
    finally:
        os.close(handle)
    with psycopg.connect(site.fresh(), autocommit=True) as connection:
        connection.execute("CREATE TABLE smallest (number int)")
        insert = "INSERT INTO smallest VALUES (1)"
        commits = rate(count, lambda: [connection.execute(insert, prepare=True) for _ in range(count)])
    return {"disk_fsync_per_s": syncs, "pg_commit_per_s": commits}


def copies(site: Site) -> dict[str, float]:
    """COPY of ready rows into a table without an index, and into the log's own."""
    count = site.sizes.copied

    def unindexed(url: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute(_UNINDEXED)

    ours = copy_rate(site, count, OURS, into_ours)
    return {"copy_unindexed_per_s": copy_rate(site, count, Identifier("bare"), unindexed), "copy_ours_per_s": ours}


def psycopg_ways(site: Site) -> dict[str, float]:
    """Batches of 1,000 ready rows into the log's own table by a plain driver, each a transaction."""
    ways: dict[str, Callable[[Connection[Any], Rows], object]] = {
        "psycopg_executemany_per_s": lambda connection, batch: connection.cursor().executemany(_ONE, batch),
        "psycopg_unnest_per_s": lambda connection, batch: connection.execute(
            _ARRAYS, [list(column) for column in zip(*batch, strict=True)], prepare=True
        ),
        "psycopg_copy_per_s": _copy,
    }
    found = {}
    for key, way in ways.items():
        url = site.fresh()
        into_ours(url)
        with psycopg.connect(url) as connection:
            found[key] = rate(site.sizes.batches * BATCH, partial(_in_batches, site, connection, way))
    return found


def _copy(connection: Connection[Any], batch: Rows) -> None:
    with connection.cursor().copy(_COPY) as copy:
        for row in batch:
            copy.write_row(row)


def _in_batches(site: Site, connection: Connection[Any], way: Callable[[Connection[Any], Rows], object]) -> None:
    ready = rows(site.sizes.batches * BATCH)
    for at in range(0, len(ready), BATCH):
        with connection.transaction():
            way(connection, ready[at : at + BATCH])


def sqlite_ways(site: Site) -> dict[str, float]:
    """Ready rows into the log's own SQLite table by the plain driver: one by one, and in batches of 1,000."""
    found = {}
    for key, size, count in (
        ("sqlite3_1_per_s", 1, site.sizes.alone),
        ("sqlite3_1000_per_s", BATCH, site.sizes.batches * BATCH),
    ):
        url = site.fresh()
        Engine.create(url).close()
        ready = rows(count)
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript("PRAGMA journal_mode = wal; PRAGMA synchronous = full")

            def inserted(connection: sqlite3.Connection = connection, size: int = size, ready: Rows = ready) -> None:
                for at in range(0, len(ready), size):
                    with connection:
                        connection.executemany(_SQLITE_ONE, ready[at : at + size])

            found[key] = rate(count, inserted)
    return found


def analysis(site: Site) -> dict[str, float]:
    """DuckDB and polars over typed Parquet: the aggregation that the three views come down to."""
    import duckdb
    import polars as pl

    count = site.sizes.rebuild
    path = site.file(f"touchpoints-{count}.parquet", partial(_parquet, count))

    def by_duckdb() -> None:
        with duckdb.connect() as connection:
            for question in _DUCKDB:
                connection.execute(question, [str(path)]).fetchall()

    def by_polars() -> None:
        deal, day = pl.col("opportunity"), pl.col("day")
        told = pl.scan_parquet(path)
        contacts = told.group_by("subject", "kind").agg(pl.len(), day.min().alias("first"), day.max().alias("last"))
        deals = told.filter(deal.is_not_null()).sort("number").group_by("subject", "opportunity").last()
        spent = told.filter(pl.col("kind") == "OrderPlaced").group_by("subject")
        loyalty = spent.agg(pl.len(), pl.col("gross").sum(), day.max().alias("last"))
        pl.collect_all([contacts, deals, loyalty])

    by_duckdb()  # their libraries are loaded, their threads made
    by_polars()
    return {"duckdb_three_views_per_s": rate(count, by_duckdb), "polars_three_views_per_s": rate(count, by_polars)}


_DUCKDB = (
    "SELECT subject, kind, count(*), min(day), max(day) FROM read_parquet(?) GROUP BY ALL",
    """SELECT subject, opportunity, arg_max(kind, number), arg_max(day, number) FROM read_parquet(?)
       WHERE opportunity IS NOT NULL GROUP BY ALL""",
    """SELECT subject, count(*), sum(gross), max(day) FROM read_parquet(?) WHERE kind = 'OrderPlaced'
       GROUP BY ALL""",
)


def _parquet(count: int, path: Path) -> None:
    import polars as pl

    frames = []
    columns: dict[str, list[Any]] = {name: [] for name in ("number", "subject", "kind", "day", "opportunity", "gross")}

    def cut() -> None:
        frames.append(pl.DataFrame(columns, schema_overrides={"opportunity": pl.String, "gross": pl.Int64}))
        for column in columns.values():
            column.clear()

    for number, envelope in enumerate(envelopes(count), 1):
        data = envelope.data
        total = getattr(data, "total", None)
        row = (number, envelope.subject, envelope.type, envelope.time.date(), getattr(data, "opportunity", None))
        for column, cell in zip(columns.values(), (*row, total.micros if total else None), strict=True):
            column.append(cell)
        if number % 100_000 == 0:
            cut()
    if columns["number"]:
        cut()
    pl.concat(frames).write_parquet(path)
