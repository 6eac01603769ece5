"""Importing a file: its rows become touchpoints, and every single row is accounted for.

A row is stored, a repeat of what the log holds, left out by a condition that the mapping names, or in quarantine.
An import that was interrupted is simply run again: what is stored already is found to be a repeat.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from adapters.codec import read_envelope
from adapters.engine import Engine, clock_us
from adapters.idkey import read_id_key
from adapters.log import QuarantinedRow
from adapters.settings import LIMITS
from adapters.sources.cells import unreadable
from adapters.sources.files import open_source
from adapters.sources.mapping import Mapping
from adapters.sources.plan import BLANK, NO_TOUCHPOINT, CloudEvents, FaultyRow, Plan, Recipe
from adapters.sources.readers import EventLines, Row, Source
from adapters.sources.scratch import Scratch, Tally
from domain.errors import LifecircleError, LogUnavailable, Refused, UnreadableInput
from domain.touchpoint import Envelope

FELLOW = "the other rows of its group can be read"
Progress = Callable[[int, int], None]
"""Told now and then how many bytes of the file are read, of how many."""


@dataclass
class Report:
    """What became of every row of a file. `rows` = stored + repeats + all left out + all quarantined."""

    mapping: str
    file: str
    batch: str
    rows: int = 0
    stored: int = 0
    repeats: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    touchpoints: Counter[str] = field(default_factory=Counter)
    """New touchpoints by the name of the rule that made them."""
    counted: Counter[str] = field(default_factory=Counter)
    """What the mapping has counted of all rows read."""
    ambiguous_times: int = 0
    """Local times that occurred twice, as clocks were put back, and were taken as the first."""

    def as_dict(self) -> dict[str, str | int | dict[str, int]]:
        """The report for machines."""
        return {
            "mapping": self.mapping,
            "file": self.file,
            "batch": self.batch,
            "rows": self.rows,
            "stored": self.stored,
            "repeats": self.repeats,
            "left_out": dict(self.left_out),
            "quarantined": dict(self.quarantined),
            "touchpoints": dict(self.touchpoints),
            "counted": dict(self.counted),
            "ambiguous_times": self.ambiguous_times,
        }


class _Parcel(NamedTuple):
    """The touchpoints of a row or of a group of rows: stored together or not at all."""

    rows: Sequence[Row]
    rules: Sequence[str]
    envelopes: Sequence[Envelope]


def import_file(
    engine: Engine, path: Path, mapping: Mapping | None, *, recordedby: str, progress: Progress | None = None
) -> Report:
    """Import a file into a log.

    Args:
        engine: the log.
        path: the file.
        mapping: what its rows become; None for JSON Lines, each a CloudEvent.
        recordedby: the principal who was authenticated.
        progress: told how far reading has come.

    Raises:
        UnreadableInput: the file as a whole cannot be read; nothing was stored.
        MappingInvalid: it names a column that the file has not; nothing was stored.
        IdKeyUnusable: the mapping derives keyed ids, and the log's key is not to be had; nothing was stored.
        LogUnavailable: the log was lost on the way; run the import again to complete it.
    """
    source: Source
    recipe: Recipe
    if mapping is None:
        source, recipe = EventLines(path), CloudEvents()
    else:
        source = open_source(path, mapping.file)
        mapping.check_columns(source.columns, str(path))
        recipe = Plan(mapping, source.columns, read_id_key(engine.url) if mapping.needs_key else None)
    with Scratch() as scratch:
        return _Import(engine, source, recipe, recordedby, scratch).run(progress)


class _Import:
    def __init__(self, engine: Engine, source: Source, recipe: Recipe, recordedby: str, scratch: Scratch) -> None:
        self._engine = engine
        self._source = source
        self._recipe = recipe
        self._recordedby = recordedby
        self._scratch = scratch
        self._parcels: list[_Parcel] = []
        self._faulty: list[QuarantinedRow] = []
        self._waiting = 0
        self._clock = clock_us()
        # The digest makes a corrected file a batch of its own.
        self.report = Report(recipe.name, source.path.name, f"{recipe.name}@{source.digest[:16]}")
        self.report.left_out.update(dict.fromkeys(recipe.reasons, 0))
        self.report.touchpoints.update(dict.fromkeys(recipe.rules, 0))
        self._tally = Tally(recipe.counts, self.report.counted, scratch)

    def run(self, progress: Progress | None) -> Report:
        for key, rows in self._grouped(self._kept()):
            self._take(key, rows)
            if self._waiting >= LIMITS.import_batch_rows:
                self._store()
                if progress:
                    progress(self._source.read_bytes, self._source.size_bytes)
        self._store()
        self.report.ambiguous_times = self._recipe.ambiguous_times
        if progress:
            progress(self._source.size_bytes, self._source.size_bytes)
        return self.report

    def _kept(self) -> Iterator[tuple[str, Row]]:
        """The rows that are to become touchpoints, with their keys."""
        left_out, key, tally = self._recipe.left_out, self._recipe.key, self._tally
        for row in self._source.rows():
            self.report.rows += 1
            if row.flaw:
                self._quarantine(unreadable("the row", row.flaw), row)
            elif not row.cells:
                self._leave_out(BLANK)
            else:
                try:
                    tally.take(row.cells)
                    reason = left_out(row.cells)
                except UnreadableInput as error:
                    self._quarantine(error, row)
                    continue
                if reason:
                    self._leave_out(reason)
                else:
                    yield key(row.cells), row

    def _leave_out(self, reason: str, rows: int = 1) -> None:
        self.report.left_out[reason] += rows
        self._waiting += rows

    def _grouped(self, rows: Iterable[tuple[str, Row]]) -> Iterator[tuple[str, list[Row]]]:
        grouping = self._recipe.group
        if grouping is None:
            yield from ((key, [row]) for key, row in rows)
            return
        together = self._scratch.gathered(rows) if grouping.rows == "all" else rows
        for key, pairs in groupby(together, key=itemgetter(0)):
            group: list[Row] = []
            for _, row in pairs:
                group.append(row)
                if len(group) > LIMITS.import_group_max_rows:
                    break
            if len(group) <= LIMITS.import_group_max_rows:
                yield key, group
            else:
                error = unreadable("the group", f"a group has at most {LIMITS.import_group_max_rows} rows")
                self._quarantine(error, *group)
                for _, row in pairs:
                    self._quarantine(error, row)

    def _take(self, key: str, rows: list[Row]) -> None:
        """Turn a row or a group into touchpoints that wait to be stored, or into rows for quarantine."""
        try:
            made = self._recipe.touchpoints([row.cells for row in rows], self._stem_of(key), self._stem_of)
            envelopes = [read_envelope(envelope, self._clock, self._engine.company) for _, envelope in made]
        except FaultyRow as error:
            fellows = [row for place, row in enumerate(rows) if place != error.place]
            self._quarantine(error, rows[error.place])
            if fellows:
                self._quarantine(unreadable("the group", FELLOW), *fellows)
        except Refused as error:
            self._quarantine(error, *rows)
        else:
            if not made:
                self._leave_out(NO_TOUCHPOINT, len(rows))
                return
            self._parcels.append(_Parcel(rows, [rule for rule, _ in made], envelopes))
            self._waiting += len(rows)

    def _stem_of(self, key: str) -> str:
        """What tells a row or group from all others, those with the same key too."""
        digest = sha256(key.encode()).digest()
        return f"{digest.hex()}/{self._scratch.ordinal(digest)}"

    def _quarantine(self, error: LifecircleError, *rows: Row) -> None:
        rule = error.rule or error.name
        message = f"{error.what} ({error.where})" if error.where else error.what
        self.report.quarantined[rule] += len(rows)
        self._waiting += len(rows)
        self._faulty += [
            QuarantinedRow(
                self.report.batch, row.line, self._recipe.source, rule, message, self._source.told(row), clock_us()
            )
            for row in rows
        ]
        if len(self._faulty) >= LIMITS.import_batch_rows:
            self._flush_quarantine()

    def _flush_quarantine(self) -> None:
        faulty, self._faulty = self._faulty, []
        if faulty:
            self._engine.log.quarantine(faulty)

    def _store(self) -> None:
        parcels, self._parcels, self._waiting = self._parcels, [], 0
        verdicts = self._engine.append_each([each.envelopes for each in parcels], recordedby=self._recordedby)
        for parcel, verdict in zip(parcels, verdicts, strict=True):
            if isinstance(verdict, LogUnavailable):
                raise verdict
            if isinstance(verdict, LifecircleError):
                self._quarantine(verdict, *parcel.rows)
                continue
            new = [rule for rule, receipt in zip(parcel.rules, verdict, strict=True) if not receipt.repeat]
            self.report.touchpoints.update(new)
            if new:
                self.report.stored += len(parcel.rows)
            else:
                self.report.repeats += len(parcel.rows)
        self._flush_quarantine()
        self._clock = clock_us()
