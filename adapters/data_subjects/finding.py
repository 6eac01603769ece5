"""Finding a customer by an e-mail address, a telephone number or a number elsewhere, without keeping any of them.

The index is the view `identifiers`, which holds them in keyed form and lets go of them when a customer is forgotten.
What the view does not show yet is looked at in the log, so that what is found is what the log says now.
"""

from collections.abc import Iterator
from typing import NamedTuple

from adapters.codec import fact_of
from adapters.cursor import Cursor
from adapters.engine import Engine
from adapters.idkey import keyed_id, read_id_key
from adapters.settings import LIMITS
from adapters.views.projector import position_cursor
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.replay import linked, rows_as_of
from adapters.views.tables import Tables
from domain.kinds.log_itself import KeyDestroyed
from projections.identifiers import IdentifierRow

_VIEW = "identifiers"
_COLUMNS = ("subject", "type", "verified", "since_day", "until_day")


class Found(NamedTuple):
    """A customer who has or had an identifier, and from when to when."""

    subject: str
    type: str | None
    verified: int | None
    since_day: str
    until_day: str | None


def find(engine: Engine, tables: Tables, value: str) -> list[Found]:
    """Whose an identifier is, or was.

    Args:
        engine: the log.
        tables: its views.
        value: an e-mail address, a telephone number, or any other number or name that was linked to a customer.

    Raises:
        IdKeyUnusable: the log's id key is not to be had; no identifier is known without it.
        KeysUnusable: the keys of personal data are not to be had.
    """
    keyed = keyed_id(read_id_key(engine.url), value)
    heads, shown = engine.log.heads(), _shown(engine, tables)
    late = set(_told_since(engine, shown, heads))
    pseudonyms, found = Pseudonyms.of_log(engine.url), set[Found]()
    for subject in sorted(late):
        for row in rows_as_of(engine.log, engine.company, _VIEW, subject, pseudonyms, heads)[1]:
            held = IdentifierRow(*row)
            late.add(held.subject)
            if held.keyed == keyed:
                found.add(Found(*(getattr(held, column) for column in _COLUMNS)))
    if any(shown.numbers):
        # The keyed form is hexadecimal, and all that is put into the text.
        asked = f"select {', '.join(_COLUMNS)} from {_VIEW} where keyed = '{keyed}'"  # noqa: S608
        found |= {Found(*row) for row in tables.query(asked)[1] if row[0] not in late}
    return sorted(found, key=lambda each: (each.until_day is not None, each.subject, each.since_day))


def _shown(engine: Engine, tables: Tables) -> Cursor:
    """How far the view shows the log: not at all where there is none."""
    generations, position, _ = tables.state()
    if not any(each.view == _VIEW and each.state == "live" for each in generations):
        return engine.log.start()
    return position_cursor(engine.log, position)


def _told_since(engine: Engine, after: Cursor, upto: Cursor) -> Iterator[str]:
    """The subjects of whom something was recorded since, those among them whom it joins or forgets."""
    while batch := engine.log.read(after, LIMITS.follow_batch_max, upto):
        for stored in batch:
            after = after.advanced(stored.bucket, stored.number)
            yield stored.stream
            fact = fact_of(stored)
            yield from linked(fact)
            if fact.kind == KeyDestroyed.kind:
                yield fact.data["person"]
