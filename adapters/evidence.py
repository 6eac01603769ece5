"""Quarantine, and the notes of what was put there and let out."""

from collections.abc import Iterable, Iterator
from functools import partial

from adapters.engine import Engine
from adapters.log import QuarantinedRow
from adapters.notes import keep_notes, note
from adapters.privacy.quarantine import open_rows, seal_rows
from domain.errors import LifecircleError
from domain.identifiers import derived_id
from domain.kinds.log_itself import RowQuarantined, RowReleased
from domain.touchpoint import Envelope

_RULE_MAX_CHARS = 1_000


def release_id(row: QuarantinedRow) -> str:
    """The id of the note that a row was let in."""
    return derived_id("released", row.batch, row.row)


def release_notes(log_id: bytes, rows: Iterable[QuarantinedRow], by: str) -> Iterator[Envelope]:
    """The notes that rows were let in."""
    for row in rows:
        yield note(log_id, release_id(row), RowReleased(batch=row.batch, row=row.row, by=by))


def set_aside(engine: Engine, rows: list[QuarantinedRow], *, recordedby: str) -> None:
    """Keep rows in quarantine, sealed, and note so; what is there and noted already stays as it is."""
    engine.log.quarantine(seal_rows(engine.sealing, rows))
    note_quarantined(engine, rows, recordedby=recordedby)


def quarantined(engine: Engine, batch: str | None = None, *, released: bool = False) -> list[QuarantinedRow]:
    """The rows in quarantine with their text in clear, of one batch or of all; with `released` those let in too."""
    return list(open_rows(engine.sealing, engine.log.quarantined(batch, released=released)))


def amend(engine: Engine, rows: Iterable[QuarantinedRow]) -> None:
    """Give rows in quarantine another text, rule, message, stem, and note of their release."""
    engine.log.amend_quarantined(seal_rows(engine.sealing, rows))


def note_quarantined(engine: Engine, rows: Iterable[QuarantinedRow], *, recordedby: str) -> None:
    """Note that rows are in quarantine, each once for every rule that it came to break."""
    notes = []
    for row in rows:
        rule = row.rule[:_RULE_MAX_CHARS]
        name = derived_id("quarantined", row.batch, row.row, rule)
        notes.append(note(engine.log.log_id, name, RowQuarantined(batch=row.batch, row=row.row, rule=rule)))
    keep_notes(partial(engine.append_each, recordedby=recordedby), notes)


def rule_and_message(error: LifecircleError) -> tuple[str, str]:
    """The rule that a row broke, and what is to be said of it; never a value of it."""
    return error.rule or error.name, f"{error.what} ({error.where})" if error.where else error.what
