"""Reports as one page: HTML that works offline, with a chart where there is one and the figures beneath it."""

from typing import Any, NamedTuple

from adapters.pages import page
from adapters.reports.answers import Answer, Answers
from adapters.reports.charts import pictures
from adapters.reports.figures import currency_of, shown, unit_of
from projections.report import Report, Tiles

ROWS_MAX = 50
"""How many rows of an answer stand on the page; other formats have them all."""

COLUMNS_MAX = 4
"""A table of more columns without a chart takes the whole width of the page."""


TEXT_MAX = 40
"""Texts of more characters are broken into lines; shorter ones, and days, are not."""


class Cell(NamedTuple):
    """What stands in a table, and whether it is a number."""

    text: str
    is_number: bool

    @property
    def is_long(self) -> bool:
        """Whether it is broken into lines."""
        return len(self.text) > TEXT_MAX


def page_of(name: str, title: str, answers: Answers) -> bytes:
    """The page of some reports under one title; `name` is what they are asked by."""
    chapters = [_chapter(report, found, answers) for report, found in answers.reports]
    nothing = [chapter for chapter in chapters if not chapter["sections"]]
    return page("report.html", name=name, title=title, told=answers, chapters=chapters, nothing=nothing)


def _chapter(report: Report, answers: list[Answer], told: Answers) -> dict[str, Any]:
    return {
        "name": report.name,
        "title": report.title,
        "says": report.says,
        "sections": [_section(answer, told) for answer in answers if not answer.is_empty],
        "empty": [answer.section.title for answer in answers if answer.is_empty and not answer.untold],
        "untold": _untold(answers),
    }


def _untold(answers: list[Answer]) -> list[tuple[str, str]]:
    """What no model can tell: each reason, with the titles of the sections that want a figure for it."""
    found: dict[str, list[str]] = {}
    for answer in answers:
        for reason in answer.untold:
            found.setdefault(reason, []).append(answer.section.title)
    return [(reason, "; ".join(titles)) for reason, titles in found.items()]


def _section(answer: Answer, told: Answers) -> dict[str, Any]:
    section = answer.section
    # Each amount stands with its currency, so that a column of currencies would say it twice.
    says_it_twice = "currency" if any(unit_of(name) == "money" for name in answer.columns) else None
    named = [name for name in answer.columns if name != says_it_twice]
    columns = [_name(name) for name in named]
    rows = [_cells(answer, row, named, told.currency) for row in answer.rows[:ROWS_MAX]]
    numbers = [any(row[at].is_number for row in rows) for at in range(len(columns))]
    rows = [[cell._replace(is_number=number) for cell, number in zip(row, numbers, strict=True)] for row in rows]
    is_tiles = isinstance(section.chart, Tiles)
    return {
        "title": section.title,
        "says": section.says,
        "question": section.question,
        "is_wide": section.chart is None and len(columns) > COLUMNS_MAX,
        "pictures": list(pictures(answer, told.day)),
        "tiles": list(zip(columns, (cell.text for cell in rows[0]), strict=True)) if is_tiles else [],
        "columns": [{"name": name, "is_number": numbers[at]} for at, name in enumerate(columns)],
        "rows": rows,
        "count": len(answer.rows),
        "meanings": [(_name(column), meaning) for column, meaning in answer.meanings.items()],
    }


def _name(column: str) -> str:
    return column.removesuffix("_micros").replace("_", " ")


def _cells(answer: Answer, row: Any, named: list[str], reported: str | None) -> list[Cell]:
    told = dict(zip(answer.columns, row, strict=True))
    return [
        Cell(shown(name, told[name], currency_of(name, told, reported)), isinstance(told[name], (int, float)))
        for name in named
    ]
