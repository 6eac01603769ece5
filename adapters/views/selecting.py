"""SELECTs over public views and questions, made of names and values: the one place where that is done.

A name is quoted, and a value stands as a literal, so that neither can end early: PostgreSQL is told to read backslashes
as they are, like SQLite. So the text is the same on both databases.
"""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import NamedTuple, NewType

from domain.errors import QueryRefused

Cell = str | int | float
_ALL_ROWS = 2**63 - 1
Clause = NewType("Clause", str)
"""A part of a statement that was made here."""


class Turn(NamedTuple):
    """A column that rows are put in order by, and where it may be null what takes the place of that.

    What is null comes behind all else, whichever way the others go, on both databases.
    """

    name: str
    empty: Cell | None = None

    def terms(self, *, falling: bool) -> list[Clause]:
        """What is compared instead of the column; none of it is ever null."""
        held = column(self.name)
        if self.empty is None:
            return [held]
        null, other = (0, 1) if falling else (1, 0)
        return [
            Clause(f"CASE WHEN {held} IS NULL THEN {null} ELSE {other} END"),
            Clause(f"COALESCE({held}, {literal(self.empty)})"),
        ]

    def values(self, value: Cell | None, *, falling: bool) -> list[Clause]:
        """The same of one row, by its value."""
        if self.empty is None:
            assert value is not None  # noqa: S101 - whoever made it knows that the column is never null
            return [literal(value)]
        return [literal(int((value is None) != falling)), literal(self.empty if value is None else value)]


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


def behind(turns: Sequence[Turn], values: Sequence[Cell | None], *, falling: bool) -> Clause:
    """The condition that a row comes after one of these values, in the order of these columns."""
    terms = ", ".join(term for turn in turns for term in turn.terms(falling=falling))
    row = zip(turns, values, strict=True)
    literals = ", ".join(each for turn, value in row for each in turn.values(value, falling=falling))
    return Clause(f"({terms}) {'<' if falling else '>'} ({literals})")


def select(
    relation: str,
    what: Iterable[Clause] = (),
    where: Iterable[Clause] = (),
    order: Iterable[Turn] = (),
    *,
    falling: bool = False,
    passed: int = 0,
) -> str:
    """A statement that reads a view or a question: all columns where nothing is said, all rows, in no order.

    `passed` is how many rows are left out before the first.
    """
    turn = " DESC" if falling else ""
    terms = (term for each in order for term in each.terms(falling=falling))
    conditions, turns = " AND ".join(where), ", ".join(f"{term}{turn}" for term in terms)
    parts = (
        f"SELECT {', '.join(what) or '*'} FROM {column(relation)}",  # noqa: S608 - of clauses made here
        f"WHERE {conditions}" if conditions else "",
        f"ORDER BY {turns}" if turns else "",
        # SQLite knows no OFFSET without a LIMIT, and PostgreSQL none that is negative.
        f"LIMIT {_ALL_ROWS} OFFSET {literal(passed)}" if passed else "",
    )
    return " ".join(filter(None, parts))
