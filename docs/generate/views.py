"""Views and questions: the data dictionary as a page."""

from docs.generate.markdown import code, page, table
from projections import views
from projections.dictionary import DICTIONARY, MOMENT, Relation, relation
from projections.view import View

_WORDS = {str: "text", int: "integer", float: "number"}
_OPENING = """
A **view** is a table with rows of one customer each. A **question** is a SQL view across customers. Both are read by
SQL under these names: in PostgreSQL in the schema `report`, in SQLite in the file beside the log that ends in
`.views.db`. [How to query](../how-to/query.md) says how.

The names of columns tell their units: `…_at` is a time in microseconds since 1970 UTC, `…_day` the same as a calendar
day in the company's zone, `…_dayno` that day as a number to reckon with, `…_micros` an amount in millionths of its
currency.

`lifecircle columns NAME` shows the same in a terminal, and `select * from dictionary` in any SQL client.
"""


def pages() -> dict[str, str]:
    """One page of all views, each with its questions."""
    found = views().values()
    rows = [(_link(view.name), view.comment, ", ".join(_link(each.name) for each in view.questions)) for view in found]
    catalogue = table(("view", "what it shows", "questions"), rows)
    always = [_told(MOMENT, "##"), _told(DICTIONARY, "##")]
    return {"views.md": page("Views and questions", _OPENING, catalogue, *map(_view, found), *always)}


def _link(name: str) -> str:
    return f"[{name}](#{name})"


def _view(view: type[View]) -> str:  # type: ignore[type-arg]
    key = ", ".join(code(name) for name in view.key)
    rows = [
        (code(column.name), _WORDS[column.type], "yes" if column.nullable else "", column.comment)
        for column in view.columns()
    ]
    columns = table(("column", "type", "may be null", "meaning"), rows)
    questions = [_told(relation(question), "###") for question in view.questions]
    return "\n\n".join([f"## {view.name}", view.comment, f"One row for each {key}.", columns, *questions])


def _told(found: Relation, heading: str) -> str:
    rows = [(code(column), meaning) for column, meaning in found.columns.items()]
    return f"{heading} {found.name}\n\n{found.about}\n\n" + table(("column", "meaning"), rows)
