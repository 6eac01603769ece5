"""Rows of a view or question page by page: filters, an order, and where the next page begins.

A page of a view begins behind the last row of the one before it, told by that row's values, so rows that come or go
meanwhile shift nothing. The rows of a question have no key: they stand in the question's own order, and a page begins
after so many of them. Names are looked up in the data dictionary, and values are read by their column's type, before
they stand in a statement.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from adapters.settings import LIMITS
from adapters.views.selecting import Cell, Clause, Turn, begins, behind, compared, select
from adapters.views.tables import Tables, primary_key
from domain.errors import QueryRefused, UnknownView
from projections import views
from projections.view import Column, Question, Row, View

_COMPARISONS = {"": "=", "ge": ">=", "gt": ">", "le": "<=", "lt": "<", "ne": "<>"}
"""What may follow a column's name in a filter, `amount_micros.ge=1000`, and what it means."""


_EMPTY: dict[type | None, Cell] = {str: "", int: 0, float: 0.0}


class Page(NamedTuple):
    """Rows under their columns, each with the type of its values, and what to ask for the next ones; None at the end.

    Of a question the types are not known before its rows are.
    """

    columns: dict[str, type | None]
    rows: list[Row]
    next: str | None


class _Relation(NamedTuple):
    """What can be asked: the types of its columns, and the key that orders its rows, which questions have not."""

    name: str
    types: dict[str, type | None]
    nullable: frozenset[str]
    key: tuple[str, ...]


def page(
    tables: Tables,
    name: str,
    filters: Iterable[tuple[str, str]] = (),
    order: str = "",
    limit: int = LIMITS.http_page_rows,
    after: str | None = None,
    prefix: Sequence[str] = (),
) -> Page:
    """One page of a view's or a question's rows.

    Args:
        tables: where.
        name: the view or the question.
        filters: columns with what they must be: `("status", "won")`, `("amount_micros.ge", "1000")`; all must hold.
        order: columns of the view, the first one first, `-` before the first for the highest first; its key follows.
            What is null comes last.
        limit: how many rows at most.
        after: what the page before answered as `next`.
        prefix: only subjects that begin with one of these; of a view, for a question has no subjects.

    Raises:
        UnknownView: there is no such view or question. ViewNotBuilt: its view has no table yet.
        QueryRefused: a column, a value, the order or `after` is none that can be asked for.
    """
    relation = _relation(name)
    clauses = [_clause(relation, *each) for each in filters]
    if prefix:
        clauses.append(_begins(relation, prefix))
    falling, turns = _order(relation, order)
    passed = 0
    if after is not None and turns:
        clauses.append(_behind(relation, turns, after, falling=falling))
    elif after is not None:
        passed = _passed(after)
    statement = select(relation.name, (), clauses, turns, falling=falling, passed=passed)
    columns, rows = tables.query(statement, limit + 1)
    typed = {column: relation.types[column] for column in columns}
    if len(rows) <= limit:
        return Page(typed, rows, None)
    last = rows[limit - 1]
    place = [last[columns.index(each.name)] for each in turns] if turns else [passed + limit]
    return Page(typed, rows[:limit], _token(place))


def _relation(name: str) -> _Relation:
    for view in views().values():
        if view.name == name:
            return _of_view(view)
        for question in view.questions:
            if question.name == name:
                return _of_question(question)
    raise UnknownView(
        "there is no view or question of this name", where="name", way_out="the list of them is at /views"
    )


def _of_view(view: type[View[Any]]) -> _Relation:
    columns: Sequence[Column] = view.columns()
    nullable = frozenset(column.name for column in columns if column.nullable)
    return _Relation(view.name, {column.name: column.type for column in columns}, nullable, primary_key(view))


def _of_question(question: Question) -> _Relation:
    # The dictionary does not say the types of its columns: a value is compared as a text.
    return _Relation(question.name, dict.fromkeys(question.columns), frozenset(question.columns), ())


def _clause(relation: _Relation, path: str, value: str) -> Clause:
    name, _, comparison = path.partition(".")
    if name not in relation.types or comparison not in _COMPARISONS:
        raise QueryRefused(
            "this is no filter",
            where=path if name in relation.types else "a filter",
            rule=f"a filter is a column of {relation.name}, alone or with one of "
            + ", ".join(f".{each}" for each in _COMPARISONS if each),
            way_out=f"its columns are: {', '.join(relation.types)}",
        )
    type_ = relation.types[name]
    return compared(name, _COMPARISONS[comparison], _read(value, type_, path), as_text=type_ is None)


def _begins(relation: _Relation, prefixes: Sequence[str]) -> Clause:
    if "subject" not in relation.types or not relation.key:
        raise QueryRefused(
            "a question is about all customers, and this caller may see some",
            where=relation.name,
            rule="a caller whose scope is bounded reads views, whose rows have a subject",
            way_out="ask the view that the question rests on",
        )
    return begins("subject", prefixes)


def _order(relation: _Relation, order: str) -> tuple[bool, list[Turn]]:
    falling, names = order.startswith("-"), order.removeprefix("-").split(",") if order else []
    if any(name not in relation.types or not relation.key for name in names):
        raise QueryRefused(
            "rows cannot be put in this order",
            where="order",
            rule="an order names columns of a view, with one - before the first for falling",
            way_out=f"choose among: {', '.join(relation.types)}"
            if relation.key
            else "a question has an order of its own",
        )
    asked = (*names, *(name for name in relation.key if name not in names))
    return falling, [Turn(name, _EMPTY[relation.types[name]] if name in relation.nullable else None) for name in asked]


def _behind(relation: _Relation, turns: Sequence[Turn], after: str, *, falling: bool) -> Clause:
    values = zip(turns, _values(after, len(turns)), strict=True)
    known = [
        None if value is None and turn.empty is not None else _known(value, relation.types[turn.name])
        for turn, value in values
    ]
    return behind(turns, known, falling=falling)


def _passed(after: str) -> int:
    """How many rows of a question come before a page of it."""
    (value,) = _values(after, 1)
    if (passed := int(_known(value, int))) < 0:
        raise _no_page()
    return passed


def _values(after: str, count: int) -> list[Any]:
    try:
        values = orjson.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except (binascii.Error, ValueError):
        raise _no_page() from None
    if not isinstance(values, list) or len(values) != count:
        raise _no_page()
    return values


def _token(values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def _known(value: Any, type_: type | None) -> Any:
    if type_ is None or type(value) is not type_:
        raise _no_page()
    return value


def _no_page() -> QueryRefused:
    return QueryRefused(
        "no page begins there",
        where="after",
        rule="it is what the page before answered as next, asked with the same order",
        way_out="begin with the first page",
    )


def _read(value: str, type_: type | None, where: str) -> str | int | float:
    try:
        return type_(value) if type_ in (int, float) and len(value) <= 30 and value.isascii() else str(value)
    except ValueError:
        raise QueryRefused("this is no number", where=where, rule="the column holds numbers") from None
