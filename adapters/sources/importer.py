"""Importing a file: its rows become touchpoints, and every single row is accounted for.

A row is stored, a repeat of what the log holds, left out by a condition that the mapping names, or in quarantine.
An import that was interrupted is simply run again: it goes on where it was, and what it had stored beyond that is found
to be a repeat.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, Protocol

from adapters.clock import clock_us
from adapters.codec import read_touchpoint
from adapters.collector import seldom
from adapters.engine import Engine
from adapters.evidence import rule_and_message, set_aside
from adapters.idkey import read_id_key
from adapters.log import QuarantinedRow, Verdict
from adapters.progress import Progress
from adapters.settings import LIMITS
from adapters.sources.cells import row_digest, unreadable
from adapters.sources.files import open_source
from adapters.sources.mapping import Mapping
from adapters.sources.plan import BLANK, NO_TOUCHPOINT, CloudEvents, FaultyRow, Plan, Recipe
from adapters.sources.readers import EventLines, Row, Source
from adapters.sources.report import LEFT_OUT, QUARANTINED, REPEATS, STORED, TWICE, Report
from adapters.sources.resume import Track, Untracked
from adapters.sources.scratch import Scratch, Tally
from domain.company import Company
from domain.compiled import Appendable
from domain.errors import LifecircleError, LogUnavailable, Refused, UnreadableInput

GREW = "the file grew while it was read: import it again for the rest"
UNCLOSED = "unexpected end of data"  # as the csv module says it
FELLOW = "the other rows of its group can be read"


class _Parcel(NamedTuple):
    """A row or a group of rows whose touchpoints are stored together or not at all, and the rules that made them.

    The touchpoints themselves are handed over as they are made, for thousands of them kept alive are walked by the
    garbage collector again and again.
    """

    rows: Sequence[Row]
    stem: str
    rules: Sequence[str]


class _Batch:
    """What is read at one go: parcels to store, rows for quarantine, and how the other rows were settled.

    taken: rows or groups that were read up to its end; waiting: its rows; twice: local times that occurred twice,
    up to its end.
    """

    __slots__ = ("faulty", "parcels", "settled", "taken", "twice", "waiting")

    def __init__(self) -> None:
        self.parcels: list[_Parcel] = []
        self.faulty: list[QuarantinedRow] = []
        self.settled: Counter[str] = Counter()
        self.taken = self.waiting = self.twice = 0


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
        UnreadableInput: the file as a whole cannot be read, and nothing was stored; or it changed while it was read.
        MappingInvalid: it names a column that the file has not; nothing was stored.
        IdKeyUnusable, KeysUnusable: keys of the log from which it derives ids are not to be had; nothing was stored.
        LogUnavailable: the log was lost on the way; run the import again to complete it.
    """
    source: Source
    recipe: Recipe
    key = read_id_key(engine.url) if mapping and mapping.needs_key else None
    if mapping is None:
        source, recipe = EventLines(path), CloudEvents()
    else:
        source = open_source(path, mapping.file)
        mapping.check_columns(source.columns, str(path))
        recipe = Plan(mapping, source.columns, key)
    into, row_key = _IntoLog(engine, recordedby, engine.company), engine.sealing.row_key
    track = Track(engine.log, source, recipe.name, mapping, key, row_key)
    with Scratch() as scratch, seldom():
        return Import(into, source, recipe, track, scratch, row_key).run(progress)


class Destination(Protocol):
    """Where an import brings its touchpoints, and the rows that could become none."""

    @property
    def company(self) -> Company:
        """Whose rules hold."""
        ...

    def store(self, batches: Iterable[Iterable[Sequence[Appendable]]]) -> Iterator[list[Verdict]]:
        """Store batch after batch of groups of touchpoints, each group whole or not at all.

        The next batch may be taken before the verdicts of the one before it are answered, but not before all of its
        groups are: they are read as they are taken.
        """
        ...

    def set_aside(self, rows: list[QuarantinedRow]) -> None:
        """Keep rows in quarantine."""
        ...


class _IntoLog(NamedTuple):
    engine: Engine
    recordedby: str
    company: Company

    def store(self, batches: Iterable[Iterable[Sequence[Appendable]]]) -> Iterator[list[Verdict]]:
        return self.engine.append_batches(batches, recordedby=self.recordedby)

    def set_aside(self, rows: list[QuarantinedRow]) -> None:
        set_aside(self.engine, rows, recordedby=self.recordedby)


class Import:
    """One reading of a file, from its first row to its last."""

    def __init__(
        self,
        into: Destination,
        source: Source,
        recipe: Recipe,
        track: Track | Untracked,
        scratch: Scratch,
        row_key: bytes,
    ) -> None:
        self._into, self._row_key = into, row_key
        self._source = source
        self._recipe = recipe
        self._track = track
        self._scratch = scratch
        self._batch = _Batch()
        self._clock = clock_us()
        self._taken = 0
        self._ended = self._unfinished = False
        # The batch has the file's digest in it, so that a corrected file is one of its own.
        self.report = Report(recipe.name, source.path.name, track.batch)
        self.report.left_out.update(dict.fromkeys(recipe.reasons, 0))
        self.report.touchpoints.update(dict.fromkeys(recipe.rules, 0))
        self._tally = Tally(recipe.counts, self.report.counted, scratch)
        self.report.notes += [track.note] if track.note else []
        # What reading alone finds out is found out again whenever the file is read; the rest is what a track keeps.
        self._settled = track.outcomes
        self._settled[REPEATS] += self._settled.pop(STORED, 0)
        self.report.earlier = self._settled.total() - self._settled[TWICE]
        self._twice_earlier = self._settled[TWICE]

    def run(self, progress: Progress | None) -> Report:
        """Read all of it, and answer what became of every row."""
        read = deque[_Batch]()
        taken = kept = self._track.taken
        for verdicts in self._into.store(self._batches(read)):
            batch = read.popleft()
            self._settle(batch, verdicts)
            taken = batch.taken
            if taken - kept >= LIMITS.import_checkpoint_rows:
                self._track.keep(taken, self._settled)
                kept = taken
            if progress:
                progress(self._source.read_bytes, self._source.size_bytes)
        self._track.keep(taken, self._settled, end="open" if self._unfinished else "closed")
        if progress:
            progress(self._source.size_bytes, self._source.size_bytes)
        return self._reported()

    def _batches(self, read: deque[_Batch]) -> Iterator[Iterator[Sequence[Appendable]]]:
        """Read all of it, batch by batch; the last may be empty."""
        rows = self._grouped(self._kept())
        while not self._ended:
            self._batch = _Batch()
            self._clock = clock_us()
            read.append(self._batch)
            yield self._groups(self._batch, rows)

    def _groups(self, batch: _Batch, rows: Iterator[tuple[str, list[Row]]]) -> Iterator[Sequence[Appendable]]:
        """Read one batch: the touchpoints of each of its parcels."""
        while batch.waiting < LIMITS.import_batch_rows:
            key, members = next(rows, (None, []))
            if key is None:
                self._ended = True
                break
            stem = self._stem_of(key)
            self._taken += 1
            if self._taken <= self._track.taken:
                batch.waiting += len(members)
                self._recipe.pass_over([row.cells for row in members], self._stem_of)
            elif envelopes := self._take(batch, stem, members):
                yield envelopes
        batch.taken, batch.twice = self._taken, self._twice_earlier + self._recipe.ambiguous_times

    def _reported(self) -> Report:
        self.report.settle(self._settled)
        if self._grew() and GREW not in self.report.notes:
            self.report.notes.append(GREW)
        return self.report

    def _grew(self) -> bool:
        return self._source.path.stat().st_size > self._source.size_bytes

    def _kept(self) -> Iterator[tuple[str, Row]]:
        """The rows that are to become touchpoints, with their keys."""
        left_out, key, tally, may_grow = self._recipe.left_out, self._recipe.key, self._tally, self._source.may_grow
        for row in self._source.rows():
            if may_grow and (row.raw[-1:] not in "\r\n" or (row.flaw and UNCLOSED in row.flaw)):
                if self._grew():
                    # Somebody is writing this line just now.
                    self.report.notes.append(GREW)
                    return
                self._unfinished = True
            self.report.rows += 1
            if row.flaw:
                self._set_aside(self._batch, self.report.quarantined, unreadable("the row", row.flaw), row)
            elif not row.cells:
                self._leave_out(BLANK)
            else:
                try:
                    tally.take(row.cells)
                    reason = left_out(row.cells)
                except UnreadableInput as error:
                    self._set_aside(self._batch, self.report.quarantined, error, row)
                    continue
                if reason:
                    self._leave_out(reason)
                else:
                    yield key(row.cells), row

    def _leave_out(self, reason: str) -> None:
        self.report.left_out[reason] += 1
        self._batch.waiting += 1

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
                self._set_aside(self._batch, self.report.quarantined, error, *group)
                for _, row in pairs:
                    self._set_aside(self._batch, self.report.quarantined, error, row)

    def _take(self, batch: _Batch, stem: str, rows: list[Row]) -> Sequence[Appendable]:
        """Turn a row or a group into touchpoints to store, or into rows for quarantine."""
        envelopes: list[Appendable] = []
        try:
            made = self._recipe.touchpoints([row.cells for row in rows], stem, self._stem_of)
            envelopes = [read_touchpoint(envelope, self._clock, self._into.company) for _, envelope in made]
        except FaultyRow as error:
            fellows = [row for place, row in enumerate(rows) if place != error.place]
            self._refuse(batch, error, stem, rows[error.place])
            if fellows:
                self._refuse(batch, unreadable("the group", FELLOW), stem, *fellows)
        except Refused as error:
            self._refuse(batch, error, stem, *rows)
        else:
            if made:
                batch.parcels.append(_Parcel(rows, stem, tuple([rule for rule, _ in made])))
            else:
                batch.settled[f"{LEFT_OUT}: {NO_TOUCHPOINT}"] += len(rows)
            batch.waiting += len(rows)
        return envelopes

    def _stem_of(self, key: str) -> str:
        """What tells a row or group from all others, those with the same key too."""
        digest = row_digest(self._row_key, key)
        return f"{digest.hex()}/{self._scratch.ordinal(digest)}"

    def _refuse(self, batch: _Batch, error: LifecircleError, stem: str, *rows: Row) -> None:
        counted: Counter[str] = Counter()
        self._set_aside(batch, counted, error, *rows, stem=stem)
        batch.settled.update({f"{QUARANTINED}: {rule}": count for rule, count in counted.items()})

    def _set_aside(
        self, batch: _Batch, counter: Counter[str], error: LifecircleError, *rows: Row, stem: str = ""
    ) -> None:
        rule, message = rule_and_message(error)
        counter[rule] += len(rows)
        batch.waiting += len(rows)
        batch.faulty += [
            QuarantinedRow(
                self.report.batch,
                row.line,
                self._recipe.source,
                rule,
                message,
                self._source.told(row),
                clock_us(),
                stem,
            )
            for row in rows
        ]
        if len(batch.faulty) >= LIMITS.import_batch_rows:
            self._flush_quarantine(batch)

    def _flush_quarantine(self, batch: _Batch) -> None:
        faulty, batch.faulty = batch.faulty, []
        if faulty:
            self._into.set_aside(faulty)

    def _settle(self, batch: _Batch, verdicts: Sequence[Verdict]) -> None:
        """Count what became of a batch's rows; those that were refused go to quarantine."""
        for parcel, verdict in zip(batch.parcels, verdicts, strict=True):
            if isinstance(verdict, LogUnavailable):
                raise verdict
            if isinstance(verdict, LifecircleError):
                self._refuse(batch, verdict, parcel.stem, *parcel.rows)
                continue
            new = [rule for rule, receipt in zip(parcel.rules, verdict, strict=True) if not receipt.repeat]
            self.report.touchpoints.update(new)
            batch.settled[STORED if new else REPEATS] += len(parcel.rows)
        self._flush_quarantine(batch)
        self._settled.update(batch.settled)
        self._settled[TWICE] = batch.twice
