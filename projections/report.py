"""What a report is: a title and sections, each with a question in SQL, a sentence that says what it shows, and a chart.

A report is data. It knows no page and no picture: what draws it reads which columns to draw, and how.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from projections.view import Row


class Bars(NamedTuple):
    """A group of bars for each row, in the rows' order.

    label: the columns that name the group. values: a bar for each. unit: of the values; empty for money, whose unit is
    its currency; `share` for shares of 1.
    """

    label: tuple[str, ...]
    values: tuple[str, ...]
    unit: str = ""


class Lines(NamedTuple):
    """A line for each of some values along a column of months (2026-03) or numbers; units as of bars.

    absent: what a month without a row says, up to the month of the report: `zero`, that nothing happened; `same`, that
    all stands as the month before; empty, nothing.
    """

    along: str
    values: tuple[str, ...]
    unit: str = ""
    absent: Literal["", "zero", "same"] = ""


class Grid(NamedTuple):
    """A field for each row, the darker the greater its value: `down` names its line, `across` its column."""

    down: str
    across: str
    value: str
    unit: str = ""


class Tiles(NamedTuple):
    """One row, its figures side by side in large type."""


Chart = Bars | Lines | Grid | Tiles
"""How the rows of a section are drawn."""


class Shown(NamedTuple):
    """The rows of a table that a model shows, and in words what it cannot tell and why."""

    rows: Sequence[Row]
    untold: tuple[str, ...] = ()


class Table(NamedTuple):
    """One of a model's tables: a NamedTuple whose fields are `Annotated[type, "meaning"]`, and what fills it."""

    row: type[NamedTuple]
    rows: Callable[[Any], Shown]


class Model(NamedTuple):
    """What is reckoned outside of SQL, once for all sections that show it.

    `asks` are the statements whose rows it rests on, `solve` makes of these rows, in their order, what the tables show.
    """

    asks: tuple[str, ...]
    solve: Callable[[Sequence[Sequence[Row]]], Any]
    tables: Mapping[str, Table]


_NAME = re.compile(r"[a-z][a-z0-9-]{0,49}")
_ALL = "all"
"""What a reader asks for who wants every report."""


class Section(NamedTuple):
    """One answer: its title, what it shows in a sentence, and how it is asked.

    `sql` is one SELECT over views and questions, with its order; `question` names the one whose columns it shows, whose
    meanings hold for columns of the same name. Where `sql` is empty, it is measured outside of SQL: by `model`, a
    module of `projections.models` and a table of its `MODEL`, such as `outlook.chances`, or else as goals are.
    """

    title: str
    says: str
    question: str
    sql: str = ""
    chart: Chart | None = None
    model: str = ""


def removal_effect(title: str, says: str, dimension: str, *, beside: str) -> Section:
    """Value of conversions shared by the removal effect of a dimension of touches, beside another column of it."""
    chart = Bars(("name", "conversion_kind"), ("markov_value_micros", beside))
    return Section(title, says, "attribution", chart=chart, model=f"attribution.{dimension}")


class Report(NamedTuple):
    """Sections that belong together; `place` is where it stands among all reports."""

    place: int
    name: str
    title: str
    says: str
    sections: tuple[Section, ...]


def drawn_columns(chart: Chart | None) -> tuple[str, ...]:
    """The columns that a chart reads of the rows."""
    match chart:
        case Bars(label, values):
            return (*label, *values)
        case Lines(along, values):
            return (along, *values)
        case Grid(down, across, value):
            return (down, across, value)
        case _:
            return ()


def flaws_of_report(report: Report) -> Iterator[str]:
    """What keeps a report from being one, each as the rule that it breaks; its SQL is not tried."""
    if not isinstance(report.name, str) or not _NAME.fullmatch(report.name) or report.name == _ALL:
        yield f"{report.name!r} is no name of a report: {_NAME.pattern}, and not {_ALL}"
    if not (report.title and report.says and report.sections):
        yield f"report {report.name} must have a title, say what it shows, and have a section"
    for section in report.sections:
        if not (section.title and section.says and section.question and section.sql):
            yield f"each section of report {report.name} must have a title, say what it shows, a question and its SQL"
