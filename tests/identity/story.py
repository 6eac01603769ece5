"""The words of identity scenarios: what becomes known of customers, and what is shown and proposed of it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import Any, Self

from adapters.engine import Engine
from adapters.views.projector import Projector
from adapters.views.tables import Tables, open_tables
from tests.read_side.story import touch


class Customers:
    """One log, told day by day of March 2026, with a projector."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        self.engine, self.tables = engine, tables
        self.projector = Projector(engine.log, tables, engine.company)
        self._ids = count(1)

    def told(self, kind: str, subject: str, day: int = 1, **data: Any) -> Self:
        """Record a touchpoint; its id is `t` and its number."""
        self.engine.append([touch(kind, subject, f"t{next(self._ids)}", day, **data)])
        return self

    def mail(self, subject: str, value: str = "family@example.org", day: int = 1, **data: Any) -> Self:
        return self.told("IdentifierLinked", subject, day, type="email", value=value, **data)

    def merged(self, survivor: str, absorbed: str, day: int = 2) -> Self:
        return self.told("CustomersMerged", survivor, day, survivor=survivor, absorbed=absorbed, method="manual")

    def parted(self, survivor: str, absorbed: str, merge: str, day: int = 3) -> Self:
        return self.told("CustomerMergeReverted", survivor, day, merge=merge, survivor=survivor, absorbed=absorbed)

    def rows(self, view: str, subject: str | None = None) -> list[dict[str, Any]]:
        """The rows of a view, once it shows everything."""
        self.projector.run_once()
        names, rows = self.tables.rows(view, subject)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def proposed(self) -> list[tuple[str, str, str]]:
        """Survivor, absorbed and method of all proposals."""
        self.projector.run_once()
        return [(row[0], row[1], row[2]) for row in self.tables.query(_PROPOSED)[1]]

    def one(self, sql: str) -> tuple[Any, ...]:
        """The only row that a query answers."""
        self.projector.run_once()
        (only,) = self.tables.query(sql)[1]
        return only


_PROPOSED = "select survivor, absorbed, method from merge_proposals order by survivor, absorbed"


@contextmanager
def customers(url: str) -> Iterator[Customers]:
    with Engine.create(url) as engine, closing(open_tables(url, engine.company)) as tables:
        yield Customers(engine, tables)
