"""CSV of effective history that a spreadsheet opens without running anything in it.

A text that begins with `= + - @`, a tab, a line break or a single quote gets a single quote before it; numbers stay
numbers. To have every text as it was, take one leading single quote away (`as_it_was`).
"""

import csv
from codecs import getwriter
from collections.abc import Iterable
from datetime import timedelta
from typing import IO

import orjson

from adapters.export.told import Histories
from domain.company import Company
from domain.flat import ATTRIBUTES, Cell, Sort
from domain.touchpoint import EPOCH, Fact

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")

COLUMNS = (
    *("subject", "kind", "occurred", "dated", "day", "id", "stream", "version", "position", "recorded"),
    *(each.name for each in ATTRIBUTES),
    "data",
)
"""Like the columns of a mirror's history, and the whole payload as JSON."""


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_it_was(cell: str) -> str:
    """The text that `harmless` was given."""
    return cell.removeprefix("'")


def write_csv(into: IO[bytes], histories: Histories, company: Company) -> int:
    """Write every fact as a row; how many it were."""
    count = 0
    writer = csv.writer(getwriter("utf-8")(into), lineterminator="\r\n")  # as RFC 4180 has it
    writer.writerow(COLUMNS)
    for root, facts in histories:
        writer.writerows(_row(root, fact, company) for fact in facts)
        count += len(facts)
    return count


def _row(root: str, fact: Fact, company: Company) -> Iterable[str]:
    told = (root, fact.kind, iso(fact.at), fact.is_date, company.day(fact), fact.id, fact.stream, fact.version)
    place = (f"{fact.bucket}/{fact.number}", iso(fact.recorded))
    attributes = (_json(each.read(fact)) if each.sort is Sort.JSON else each.read(fact) for each in ATTRIBUTES)
    return map(_cell, (*told, *place, *attributes, orjson.dumps(fact.data).decode()))


def _json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _cell(value: Cell) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return harmless(value)
        case _:
            return str(value)


def iso(us: int) -> str:
    """Microseconds since 1970 UTC as ISO 8601 in UTC."""
    return (EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds")
