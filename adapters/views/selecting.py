"""SELECTs over public views and questions, made of names and values: the one place where that is done.

A name is quoted, and a value stands as a literal, so that neither can end early: PostgreSQL is told to read backslashes
as they are, like SQLite. So the text is the same on both databases.
"""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import NewType

from domain.errors import QueryRefused

Cell = str | int | float
_ALL_ROWS = 2**63 - 1
Clause = NewType("Clause", str)
"""A part of a statement that was made here."""


def column(name: str) -> Clause:
    """A column, or what is selected from, by its name."""
    return Clause('"' + name.replace('"', '""') + '"')


def literal(value: Cell) -> Clause:
    """A value.

    Raises:
        QueryRefused: no column can hold it.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise QueryRefused("the value holds a NUL character", rule="no text in a view does")
        return Clause("'" + value.replace("'", "''") + "'")
    if isinstance(value, int) and abs(value) < 2**63:
        return Clause(str(int(value)))
    if isinstance(value, float) and isfinite(value):
        return Clause(repr(value))
    raise QueryRefused("the number is beyond what a column holds", rule="it is finite, and of 64 bits")


def compared(name: str, sign: str, value: Cell, *, as_text: bool = False) -> Clause:
    """A condition on a column, such as `>=`; as a text, whatever the type of the column is."""
    held = f"CAST({column(name)} AS TEXT)" if as_text else column(name)
    return Clause(f"{held} {sign} {literal(value)}")


def begins(name: str, prefixes: Iterable[str]) -> Clause:
    """The condition that a text begins with one of these."""
    any_of = (f"substr({column(name)}, 1, {len(prefix)}) = {literal(prefix)}" for prefix in prefixes)
    return Clause(f"({' OR '.join(any_of)})")


def behind(names: Sequence[str], values: Sequence[Cell], *, falling: bool) -> Clause:
    """The condition that a row comes after one of these values, in the order of these columns."""
    columns, literals = ", ".join(map(column, names)), ", ".join(map(literal, values))
    return Clause(f"({columns}) {'<' if falling else '>'} ({literals})")


def select(
    relation: str,
    what: Iterable[Clause] = (),
    where: Iterable[Clause] = (),
    order: Iterable[str] = (),
    *,
    falling: bool = False,
    passed: int = 0,
) -> str:
    """A statement that reads a view or a question: all columns where nothing is said, all rows, in no order.

    `passed` is how many rows are left out before the first.
    """
    turn = " DESC" if falling else ""
    conditions, turns = " AND ".join(where), ", ".join(f"{column(each)}{turn}" for each in order)
    parts = (
        f"SELECT {', '.join(what) or '*'} FROM {column(relation)}",  # noqa: S608 - of clauses made here
        f"WHERE {conditions}" if conditions else "",
        f"ORDER BY {turns}" if turns else "",
        # SQLite knows no OFFSET without a LIMIT, and PostgreSQL none that is negative.
        f"LIMIT {_ALL_ROWS} OFFSET {literal(passed)}" if passed else "",
    )
    return " ".join(filter(None, parts))
