"""Exporting: a file that is there whole or not at all, and evidence in the log that it left the house."""

import os
import secrets
from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path
from tempfile import mkstemp
from typing import IO, Literal, NamedTuple

from pydantic import ValidationError

from adapters.engine import Engine
from adapters.export.delimited import write_csv
from adapters.export.ocel import write_ocel
from adapters.export.told import Opening, Told
from adapters.export.xes import write_xes
from adapters.extras import need
from adapters.notes import note
from adapters.views.histories import Parked
from domain.errors import LifecircleError
from domain.kinds.circle import DataExported
from domain.touchpoint import invalid

Form = Literal["parquet", "csv", "jsonl", "ocel2", "xes"]


class ExportExists(LifecircleError):
    """There is a file of this name already."""

    exit_code = 8


class Exported(NamedTuple):
    """What was exported: how many touchpoints, and the SHA-256 of the file, in hexadecimal."""

    touchpoints: int
    digest: str


def export(
    engine: Engine,
    form: Form,
    path: Path,
    *,
    recipient: str,
    recordedby: str,
    parked: Parked,
    subject: str | None = None,
    purpose: str | None = None,
) -> Exported:
    """Write a log, or the history of one subject, into a new file that its owner alone may read.

    Args:
        engine: the log.
        form: as which it is written.
        path: the file.
        recipient: who gets it, for the evidence.
        recordedby: the principal who was authenticated.
        parked: told of what is left out because it cannot be folded.
        subject: whose history; all of the log when not given.
        purpose: what personal data is opened for, which is noted for each person; it stays sealed when not given.

    Raises:
        ExportExists: there is such a file.
        UnknownSubject: the log holds nothing of the subject.
        InvalidTouchpoint: the recipient is no id.
        KeysUnusable: personal data is to be opened, and its keys are not to be had.
        ExtraMissing: what writes Parquet is not installed.
    """
    told = _evidence(recipient, form, subject)
    if path.exists():
        raise ExportExists(
            "there is a file of this name already",
            where=str(path),
            rule="an export makes a new file",
            way_out="name another file, or take this one away",
        )
    opening = Opening(purpose, recordedby) if purpose else None
    writer = _writer(form, Told(engine, engine.log.heads(), subject, opening), parked)
    handle, name = mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            count = writer(file)
            file.flush()
            os.fsync(handle)
            file.seek(0)
            digest = file_digest(file, "sha256").hexdigest()
        # Evidence first: nothing is handed out of which the log does not know.
        happening = note(engine.log.log_id, secrets.token_hex(16), told.model_copy(update={"digest": digest}), subject)
        engine.append([happening], recordedby=recordedby)
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Exported(count, digest)


def _evidence(recipient: str, form: Form, subject: str | None) -> DataExported:
    whose = "all touchpoints" if subject is None else "the history"
    try:
        return DataExported(recipient=recipient, scope=f"{whose} as {form}")
    except ValidationError as error:
        raise invalid(error) from None


def _writer(form: Form, told: Told, parked: Parked) -> Callable[[IO[bytes]], int]:
    company = told.engine.company
    match form:
        case "jsonl":
            return lambda into: _write_lines(into, told)
        case "csv":
            return lambda into: write_csv(into, told.histories(parked), company)
        case "xes":
            return lambda into: write_xes(into, told.histories(parked), company.name)
        case "ocel2":
            return lambda into: write_ocel(into, told.histories(parked))
        case "parquet":
            need("explore", "an export to Parquet")
            from adapters.export.columnar import write_parquet

            return lambda into: write_parquet(into, told.histories(parked), company)


def _write_lines(into: IO[bytes], told: Told) -> int:
    """CloudEvents as JSON Lines, in the order of recording."""
    count = 0
    for state in told.stored():
        into.write(state + b"\n")
        count += 1
    return count
