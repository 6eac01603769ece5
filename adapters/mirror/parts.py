"""Files of a mirror: each is filled up to a number of rows before the next one is begun."""

# pyright: reportAttributeAccessIssue=false
# Arrow makes its functions of computation as it is imported, so no checker finds them.

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adapters.mirror.columns import STREAM, WRITTEN
from adapters.mirror.manifest import Files, Manifest
from adapters.settings import LIMITS

_WRITING: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}


class Part(NamedTuple):
    """A file: its name in the manifest, and how many rows it has."""

    file: str
    rows: int


def extended(
    files: Files, dataset: Literal["touchpoints", "history"], partition: str, last: Part | None, tables: list[pa.Table]
) -> list[Part]:
    """Write tables behind the last part of a partition, or in its place where it is not full; what was written.

    What stood in its place stays on the disk until the next run, for somebody may be reading it.
    """
    if last and last.rows < LIMITS.mirror_part_rows:
        tables = [pq.ParquetFile(files.folder / last.file).read(), *tables]
    return list(_written(files, dataset, partition, pa.concat_tables(tables)))


def _written(
    files: Files, dataset: Literal["touchpoints", "history"], partition: str, table: pa.Table
) -> Iterator[Part]:
    for at in range(0, table.num_rows, LIMITS.mirror_part_rows):
        rows = table.slice(at, LIMITS.mirror_part_rows)
        name, path = files.new(dataset, partition)
        pq.write_table(rows.combine_chunks(), path, **_WRITING)
        yield Part(name, rows.num_rows)


def written_whole(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write a file table by table; how many rows it has."""
    count = 0
    with pq.ParquetWriter(path, schema, **_WRITING) as writer:
        for table in tables:
            writer.write_table(table)
            count += table.num_rows
    return count


class Replaced(NamedTuple):
    """Of the streams that were folded again: since which fold their rows count. Those before count no more."""

    streams: "pa.Array[Any]"
    since: "pa.Array[Any]"

    @classmethod
    def of(cls, since: Mapping[str, int]) -> "Replaced":
        """From what is known by stream."""
        return cls(pa.array(list(since), pa.string()), pa.array(list(since.values()), pa.int64()))

    @classmethod
    def read(cls, folder: Path, manifest: Manifest) -> "Replaced":
        """As a mirror keeps it."""
        if manifest.history.replaced is None:
            return cls.of({})
        table = pq.ParquetFile(folder / manifest.history.replaced).read()
        return cls(*(table.column(name).combine_chunks() for name in ("stream", "since")))

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        pq.write_table(pa.table({"stream": self.streams, "since": self.since}), path, **_WRITING)

    def as_dict(self) -> dict[str, int]:
        """By stream."""
        return dict(zip(self.streams.to_pylist(), self.since.to_pylist(), strict=True))

    def standing(self, table: pa.Table) -> pa.Table:
        """The rows of the history that count."""
        if not len(self.streams) or not table.num_rows:
            return table
        streams = table.column(STREAM).combine_chunks()
        # Looked up once for each different stream, and not for each row.
        since = pc.fill_null(self.since.take(pc.index_in(streams.dictionary, self.streams)), 0)
        return table.filter(pc.greater_equal(table.column(WRITTEN).combine_chunks(), since.take(streams.indices)))


def read_parts(folder: Path, files: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of files, one after the other."""
    for file in files:
        yield pq.ParquetFile(folder / file, memory_map=True).read(list(columns))
