"""How the tables of views are written in SQLite's SQL. Only names of views and columns go in, never values."""

from collections.abc import Sequence
from typing import Literal

from projections.view import Column

TYPES = {str: "TEXT", int: "INTEGER", float: "REAL"}


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def listed(columns: Sequence[Column]) -> str:
    """The names of columns, for a SELECT or an INSERT."""
    return ", ".join(quoted(column.name) for column in columns)


def declared(column: Column) -> str:
    """A column as a table declares it."""
    return f"{quoted(column.name)} {TYPES[column.type]}{'' if column.nullable else ' NOT NULL'}"


def insert(verb: Literal["INSERT", "REPLACE"], table: str, columns: Sequence[Column]) -> str:
    """The statement that writes one whole row."""
    return f"{verb} INTO {table} ({listed(columns)}) VALUES ({', '.join('?' * len(columns))})"
