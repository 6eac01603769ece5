"""The data dictionary: what every column that analysts can read means, itself a relation that they read."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from projections.view import Question, View, columns_of


class Entry(NamedTuple):
    """One column of one view or question."""

    relation: Annotated[str, "the name to select from"]
    form: Annotated[str, "view: rows of one subject each; question: an answer across customers; table: always there"]
    about: Annotated[str, "what its rows show"]
    place: Annotated[int, "the column's place in it, from 1"]
    column_name: Annotated[str, "the column"]
    meaning: Annotated[str, "what stands in the column, with its unit"]


class ReferenceTime(NamedTuple):
    """What questions call today."""

    at: Annotated[int, "microseconds since 1970 UTC"]
    day: Annotated[str, "the day in the company's zone"]
    dayno: Annotated[int, "the same as a day number (1 is 0001-01-01), to subtract"]


class Relation(NamedTuple):
    """Something that analysts select from; `columns` gives the meaning of each of its columns, in their order."""

    name: str
    form: Literal["view", "question", "table"]
    about: str
    columns: Mapping[str, str]


def _meanings(row_type: type[NamedTuple]) -> dict[str, str]:
    return {column.name: column.comment for column in columns_of(row_type)}


MOMENT = Relation("moment", "table", "The reference time that questions call today: one row.", _meanings(ReferenceTime))
DICTIONARY = Relation("dictionary", "table", "What every column of every view and question means.", _meanings(Entry))


def relation(found: type[View[Any]] | Question) -> Relation:
    """A view or a question as analysts meet it."""
    if isinstance(found, Question):
        return Relation(found.name, "question", found.comment, found.columns)
    return Relation(found.name, "view", found.comment, _meanings(found.row_type))


def relations(views: Iterable[type[View[Any]]]) -> Iterator[Relation]:
    """All that can be selected from where these views stand: each view, then its questions."""
    yield MOMENT
    yield DICTIONARY
    for view in views:
        yield relation(view)
        yield from map(relation, view.questions)


def entries(found: Iterable[Relation]) -> list[Entry]:
    """The rows of the dictionary."""
    return [
        Entry(name, form, about, place, column, meaning)
        for name, form, about, columns in found
        for place, (column, meaning) in enumerate(columns.items(), 1)
    ]
