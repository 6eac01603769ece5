"""Columns of an append, or of rows of views that changed, as binary arrays.

psycopg picks the array's type by the values in it (int2, int4, int8), so the same statement would be prepared many
times; and it dumps item by item through its type map, which costs more than the insert itself in large batches.
"""

from struct import Struct, pack, unpack_from
from typing import Any, ClassVar

from psycopg import Connection
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_INTEGER = Struct(">ii").pack
_BIGINT = Struct(">iq").pack
_DOUBLE = Struct(">id").pack
_NULL = b"\xff\xff\xff\xff"


class Array(list[Any]):
    """A column; None is null."""


class Integers(Array):
    """integer[]."""


class Bigints(Array):
    """bigint[]."""


class Doubles(Array):
    """double precision[]."""


class Texts(Array):
    """text[]."""


class Names(Texts):
    """text[] of few different texts, none of them null."""


class Blobs(Array):
    """bytea[]."""


class _ArrayDumper(Dumper):
    format = Format.BINARY
    element_oid: ClassVar[int]

    def dump(self, obj: Array) -> Buffer | None:
        if not obj:
            return pack(">iiI", 0, 0, self.element_oid)
        # One dimension, no flags, lower bound 1.
        return b"".join([pack(">iiIii", 1, 0, self.element_oid, len(obj), 1), *self.items(obj)])

    def items(self, column: Array) -> list[bytes]:
        """The items in order, each with its length before it."""
        raise NotImplementedError


class _IntegersDumper(_ArrayDumper):
    oid, element_oid = 1007, 23

    def items(self, column: Array) -> list[bytes]:
        if None not in column:
            # Each with its length before it, all in one call.
            words = [4] * (2 * len(column))
            words[1::2] = column
            return [pack(f">{len(words)}i", *words)]
        return [_NULL if item is None else _INTEGER(4, item) for item in column]


class _BigintsDumper(_ArrayDumper):
    oid, element_oid = 1016, 20

    def items(self, column: Array) -> list[bytes]:
        return [_NULL if item is None else _BIGINT(8, item) for item in column]


class _DoublesDumper(_ArrayDumper):
    oid, element_oid = 1022, 701

    def items(self, column: Array) -> list[bytes]:
        return [_NULL if item is None else _DOUBLE(8, item) for item in column]


class _TextsDumper(_ArrayDumper):
    oid, element_oid = 1009, 25

    def items(self, column: Array) -> list[bytes]:
        return [_NULL if item is None else len(raw := item.encode()).to_bytes(4) + raw for item in column]


class _NamesDumper(_TextsDumper):
    def items(self, column: Array) -> list[bytes]:
        packed = {name: len(raw := name.encode()).to_bytes(4) + raw for name in set(column)}
        return [packed[name] for name in column]


class _BlobsDumper(_ArrayDumper):
    oid, element_oid = 1001, 17

    def items(self, column: Array) -> list[bytes]:
        return [_NULL if item is None else len(item).to_bytes(4) + item for item in column]


_DUMPERS: dict[type[Array], type[_ArrayDumper]] = {
    Integers: _IntegersDumper,
    Bigints: _BigintsDumper,
    Doubles: _DoublesDumper,
    Texts: _TextsDumper,
    Names: _NamesDumper,
    Blobs: _BlobsDumper,
}


_PACKERS = {column: dumper(column) for column, dumper in _DUMPERS.items()}


def register(connection: Connection[Any]) -> None:
    """Let a connection take these columns as parameters."""
    for column, dumper in _DUMPERS.items():
        connection.adapters.register_dumper(column, dumper)


def packed(column: Array) -> Buffer | None:
    """A column as the driver's own queries would send it."""
    return _PACKERS[type(column)].dump(column)


def type_id(column: Array) -> int:
    """The id of a column's type, as the driver's own queries would tell it."""
    return _PACKERS[type(column)].oid


def bigints(raw: bytes) -> tuple[int, ...]:
    """Read a bigint[] of one dimension without nulls, as the server sends it in binary form."""
    count = unpack_from(">i", raw, 12)[0] if len(raw) > 12 else 0  # after dimensions, flags and type
    return unpack_from(">" + "4xq" * count, raw, 20) if count else ()
