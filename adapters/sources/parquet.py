"""Parquet: typed columns as cells, batch by batch, in flat memory.

A null is an empty cell. Exact decimals keep their digits; a float is read as its shortest decimal. Times keep their
zone, to the microsecond. Lists, structures and maps are no columns.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.extras import need
from adapters.settings import LIMITS
from adapters.sources.readers import MARKED, UNDECODABLE, Row, Source, damaged
from domain.errors import UnreadableInput

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


class ParquetFile(Source):
    """A Parquet file. Its first reading unpacks every page, for damage may lie anywhere.

    Raises:
        ExtraMissing: pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        need("arrow", "reading Parquet", where=str(path))
        self._read = 0
        super().__init__(path)

    @property
    def read_bytes(self) -> int:
        """How far into the file reading has come, by its share of rows."""
        return self._read

    def _checked(self) -> tuple[str, ...]:
        import pyarrow as pa

        if self._gzipped:
            raise UnreadableInput(
                "the Parquet file is gzipped",
                where=str(self.path),
                rule="Parquet is compressed within, and read from its end",
                way_out="unpack it with gzip -d",
            )
        try:
            with self._file_of() as file:
                kept = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
                if len(kept) <= LIMITS.import_columns_max:
                    for _ in self._batches(file):
                        pass
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            rule = "its footer and every page of it can be read and have the checksums that they state"
            raise damaged(self.path, rule) from None
        if not kept:
            raise UnreadableInput(
                "the Parquet file has no column of plain values",
                where=str(self.path),
                rule="lists, structures and maps are no columns",
                way_out="write what they hold as columns",
            )
        return tuple(kept)

    def _file_of(self) -> "pq.ParquetFile":
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.path, page_checksum_verification=True, pre_buffer=False)

    @staticmethod
    def _batches(file: "pq.ParquetFile") -> "Iterator[pa.RecordBatch]":
        yield from file.iter_batches(LIMITS.import_batch_rows)

    def rows(self) -> Iterator[Row]:
        """Every row."""
        number = 0
        with self._file_of() as file:
            places = [file.schema_arrow.names.index(name) for name in self.columns]
            total = max(file.metadata.num_rows, 1)
            for batch in self._batches(file):
                columns = [list(_cells(batch.column(place))) for place in places]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield Row(number, cells, "", _flaw(cells))
                self._read = self.size_bytes * number // total


def _flaw(cells: tuple[str, ...]) -> str | None:
    text = "".join(cells)
    if "\0" in text:
        return "text holds no NUL character"
    return "the text is utf-8" if not text.isascii() and UNDECODABLE.search(text) else None


def _cells(column: "pa.Array[Any]") -> Iterator[str]:
    """A column's values as the cells of a text file would have them."""
    import pyarrow as pa

    form, types = column.type, pa.types
    if types.is_dictionary(form):
        column, form = column.dictionary_decode(), form.value_type
    if types.is_null(form):
        return repeat("", len(column))
    if types.is_timestamp(form):
        # Python's times, and the log's, end at the microsecond.
        column = column.cast(pa.timestamp("us", form.tz), safe=False)
    elif types.is_time64(form):
        column = column.cast(pa.time64("us"), safe=False)
    elif types.is_floating(form):
        # Arrow writes the shortest decimal of each width; Python would write a narrow float as a wide one.
        return ("" if text is None else f"{Decimal(text):f}" for text in column.cast(pa.string()).to_pylist())
    elif types.is_string(form) or types.is_large_string(form) or types.is_string_view(form):
        # As bytes, for a text that is not UTF-8 must not cost the rows around it.
        column = column.cast(pa.large_binary() if types.is_large_string(form) else pa.binary())
    return ("" if value is None else _TEXT.get(type(value), str)(value) for value in _values(column))


def _values(column: "pa.Array[Any]") -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, LookupError):
        # A day beyond Python's calendar, or a zone that nobody knows: only what cannot be read shall suffer.
        return [_value(scalar) for scalar in column]
    return values


def _value(scalar: "pa.Scalar[Any]") -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, LookupError):
        return BEYOND


BEYOND = "beyond the calendar"
"""Stands in a cell for a time that no calendar here has."""


def _iso(value: date | datetime | time) -> str:
    return value.isoformat()


_TEXT: dict[type, Callable[[Any], str]] = {
    bytes: lambda value: value.decode("utf-8", MARKED),
    bool: lambda value: "true" if value else "false",
    Decimal: lambda value: f"{value:f}",
    date: _iso,
    datetime: _iso,
    time: _iso,
}
"""How a value of a type is written; every other type as Python writes it."""
