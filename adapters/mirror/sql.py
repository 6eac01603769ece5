"""SQL over a mirror: DuckDB in memory, with a view for each dataset; it reads the mirror's files and nothing else."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import duckdb
import pyarrow as pa

from adapters.extensions import load_extensions
from adapters.mirror.columns import PLAIN, TOUCHPOINT_SCHEMA, WRITTEN, history_schema, view_schema
from adapters.mirror.manifest import Manifest, read_manifest
from adapters.settings import LIMITS
from domain.errors import QueryRefused
from projections import views

KINDS_SCHEMA = "kinds"
"""Where the views of single kinds stand; the search path leads there too."""

_CONFIG: dict[str, Any] = {"autoload_known_extensions": "false", "autoinstall_known_extensions": "false"}
_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)

# Of streams that were folded again, only the rows since then count.
_STANDING = """
CREATE VIEW {name} AS SELECT {columns}
FROM read_parquet({files}, union_by_name = true, hive_partitioning = false) AS h
LEFT JOIN {replaced} AS r ON r.stream = h.stream
WHERE h.{written} >= coalesce(r.since, 0)
"""
_WHOLE = "CREATE VIEW {name} AS SELECT * FROM read_parquet({files}, hive_partitioning = false)"


class MirrorSql:
    """A mirror, open for questions. Single reading statements only."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
        self._connection = connection
        self.manifest = manifest

    def ask(self, sql: str, limit: int | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one reading statement; answer its column names and at most `limit` rows.

        Raises:
            QueryRefused: it is not one reading statement, took too long, or DuckDB could not run it.
        """
        stop = Timer(LIMITS.query_wait_s, self._connection.interrupt)
        stop.start()
        try:
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type not in _READING:
                raise QueryRefused(
                    "this is not one reading statement",
                    where="SQL",
                    rule="a mirror is read only: one SELECT, DESCRIBE, SHOW or EXPLAIN at a time",
                    way_out="write one SELECT, perhaps with WITH",
                )
            self._connection.execute(statements[0])
            names = [str(column[0]) for column in self._connection.description or ()]
            rows = self._connection.fetchall() if limit is None else self._connection.fetchmany(limit)
        except duckdb.InterruptException:
            raise QueryRefused(
                "the query took too long",
                where="SQL",
                rule=f"it runs for at most {LIMITS.query_wait_s:g} s",
                way_out="ask for less at once",
            ) from None
        except duckdb.Error as error:
            raise QueryRefused(
                "DuckDB could not run this",
                where="SQL",
                rule=_told(error),
                way_out="see what is there with: SELECT * FROM dictionary",
            ) from None
        finally:
            stop.cancel()
        return names, rows


def _told(error: duckdb.Error) -> str:
    """What is wrong with a statement; of values that it met, only what sort of error they made."""
    about_the_statement = (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException)
    if isinstance(error, (*about_the_statement, duckdb.PermissionException)):
        return str(error).partition("\n")[0]
    return type(error).__name__


@contextmanager
def open_sql(folder: Path) -> Iterator[MirrorSql]:
    """Open a mirror for questions: no network, no other files, no extensions, nothing is written.

    Raises:
        MirrorUnusable: there is none, or it is damaged, or newer.
    """
    load_extensions()  # their kinds have columns too
    manifest = read_manifest(folder)
    with duckdb.connect(config=_CONFIG) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files = [str((folder / name).absolute()) for name in sorted(manifest.named())]
        connection.execute(f"SET allowed_paths = {_list(files)}")
        connection.execute("SET enable_external_access = false")
        _make_views(connection, folder.absolute(), manifest)
        connection.execute(f"SET search_path = 'main,{KINDS_SCHEMA}'")
        connection.execute("SET lock_configuration = true")
        yield MirrorSql(connection, manifest)


def _make_views(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest) -> None:
    connection.execute(f"CREATE SCHEMA {KINDS_SCHEMA}")
    history = manifest.history
    if history.replaced:
        connection.execute(_WHOLE.format(name="replaced_streams", files=_list([str(folder / history.replaced)])))
    else:
        connection.execute("CREATE TABLE replaced_streams (stream VARCHAR, since BIGINT)")
    meanings = _Meanings()
    _make(connection, "touchpoints", TOUCHPOINT_SCHEMA, [folder / part.file for part in manifest.touchpoints])
    meanings.add("touchpoints", TOUCHPOINT_SCHEMA)
    files: dict[str, list[Path]] = {}
    for part in history.parts:
        files.setdefault(part.kind, []).append(folder / part.file)
    plain = history_schema("")
    _make(connection, "history", plain, [path for paths in files.values() for path in paths], PLAIN)
    meanings.add("history", plain)
    for kind, paths in sorted(files.items()):
        schema = history_schema(kind)
        # What the files have, for they may be of another version than this program.
        _make(connection, f"{KINDS_SCHEMA}.{_quoted(kind)}", schema, paths, ())
        meanings.add(kind, schema)
    known = views()
    for view in manifest.views:
        connection.execute(_WHOLE.format(name=_quoted(view.view), files=_list([str(folder / view.file)])))
        if view.view in known:
            meanings.add(view.view, view_schema(known[view.view].columns()))
    connection.register("dictionary_columns", meanings.table())
    connection.execute("CREATE TABLE dictionary AS SELECT * FROM dictionary_columns")
    connection.unregister("dictionary_columns")


def _make(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    schema: pa.Schema,
    paths: Sequence[Path],
    columns: Sequence[str] | None = None,
) -> None:
    """A view over files of touchpoints or, where columns are named (none for all), of history; or an empty table."""
    if not paths:
        connection.register("none_yet", schema.empty_table())
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM none_yet")  # noqa: S608 - a name of ours
        connection.unregister("none_yet")
        return
    listed = _list([str(path) for path in paths])
    if columns is None:
        connection.execute(_WHOLE.format(name=name, files=listed))
        return
    chosen = ", ".join(f"h.{_quoted(column)}" for column in columns) or f"h.* EXCLUDE ({WRITTEN})"
    connection.execute(
        _STANDING.format(name=name, columns=chosen, files=listed, replaced="replaced_streams", written=WRITTEN)
    )


class _Meanings:
    """What the columns of all views mean."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, int, str, str]] = []

    def add(self, relation: str, schema: pa.Schema) -> None:
        for place, field in enumerate(schema, start=1):
            if field.name != WRITTEN:
                self._rows.append((relation, place, field.name, field.metadata[b"meaning"].decode()))

    def table(self) -> pa.Table:
        columns = zip(*self._rows, strict=True)
        return pa.table(dict(zip(("relation", "place", "column_name", "meaning"), map(list, columns), strict=True)))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join("'" + text.replace("'", "''") + "'" for text in texts) + "]"
