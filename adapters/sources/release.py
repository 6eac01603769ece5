"""Rows in quarantine that somebody has corrected: put through their mapping again, and let in where they hold now.

A released touchpoint has the id that its row would have had, so that importing a corrected file adds nothing to it.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from adapters.clock import clock_us
from adapters.codec import parse_json, read_touchpoint
from adapters.engine import Engine
from adapters.evidence import amend, note_quarantined, quarantined, release_id, release_notes, rule_and_message
from adapters.idkey import read_id_key
from adapters.log import QuarantinedRow
from adapters.notes import SOURCE, log_subject
from adapters.sources.cells import row_digest, unreadable
from adapters.sources.importer import FELLOW
from adapters.sources.mapping import FileForm, read_stored
from adapters.sources.plan import CloudEvents, FaultyRow, Plan, Recipe
from domain.compiled import Appendable
from domain.errors import LifecircleError, LogUnavailable, NotInQuarantine, Refused, UnreadableInput

_ESCAPE = re.compile(r"\\x[0-9a-f]{2}")


class Corrected(NamedTuple):
    """A row as it should have been: its whole text, or what its cells should say, or as it stands."""

    batch: str
    row: int
    raw: str | None = None
    cells: Mapping[str, str] = {}


@dataclass
class Released:
    """What became of rows that were to be released."""

    released: int = 0
    """Rows that were let in; their touchpoints are new, or were in the log already."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows that, as corrected, a condition of the mapping leaves out; they wait no longer."""
    earlier: int = 0
    """Rows that had been released before."""
    touchpoints: Counter[str] = field(default_factory=Counter)
    """New touchpoints by the name of the rule that made them."""
    still: Counter[str] = field(default_factory=Counter)
    """Rows that stay in quarantine, by the rule that they now break."""

    def as_dict(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "released": self.released,
            "left_out": dict(self.left_out),
            "earlier": self.earlier,
            "touchpoints": dict(self.touchpoints),
            "still_in_quarantine": dict(self.still),
        }


class _Unit(NamedTuple):
    """A row, or the rows of a group, that are let in together or not at all."""

    rows: Sequence[QuarantinedRow]
    cells: Sequence[Sequence[str]]
    digest: str


def waiting(engine: Engine, batch: str) -> list[Corrected]:
    """The rows of a batch that wait, as they stand: to try them again after the rules have changed."""
    return [Corrected(row.batch, row.row) for row in engine.log.quarantined(batch)]


def release(engine: Engine, corrected: Sequence[Corrected], *, recordedby: str) -> Released:
    """Put corrected rows through the mapping of their batch again and record what they become.

    Rows of one group are released together; fellows that are not among those given are taken as they stand.

    Raises:
        NotInQuarantine: a batch or row is not known; nothing was released.
        IdKeyUnusable: the mapping derives keyed ids, and the log's key is not to be had.
        LogUnavailable: the log was lost on the way; releasing the same again completes it.
    """
    batches: dict[str, dict[int, Corrected]] = {}
    for each in corrected:
        batches.setdefault(each.batch, {})[each.row] = each
    found = [_Batch(engine, batch, rows) for batch, rows in batches.items()]
    report = Released()
    for one in found:
        one.release(report, recordedby)
    return report


class _Batch:
    def __init__(self, engine: Engine, batch: str, corrected: dict[int, Corrected]) -> None:
        self._engine = engine
        self._corrected = corrected
        self._rows = {row.row: row for row in quarantined(engine, batch, released=True)}
        runs = engine.log.imports(batch=batch)
        strange = corrected.keys() - self._rows.keys()
        known = bool(runs or self._rows)
        if not known or strange:
            raise NotInQuarantine(
                "there is no such row in quarantine" if known else "there is no such batch in quarantine",
                where=f"{batch} row {min(strange)}" if known else batch,
                rule="a row is named by its batch and its place in the file, as: lifecircle quarantine list",
                way_out="keep the columns batch and row of the export as they are",
            )
        # What came from a broker was no file: each row is a CloudEvent.
        mapping = read_stored(runs[0].mapping) if runs else None
        self._form = mapping.file if mapping else None
        self._columns: list[str] = json.loads(runs[0].columns) if runs else ["event"]
        if unknown := {column for row in corrected.values() for column in row.cells} - set(self._columns):
            raise NotInQuarantine(
                f"the file has no column {', '.join(sorted(unknown))}",
                where=batch,
                rule="its columns are " + ", ".join(self._columns),
                way_out="name one of these",
            )
        self._recipe: Recipe = CloudEvents()
        if mapping:
            key = read_id_key(engine.url) if mapping.needs_key else None
            self._recipe = Plan(mapping, self._columns, key)
        self._stems = {row.stem for row in self._rows.values() if row.stem}

    def release(self, report: Released, by: str) -> None:
        wanted = [self._rows[place] for place in sorted(self._corrected)]
        report.earlier += sum(row.released is not None for row in wanted)
        for unit in self._units(wanted, report, by):
            stem = self._stem(unit)
            self._stems.add(stem)
            noted = [row for row in unit.rows if self._is_noted(row)]
            if len(noted) == len(unit.rows):
                # A crash came between recording them and this.
                self._amend(report, unit.rows, stem, by)
                continue
            try:
                made = self._recipe.touchpoints(unit.cells, stem, self._counter())
                envelopes = [read_touchpoint(each, clock_us(), self._engine.company) for _, each in made]
            except FaultyRow as error:
                self._stay(report, [unit.rows[error.place]], error, by)
                fellows = [row for place, row in enumerate(unit.rows) if place != error.place]
                if fellows:
                    self._stay(report, fellows, unreadable("the group", FELLOW), by)
                continue
            except Refused as error:
                self._stay(report, unit.rows, error, by)
                continue
            self._record(report, unit, stem, [rule for rule, _ in made], envelopes, by)

    def _record(
        self, report: Released, unit: _Unit, stem: str, rules: Sequence[str], envelopes: Sequence[Appendable], by: str
    ) -> None:
        """Record the touchpoints and, in the same step, that their rows were let in."""
        notes = release_notes(self._engine.log.log_id, unit.rows, by)
        (verdict,) = self._engine.append_each([[*envelopes, *notes]], recordedby=by)
        if isinstance(verdict, LogUnavailable):
            raise verdict
        if isinstance(verdict, LifecircleError):
            self._stay(report, unit.rows, verdict, by)
            return
        receipts = zip(rules, verdict, strict=False)
        report.touchpoints.update(rule for rule, receipt in receipts if not receipt.repeat)
        self._amend(report, unit.rows, stem, by)

    def _amend(self, report: Released, rows: Sequence[QuarantinedRow], stem: str, by: str) -> None:
        now = clock_us()
        amend(self._engine, [row._replace(stem=stem, released=now, released_by=by) for row in rows])
        report.released += len(rows)

    def _stay(self, report: Released, rows: Sequence[QuarantinedRow], error: LifecircleError, by: str) -> None:
        rule, message = rule_and_message(error)
        stay = [row._replace(rule=rule, message=message) for row in rows]
        amend(self._engine, stay)
        note_quarantined(self._engine, stay, recordedby=by)
        report.still[rule] += len(rows)

    def _is_noted(self, row: QuarantinedRow) -> bool:
        log = self._engine.log
        return log.find(log_subject(log.log_id), SOURCE, release_id(row)) is not None

    def _units(self, wanted: Iterable[QuarantinedRow], report: Released, by: str) -> Iterable[_Unit]:
        """What is let in together: single rows, or groups with those of their rows that wait beside the wanted ones."""
        units: dict[str, list[tuple[QuarantinedRow, Sequence[str]]]] = {}
        for row in wanted:
            if row.released is not None:
                continue
            try:
                cells = self._cells(row)
                reason = self._recipe.left_out(cells)
            except UnreadableInput as error:
                self._stay(report, [row], error, by)
                continue
            if reason:
                report.left_out[reason] += 1
                self._record(Released(), _Unit([row], [cells], ""), row.stem, [], [], by)
                continue
            digest = self._digest(self._recipe.key(cells))
            # Rows that stand alone never meet, be they alike.
            units.setdefault(digest if self._recipe.group else f"{digest} {row.row}", []).append((row, cells))
        if self._recipe.group:
            for row in self._rows.values():
                digest = row.stem.partition("/")[0]
                if row.released is None and row.row not in self._corrected and digest in units:
                    units[digest].append((row, self._cells(row)))
        for digest, members in units.items():
            members.sort(key=lambda member: member[0].row)
            yield _Unit([row for row, _ in members], [cells for _, cells in members], digest.partition(" ")[0])

    def _stem(self, unit: _Unit) -> str:
        """What the row's ids are made of: as when it was read, or of the first ordinal that no row of its batch has."""
        own = [row.stem for row in unit.rows if row.stem.partition("/")[0] == unit.digest]
        if own:
            return own[0]
        ordinal = 0
        while (stem := f"{unit.digest}/{ordinal}") in self._stems:
            ordinal += 1
        return stem

    def _digest(self, key: str) -> str:
        return row_digest(self._engine.sealing.row_key, key).hex()

    def _counter(self) -> Callable[[str], str]:
        """Tells rows of one group apart that are alike and become touchpoints of their own."""
        seen: Counter[str] = Counter()

        def stem_of(key: str) -> str:
            digest = self._digest(key)
            seen[digest] += 1
            return f"{digest}/{seen[digest] - 1}"

        return stem_of

    def _cells(self, row: QuarantinedRow) -> Sequence[str]:
        corrected = self._corrected.get(row.row, Corrected(row.batch, row.row))
        raw = row.raw if corrected.raw is None else corrected.raw
        where = f"row {row.row}"
        if not row.stem and raw == row.raw:
            # What cannot even be told apart does not become better by being read again.
            raise UnreadableInput(row.message, where=where, rule=row.rule)
        if set(_ESCAPE.findall(row.raw)) & set(_ESCAPE.findall(raw)) and not row.stem:
            raise unreadable(where, r"bytes that cannot be decoded, written \x00 to \xff, are corrected")
        cells = _parsed(raw, self._form, self._columns, where)
        if len(cells) != len(self._columns):
            raise unreadable(where, "the row has as many cells as there are columns")
        for column, text in corrected.cells.items():
            cells[self._columns.index(column)] = text
        return cells


def _parsed(raw: str, form: FileForm | None, columns: Sequence[str], where: str) -> list[str]:
    """The cells of one row's text; where a file has none, of the JSON object that stands for it."""
    if form is None:
        return [raw]
    if form.format in ("xes", "parquet"):
        found = parse_json(raw, where)
        if not isinstance(found, dict) or found.keys() - set(columns):
            raise unreadable(where, "its text is a JSON object of the file's columns")
        return [str(found.get(column, "")) for column in columns]
    if form.format == "whitespace":
        return raw.split()
    reader = csv.reader(
        raw.splitlines(keepends=True),
        delimiter=form.delimiter or ("\t" if form.format == "tsv" else ","),
        quotechar=form.quote or None,
        quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
        strict=True,
    )
    try:
        rows = list(reader)
    except csv.Error as error:
        raise unreadable(where, f"quotes and lengths of cells are right ({error})") from None
    if len(rows) != 1:
        raise unreadable(where, "its text is one row")
    return rows[0]
