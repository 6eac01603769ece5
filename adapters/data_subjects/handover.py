"""Handing a person all that is held of them: one JSON file for machines, one page for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from adapters.clock import clock_us
from adapters.codec import fact_of
from adapters.data_subjects.erasure import known_facts
from adapters.durable_files import write_whole
from adapters.engine import Engine
from adapters.evidence import quarantined
from adapters.notes import SOURCE, log_subject
from adapters.pages import page
from adapters.privacy.destruction import known_by
from adapters.privacy.quarantine import holding
from adapters.privacy.sealing import erased, replaced_in, with_opened
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.replay import rows_as_of
from domain.erasure import forgotten_with
from domain.fields import is_sealed
from domain.kinds.circle import DataExported
from domain.kinds.log_itself import PersonalDataOpened
from domain.touchpoint import Envelope
from projections import views

_SCOPE = "all that is held of this person"
_MODE = 0o600


class Handed(NamedTuple):
    """What was handed over: the files, and the SHA-256 of the one for machines."""

    json: Path
    page: Path
    digest: str


def hand_over(engine: Engine, subject: str, folder: Path, *, recipient: str | None = None, recordedby: str) -> Handed:
    """Write all that is held of a person into a folder, in clear; that is recorded first.

    It is every touchpoint as it was given, the effective history, the rows of every view, the rows in quarantine that
    hold a name or an identifier of theirs, and who opened their data.

    Args:
        engine: the log.
        subject: who it is about.
        folder: where the files are written; made where there is none.
        recipient: who gets it, by id; the person themselves where not given.
        recordedby: the principal who was authenticated.

    Raises:
        UnknownSubject: the log holds nothing of this subject.
        SubjectMerged: the subject goes on under another one.
        SubjectErased: it was forgotten.
        KeysUnusable: the keys are not to be had; nothing was written.
    """
    held, document, digest = record_handover(engine, subject, recipient=recipient, recordedby=recordedby)
    handed = Handed(folder / "subject.json", folder / "subject.html", digest)
    write_whole(handed.json, document, mode=_MODE)
    write_whole(handed.page, _page(held), mode=_MODE)
    return handed


def record_handover(
    engine: Engine, subject: str, *, recipient: str | None = None, recordedby: str
) -> tuple[dict[str, Any], bytes, str]:
    """The same without files: all that is held, the document for machines, and its SHA-256, which is recorded.

    Args and Raises: as `hand_over`.
    """
    held = _held(engine, subject)
    document = orjson.dumps(held, option=orjson.OPT_INDENT_2, default=str)
    digest = sha256(document).hexdigest()
    time = datetime.fromtimestamp(clock_us() / 1_000_000, tz=UTC).isoformat()
    fields = {"id": uuid4().hex, "source": SOURCE, "type": DataExported.kind, "subject": subject, "time": time}
    data = {"recipient": recipient or subject, "scope": _SCOPE, "digest": digest}
    engine.append([Envelope.read({**fields, "data": data})], recordedby=recordedby)
    return held, document, digest


def _held(engine: Engine, subject: str) -> dict[str, Any]:
    facts = known_facts(engine, subject)
    persons = sorted(forgotten_with(subject, facts))
    sealing = engine.sealing
    sealing.keyring.recheck()
    if sealing.keyring.is_destroyed(sealing.realm, subject):
        raise erased(subject)
    own = sorted((fact for fact in facts if fact.stream in persons), key=lambda fact: (fact.stream, fact.version))
    keys = sealing.keys_of([fact.envelope for fact in own])
    log = engine.log.stream(log_subject(engine.log.log_id))
    opened = [fact for fact in map(fact_of, log) if fact.kind == PersonalDataOpened.kind]
    return {
        # Without it, whoever knows the rest could find by trying what a document says whose digest is recorded.
        "mark": token_hex(16),
        "subject": subject,
        "persons": persons,
        "company": engine.company.name,
        "made": datetime.fromtimestamp(clock_us() / 1_000_000, tz=UTC).isoformat(),
        "touchpoints": [
            {**with_opened(fact.envelope, keys), "stream": fact.stream, "version": fact.version} for fact in own
        ],
        "history": [
            {"time": fact.envelope["time"], "kind": fact.kind, **replaced_in(fact, keys).data}
            for fact in engine.history(subject)
        ],
        "views": _views(engine, subject),
        "quarantine": [
            {"batch": row.batch, "row": row.row, "rule": row.rule, "text": row.raw}
            for row in holding(quarantined(engine, released=True), known_by(engine.sealing, persons, facts))
        ],
        "opened": [
            {"time": fact.envelope["time"], "purpose": fact.data["purpose"], "fields": fact.data["fields"]}
            for fact in opened
            if fact.data["person"] in persons
        ],
    }


def _views(engine: Engine, subject: str) -> dict[str, list[dict[str, Any]]]:
    pseudonyms, found = Pseudonyms.of_log(engine.url), {}
    for name in views():
        columns, rows = rows_as_of(engine.log, engine.company, name, subject, pseudonyms)
        if rows:
            keys = engine.sealing.keys_of(rows)
            names = [column.name for column in columns]
            found[name] = [dict(zip(names, with_opened(row, keys), strict=True)) for row in sorted(rows, key=repr)]
    return found


def _page(held: Mapping[str, Any]) -> bytes:
    sections = {
        "What happened, as it stands": held["history"],
        **{f"View {name}": rows for name, rows in held["views"].items()},
        "Rows that could not be read": held["quarantine"],
        "Who read it, and what for": held["opened"],
    }
    told = {name: held[name] for name in ("subject", "company", "made")}
    return page("subject.html", tables=[_table(title, rows) for title, rows in sections.items() if rows], **told)


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if len(columns) > 12:
        # Of histories of many kinds: what each says stands together.
        columns = ["time", "kind", "what"]
        rows = [{**row, "what": {name: row[name] for name in row if name not in columns}} for row in rows]
    cells = [[_text(row.get(name)) for name in columns] for row in rows]
    return {"title": title, "columns": columns, "rows": cells}


def _text(value: Any) -> str:
    assert not is_sealed(value)  # noqa: S101 - all of it is opened
    return "" if value is None else value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
