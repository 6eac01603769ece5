"""Opening personal data for somebody who may read it, which is always noted in the log first."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import orjson

from adapters.engine import Engine
from adapters.evidence import quarantined
from adapters.log import QuarantinedRow
from adapters.notes import note
from adapters.privacy.quarantine import holder
from adapters.privacy.sealed import Sealed
from adapters.privacy.sealing import replaced_in, sealed_texts, with_opened
from domain.kinds.log_itself import PersonalDataOpened
from domain.touchpoint import Fact
from projections.view import Row

CORRECTION = "to correct quarantined rows"


def open_facts(engine: Engine, facts: Sequence[Fact], *, purpose: str, by: str) -> list[Fact]:
    """The same facts with all that is sealed in them opened; `[erased]` where the key was destroyed.

    Args:
        engine: the log that they are of.
        facts: as its history tells them.
        purpose: what it is needed for.
        by: the principal who was authenticated.

    Raises:
        KeysUnusable: the keys are not to be had; nothing was opened.
        LogUnavailable: it could not be noted; nothing was opened.
    """
    keys = engine.sealing.keys_of([fact.data, fact.envelope] for fact in facts)
    _note(engine, [fact.data for fact in facts], [subject for subject, key in keys.items() if key], purpose, by)
    return [replaced_in(fact, keys) for fact in facts]


def open_rows(engine: Engine, rows: Sequence[Row], *, purpose: str, by: str) -> list[Row]:
    """The same rows of a view with all that is sealed in them opened; `[erased]` where the key was destroyed.

    Args and Raises: as `open_facts`.
    """
    keys = engine.sealing.keys_of(rows)
    _note(engine, rows, [subject for subject, key in keys.items() if key], purpose, by)
    return [tuple(with_opened(row, keys)) for row in rows]


def open_states(engine: Engine, states: Sequence[bytes], *, purpose: str, by: str) -> list[bytes]:
    """The same stored bytes with all that is sealed in them opened, as whoever recorded them would send them again.

    Args and Raises: as `open_facts`.
    """
    events = [orjson.loads(state) for state in states]
    keys = engine.sealing.keys_of(events)
    _note(engine, events, [subject for subject, key in keys.items() if key], purpose, by)
    return [orjson.dumps(with_opened(event, keys)) for event in events]


def open_quarantine(engine: Engine, batch: str | None, *, by: str) -> list[QuarantinedRow]:
    """The rows that wait in quarantine, of one batch or of all, with their text in clear, to correct them.

    Raises:
        KeysUnusable: the keys are not to be had; nothing was opened.
        LogUnavailable: it could not be noted; nothing was opened.
    """
    rows = quarantined(engine, batch)
    _note_opened(engine, {holder(name): ("raw",) for name in {row.batch for row in rows}}, CORRECTION, by)
    return rows


def _note(engine: Engine, values: Sequence[Any], persons: Sequence[str], purpose: str, by: str) -> None:
    fields: dict[str, dict[str, None]] = {person: {} for person in persons}
    for text in sealed_texts(values):
        about = Sealed.read(text).about
        if about.subject in fields:
            fields[about.subject][f"{about.kind}.{about.field}"] = None
    _note_opened(engine, {person: tuple(names) for person, names in fields.items() if names}, purpose, by)


def _note_opened(engine: Engine, fields: Mapping[str, tuple[str, ...]], purpose: str, by: str) -> None:
    notes = [
        note(engine.log.log_id, uuid4().hex, PersonalDataOpened(person=person, fields=names, purpose=purpose))
        for person, names in fields.items()
    ]
    if notes:
        engine.append(notes, recordedby=by)
