"""Show what changed between two moments: of a subject's history, or of a view's rows."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click
import orjson

from adapters.told import cloud_event, iso
from cli.options import format_option, log_option, moment_named
from cli.output import cell, described, folding, occurred, show, warn_of_gaps

if TYPE_CHECKING:
    from adapters.engine import Engine
    from adapters.views.moments import Moment
    from domain.differences import Difference
    from domain.touchpoint import Fact
    from projections.difference import RowDifference

_CELLS = ("became", "kind", "id", "stream", "old_time", "new_time", "old", "new")
_WORDS = ("became", "occurred", "kind", "what", "id", "stream", "recorded")


@click.command()
@log_option
@format_option
@click.argument("subject", required=False)
@click.option("--view", "name", help="Compare the rows of this view instead of a history.")
@click.option("--subject", "only", help="With --view: only the rows of this subject.")
@click.option("--from", "first", metavar="MOMENT", required=True, help="The first moment.")
@click.option("--to", "second", metavar="MOMENT", help="The second moment; all that is known, when not given.")
def command(
    url: str, style: str, subject: str | None, name: str | None, only: str | None, first: str, second: str | None
) -> None:
    """Show which touchpoints of SUBJECT came, were corrected, retracted, merged in or went back; or rows of a view.

    A MOMENT is a time, a day (its end in the company's zone) or a cursor, and means what was known at it; as-of=TIME
    means what had occurred by then, as we know it now; as-of=TIME,known-at=TIME what was known then to have occurred.
    """
    from adapters.engine import Engine
    from adapters.views.moments import Moment

    if (subject is None) == (name is None) or (subject and only):
        raise click.UsageError("say whose history (diff SUBJECT), or which view (diff --view NAME [--subject SUBJECT])")
    with Engine.open(url) as engine:
        moments = moment_named(engine, first), moment_named(engine, second) if second is not None else Moment()
        if subject is not None:
            _show_history(engine, subject, *moments, style)
        elif name is not None:
            with _rows(engine, url, name, only, *moments) as (names, key, differences):
                columns, rows = listed(name, names, key, differences, style)
                show(columns, rows, style)


def _show_history(engine: "Engine", subject: str, first: "Moment", second: "Moment", style: str) -> None:
    from adapters.views.moments import tellings
    from domain.differences import history_differences

    found = history_differences(*tellings(engine.log, subject, first, second))
    if style == "json":
        whole = [(each.what, *(fact and cloud_event(fact) for fact in each[1:])) for each in found]
        show(("became", "old", "new"), whole, style)
    elif style == "csv":
        show(_CELLS, map(_as_cells, found), style)
    else:
        show(_WORDS, map(_in_words, found), style, title=f"{subject}: {len(found)} differences")


def _standing(difference: "Difference") -> "Fact":
    fact = difference.new or difference.old
    assert fact is not None  # noqa: S101 - a difference has one of the two
    return fact


def _as_cells(difference: "Difference") -> tuple[Any, ...]:
    fact, sides = _standing(difference), difference[1:]
    times = [side and side.envelope["time"] for side in sides]
    return (
        difference.what,
        fact.kind,
        fact.id,
        fact.stream,
        *times,
        *(side and orjson.dumps(side.data).decode() for side in sides),
    )


def _in_words(difference: "Difference") -> tuple[Any, ...]:
    fact, old = _standing(difference), difference.old
    what = described(fact.data)
    if difference.new and old:
        before, after = ({"time": occurred(each), **each.data} for each in (old, difference.new))
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        what = ", ".join(f"{name} {_brief(before.get(name))} → {_brief(after.get(name))}" for name in names)
    return difference.what, occurred(fact), fact.kind, what, fact.id, fact.stream, iso(fact.recorded)[:19]


def _brief(value: Any) -> str:
    return "none" if value is None else described({"": value}).strip()


@contextmanager
def _rows(
    engine: "Engine", url: str, name: str, subject: str | None, first: "Moment", second: "Moment"
) -> "Iterator[tuple[list[str], tuple[str, ...], Iterator[RowDifference]]]":
    """The columns of a view, its key, and the differences of its rows between two moments."""
    from adapters.views.moments import views_at
    from adapters.views.pseudonyms import Pseudonyms
    from adapters.views.replay import rows_as_of
    from adapters.views.tables import primary_key
    from domain.errors import UnknownSubject
    from projections import view_named
    from projections.difference import row_differences

    view = view_named(name)
    names = [column.name for column in view.columns()]
    key = primary_key(view)
    places = [names.index(part) for part in key]
    with ExitStack() as stack:
        sides: list[Iterable[tuple[Any, ...]]] = []
        unknown: list[UnknownSubject] = []
        for moment in (first, second):
            if subject is None:
                on_progress = stack.enter_context(folding())
                tables = stack.enter_context(
                    views_at(engine.log, url, engine.company, {name: view}, moment, on_progress)
                )
                warn_of_gaps(tables)
                transaction = stack.enter_context(tables.transaction())
                sides.append(transaction.scan(transaction.generations()[0], names, key))
                continue
            try:
                pseudonyms, at = Pseudonyms.of_log(url), (moment.known, moment.as_of)
                rows = rows_as_of(engine.log, engine.company, name, subject, pseudonyms, *at)[1]
            except UnknownSubject as error:
                unknown.append(error)
                rows = []
            sides.append(sorted(rows, key=lambda row: [row[place] for place in places]))
        if len(unknown) == len(sides):
            raise unknown[0]
        yield names, key, row_differences(sides[0], sides[1], places)


def listed(
    view: str, names: Sequence[str], key: Sequence[str], differences: "Iterable[RowDifference]", style: str
) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
    """Differences of rows as columns and rows to show.

    A table has a line for each row, with what changed in words; JSON each row whole, old and new; CSV a line for each
    cell that is not the same.
    """
    if style == "json":
        return ("view", "became", "old", "new"), (
            (view, each.what, *(side and dict(zip(names, side, strict=True)) for side in (each.old, each.new)))
            for each in differences
        )
    if style == "csv":
        return ("view", "became", "key", "column", "old", "new"), (
            (view, each.what, orjson.dumps(each.key).decode(), name, old, new)
            for each in differences
            for name, old, new in _cells(names, each)
            if old != new
        )
    others = [name for name in names if name not in key and not name.endswith("_dayno")]
    return ("became", *key, "what"), (
        (each.what, *each.key, _row_in_words(others, names, each)) for each in differences
    )


def _cells(names: Sequence[str], difference: "RowDifference") -> Iterator[tuple[str, Any, Any]]:
    nothing = (None,) * len(names)
    return zip(names, difference.old or nothing, difference.new or nothing, strict=True)


def _row_in_words(others: Sequence[str], names: Sequence[str], difference: "RowDifference") -> str:
    told = [
        (name.removesuffix("_micros"), cell(name, old), cell(name, new))
        for name, old, new in _cells(names, difference)
        if name in others
    ]
    if difference.what == "changed":
        return ", ".join(f"{name} {old or 'none'} → {new or 'none'}" for name, old, new in told if old != new)
    return ", ".join(f"{name} {old or new}" for name, old, new in told if old or new)
