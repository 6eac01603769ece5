"""What columns the files of a mirror have, and how they are filled."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import cache
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from adapters.log import Stored
from domain.company import Company
from domain.flat import ATTRIBUTES, Flat, Sort, flat_fields
from domain.touchpoint import KINDS, Fact
from projections.view import Column as ViewColumn
from projections.view import Row

INSTANT = pa.timestamp("us", "UTC")
WORD = pa.dictionary(pa.int32(), pa.string())
"""A text that comes again and again."""

TYPES: dict[Sort, pa.DataType] = {
    Sort.TEXT: WORD,
    Sort.INTEGER: pa.int64(),
    Sort.NUMBER: pa.float64(),
    Sort.FLAG: pa.bool_(),
    Sort.MICROS: pa.int64(),
    Sort.DAY: pa.date32(),
    Sort.MOMENT: INSTANT,
    Sort.JSON: pa.string(),
}


class Column(NamedTuple):
    """A column of the touchpoints as recorded, or of the history."""

    name: str
    type: pa.DataType
    meaning: str


TOUCHPOINT: tuple[Column, ...] = (
    Column("bucket", pa.int32(), "the bucket of its position"),
    Column("number", pa.int64(), "the number of its position"),
    Column("stream", WORD, "the subject that it is stored under"),
    Column("version", pa.int64(), "its place in that stream, from 1"),
    Column("kind", WORD, "the kind"),
    Column("id", pa.string(), "the producer's id"),
    Column("source", WORD, "the producing system"),
    Column("occurred", INSTANT, "when it occurred, as given"),
    Column("recorded", INSTANT, "when it was recorded"),
    Column("recordedby", WORD, "the principal who was authenticated"),
    Column("state", pa.binary(), "the stored bytes: the producer's whole envelope as JSON"),
)
"""The columns of touchpoints as they were recorded: all that the log has of them."""

SUBJECT, AT, SEQUENCE, STREAM, VERSION, WRITTEN = "subject", "occurred", "sequence", "stream", "version", "written"
ORDER = (SUBJECT, AT, SEQUENCE, STREAM, VERSION)
"""Whose history it is, and the order in it."""

_HISTORY: tuple[tuple[Column, Callable[[str, Fact], Any]], ...] = (
    (Column(SUBJECT, WORD, "the customer whose history it is: after merges, the survivor"), lambda root, _: root),
    (Column("kind", WORD, "the kind"), lambda _, fact: fact.kind),
    (Column(AT, INSTANT, "when it occurred, as corrected"), lambda _, fact: fact.at),
    (Column("dated", pa.bool_(), "whether only the calendar date of it counts"), lambda _, fact: fact.is_date),
    (Column(SEQUENCE, pa.int64(), "the producer's order among equal times"), lambda _, fact: fact.sequence),
    (Column(STREAM, WORD, "the subject that it is stored under"), lambda _, fact: fact.stream),
    (Column(VERSION, pa.int64(), "its place in that stream, from 1"), lambda _, fact: fact.version),
    (Column("id", pa.string(), "the producer's id"), lambda _, fact: fact.id),
    (Column("bucket", pa.int32(), "the bucket of its position"), lambda _, fact: fact.bucket),
    (Column("number", pa.int64(), "the number of its position"), lambda _, fact: fact.number),
    (Column("recorded", INSTANT, "when it was recorded"), lambda _, fact: fact.recorded),
)
_DAY = Column("day", pa.date32(), "the calendar day of it, in the company's zone")
_WRITTEN = Column(WRITTEN, pa.int64(), "the fold that wrote the row")

PLAIN = (*(column.name for column, _ in _HISTORY), _DAY.name, *(each.name for each in ATTRIBUTES))
"""The columns that the history of every kind has."""


def fields_of(kind: str) -> tuple[Flat, ...]:
    """The columns of a kind's payload; none of one that is not installed here."""
    known = KINDS.get(kind)
    return flat_fields(known) if known else ()


@cache
def history_schema(kind: str) -> pa.Schema:
    """The columns of the history of one kind."""
    told = [column for column, _ in _HISTORY]
    told.append(_DAY)
    told += [Column(each.name, TYPES[each.sort], "as the producer gave it") for each in ATTRIBUTES]
    told += [Column(each.name, TYPES[each.sort], "a field of the kind") for each in fields_of(kind)]
    return _schema([*told, _WRITTEN])


def _schema(columns: Iterable[Column]) -> pa.Schema:
    return pa.schema([pa.field(each.name, each.type, metadata={"meaning": each.meaning}) for each in columns])


TOUCHPOINT_SCHEMA = _schema(TOUCHPOINT)


def touchpoint_table(rows: Sequence[Stored]) -> pa.Table:
    """Touchpoints as they were recorded, as columns."""
    arrays = [_array(TOUCHPOINT_SCHEMA.field(place).type, cells) for place, cells in enumerate(zip(*rows, strict=True))]
    return pa.Table.from_arrays(arrays, schema=TOUCHPOINT_SCHEMA)


def history_table(kind: str, rows: Sequence[tuple[str, Fact]], company: Company, written: int) -> pa.Table:
    """Facts of one kind, each with the root of its family, as columns."""
    facts = [fact for _, fact in rows]
    cells: list[Iterable[Any]] = [[read(root, fact) for root, fact in rows] for _, read in _HISTORY]
    cells.append([_ordinal(company, fact) for fact in facts])
    cells += [_cells(each, facts) for each in (*ATTRIBUTES, *fields_of(kind))]
    cells.append([written] * len(rows))
    schema = history_schema(kind)
    return pa.Table.from_arrays([_array(*pair) for pair in zip(schema.types, cells, strict=True)], schema=schema)


def _ordinal(company: Company, fact: Fact) -> int:
    return _days(company.day(fact))


_EPOCH = date(1970, 1, 1).toordinal()


@cache
def _days(day: str) -> int:
    return date.fromisoformat(day).toordinal() - _EPOCH


def _cells(flat: Flat, facts: Sequence[Fact]) -> list[Any]:
    read = flat.read
    if flat.sort is Sort.JSON:
        return [None if (value := read(fact)) is None else orjson.dumps(value).decode() for fact in facts]
    return [read(fact) for fact in facts]


def _array(type_: pa.DataType, cells: Iterable[Any]) -> "pa.Array[Any]":
    found = list(cells)
    if pa.types.is_dictionary(type_):
        return pa.array(found, pa.string()).dictionary_encode().cast(type_)
    if pa.types.is_date32(type_) and any(isinstance(each, int) for each in found[:1]):
        return pa.array(found, pa.int32()).cast(type_)
    return pa.array(found, type_)


def view_schema(columns: Sequence[ViewColumn]) -> pa.Schema:
    """The columns of a view's table; names that end in `_at` are instants."""
    return _schema(Column(each.name, _view_type(each), each.comment) for each in columns)


def _view_type(column: ViewColumn) -> pa.DataType:
    if column.type is int:
        return INSTANT if column.name == "at" or column.name.endswith("_at") else pa.int64()
    return pa.float64() if column.type is float else WORD


def view_table(schema: pa.Schema, rows: Sequence[Row]) -> pa.Table:
    """Rows of a view as columns."""
    columns = zip(schema.types, zip(*rows, strict=True), strict=True)
    return pa.Table.from_arrays([_array(*each) for each in columns], schema=schema)
