"""Folding the whole log into tables that are being built: stream by stream, in parts, by several processes.

Families that merges joined are folded apart. A part is noted in the transaction that writes its rows, so whoever goes
on after a fold that was cut off folds only what is missing, and no part is ever written twice.
"""

import gc
import os
import signal
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby, islice
from math import isfinite
from multiprocessing import connection, get_context, parent_process
from operator import attrgetter
from threading import Thread
from typing import NamedTuple, TypeVar

from adapters.addresses import open_sweep, open_tables
from adapters.codec import fact_of
from adapters.log import Cursor, Log, Stored
from adapters.settings import LIMITS
from adapters.views.folder import poison
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.replay import linked
from adapters.views.sweep import Part
from adapters.views.tables import Generation, Parking, Tables, Views, misfit
from domain.company import Company
from domain.errors import FoldingStopped
from domain.history import components, effective_histories
from projections.view import Dealer, Row, fold_dealt

Progress = Callable[[int, int], None]
"""Told how many touchpoints are folded, and of how many; at first, how many were folded before."""

_FAMILIES_AT_ONCE = 500

Family = frozenset[str]

T = TypeVar("T")
R = TypeVar("R")


class _Plan(NamedTuple):
    """What every worker must know."""

    url: str
    place: str
    company: Company
    views: Views
    made: tuple[Generation, ...]
    cut: Cursor
    until: int | None
    apart: Family


class _Task(NamedTuple):
    """A part, and its families where it is one of families."""

    part: Part
    families: Sequence[Family] = ()


def fold_log(
    log: Log,
    tables: Tables,
    made: Sequence[Generation],
    cut: Cursor,
    until: int | None = None,
    on_progress: Progress | None = None,
    workers: int = 2,
) -> None:
    """Fold what the log holds within a cut into generations that are building, where it is not folded yet.

    When all of it is there, their keys are made.

    Args:
        log: what is folded.
        tables: whose the generations are.
        made: all that are built together.
        cut: the one that they were begun with.
        until: leaves out what effectively occurred later, in microseconds since 1970 UTC.
        on_progress: told after each part, and before the first.
        workers: how many processes fold; a log that one part holds is folded in this one.

    Raises:
        ProjectorFenced: another rebuild has begun anew.
        LogUnavailable: a database was lost. LogNotWritable: it is full.
        FoldingStopped: a process that folds was killed.
    """
    if not made:
        return
    with tables.transaction() as transaction:
        folded = transaction.folded(made)
    families = _families(log, cut)
    apart = frozenset[str]().union(*families)
    plan = _Plan(tables.url, tables.place, tables.company, tables.views, tuple(made), cut, until, apart)
    total, done = sum(cut.numbers), sum(folded.values())
    if on_progress:
        on_progress(done, total)
    for count in _folded(plan, families, folded, workers if total - done > LIMITS.rebuild_part_touchpoints else 0):
        done += count
        if on_progress:
            on_progress(done, total)


def _families(log: Log, cut: Cursor) -> list[Family]:
    """The families of the log, by their first streams; the same for the same cut."""
    links = [fact_of(stored) for stored in log.links(cut)]
    joined = components(links)
    return sorted({joined.of(side) for link in links for side in linked(link)}, key=min)


def _folded(plan: _Plan, families: Sequence[Family], folded: Mapping[Part, int], workers: int) -> Iterator[int]:
    """Fold every part and every family that is missing; tell after each how many touchpoints it was."""
    sweep = open_sweep(plan.url)
    firsts = [min(family) for family in families]

    def end(bucket: int, after: str) -> str | None:
        if bucket:
            return sweep.end_of_part(bucket, after, LIMITS.rebuild_part_touchpoints)
        last = bisect_right(firsts, after) + _FAMILIES_AT_ONCE - 1
        return firsts[last] if last < len(firsts) - 1 else None

    def tasks() -> Iterator[_Task]:
        # Families first, so that nobody waits in the end for a large one.
        for bucket in range(len(plan.cut.numbers) + 1):
            for part in missing(bucket, folded, end):
                last = len(firsts) if part.last is None else bisect_right(firsts, part.last)
                yield _Task(part, () if bucket else families[bisect_right(firsts, part.after) : last])

    try:
        if workers:
            yield from _folded_in_processes(plan, tasks(), workers)
            return
        worker = _Worker(plan)
        try:
            yield from map(worker.fold, tasks())
            for generation in plan.made:
                worker.finish(generation)
        finally:
            worker.close()
    finally:
        sweep.close()


def missing(bucket: int, folded: Mapping[Part, int], end: Callable[[int, str], str | None]) -> Iterator[Part]:
    """The parts of a bucket that are left between those that are folded; together they are the whole bucket, once.

    Args:
        bucket: the bucket.
        folded: parts that do not overlap, of all buckets.
        end: where a part ends that begins after a stream; None at the end of the bucket.
    """
    there = {part.after: part.last for part in folded if part.bucket == bucket}
    begins = sorted(there)
    after: str | None = ""
    while after is not None:
        if after in there:
            after = there[after]
            continue
        last = end(bucket, after)
        # What was recorded since moves the ends, but never into what is folded.
        following = next(iter(begins[bisect_right(begins, after) :]), None)
        if following is not None and (last is None or last > following):
            last = following
        yield Part(bucket, after, last)
        after = last


def _folded_in_processes(plan: _Plan, tasks: Iterator[_Task], workers: int) -> Iterator[int]:
    # Spawned, for a forked child would share this process's connections and locks.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(plan,))

    def submitted(work: Callable[[T], R], items: Iterable[T]) -> list[Future[R]]:
        # Ctrl-C reaches every process of a terminal. The workers are born deaf to it: this process stops them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return [pool.submit(work, item) for item in items]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        waiting = deque(submitted(_fold, islice(tasks, 2 * workers)))
        while waiting:
            folded = waiting.popleft().result()
            waiting.extend(submitted(_fold, islice(tasks, 1)))
            yield folded
        for finished in submitted(_finish, plan.made):
            finished.result()
    except BrokenProcessPool:
        raise FoldingStopped(
            "a process that folds was killed, by somebody or for want of memory",
            rule="what is folded is kept, and the live views are as they were",
            way_out="look why, then do the same again",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_worker: "_Worker"


def _begin(plan: _Plan) -> None:
    global _worker
    # A part is thousands of facts and rows that all live until it is written, and none is in a cycle: looking for
    # garbage among them, over and over, finds nothing. The process ends with the rebuild.
    gc.disable()
    Thread(target=_end_with_parent, daemon=True).start()
    _worker = _Worker(plan)


def _end_with_parent() -> None:
    # The pool's own processes would wait for ever for the next task of one that was killed.
    parent = parent_process()
    if parent:
        connection.wait([parent.sentinel])
        os._exit(1)


def _fold(task: _Task) -> int:
    return _worker.fold(task)


def _finish(generation: Generation) -> None:
    _worker.finish(generation)


class _Worker:
    """Folds parts of the log, one after the other, and writes their rows."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._sweep = open_sweep(plan.url)
        self._pseudonyms = Pseudonyms.of_log(plan.url)
        self._tables = open_tables(plan.url, plan.company, plan.views, plan.place)
        self._views = {each.view: (each, plan.views[each.view](plan.company)) for each in plan.made}
        self._dealer = Dealer({name: view for name, (_, view) in self._views.items()})
        columns = {name: enumerate(view.columns()) for name, (_, view) in self._views.items()}
        floats = {name: [place for place, column in each if column.type is float] for name, each in columns.items()}
        self._floats = {name: places for name, places in floats.items() if places}

    def fold(self, task: _Task) -> int:
        """Fold all subjects of a part, or its families, and write their rows in one transaction."""
        rows: dict[str, list[Row]] = {name: [] for name in self._views}
        parked: list[tuple[Generation, Parking]] = []
        done = 0
        for touchpoints in self._streams(task):
            done += len(touchpoints)
            self._fold_family(touchpoints, rows, parked)
        if self._hold_no_number(rows):  # which no database refuses
            self._park_misfits(rows, parked)
        try:
            self._load(task.part, done, rows, parked)
        except Exception:
            # A row that no table takes is rare, so all rows are looked at only once the database has refused some.
            if not self._park_misfits(rows, parked):
                raise
            self._load(task.part, done, rows, parked)
        return done

    def finish(self, generation: Generation) -> None:
        """Make the key of a generation."""
        with self._tables.building() as transaction:
            transaction.finish(generation)

    def _streams(self, task: _Task) -> Iterator[list[Stored]]:
        if task.part.bucket:
            for stream, touchpoints in groupby(self._sweep.read(task.part, self._plan.cut), key=attrgetter("stream")):
                if stream not in self._plan.apart:
                    yield list(touchpoints)
            return
        for family in task.families:
            yield [stored for stream in sorted(family) for stored in self._sweep.stream(stream, self._plan.cut)]

    def _fold_family(
        self,
        touchpoints: Sequence[Stored],
        rows: Mapping[str, list[Row]],
        parked: list[tuple[Generation, Parking]],
    ) -> None:
        try:
            histories = effective_histories([fact_of(stored) for stored in touchpoints], self._plan.until)
        except Exception as error:  # noqa: BLE001 - what cannot be read or put in order parks its subjects, visibly
            at, name = touchpoints[-1], type(error).__name__
            for subject in dict.fromkeys(stored.stream for stored in touchpoints):
                parked += (
                    (generation, Parking(generation.view, subject, at.bucket, at.number, name))
                    for generation in self._plan.made
                )
            return
        for root, effective in histories.items():
            history = self._pseudonyms.put_into(effective)
            for name, dealt in self._dealer.dealt(history).items():
                generation, view, collected = *self._views[name], rows[name]
                try:
                    collected += fold_dealt(view, root, dealt)
                except Exception as error:  # noqa: BLE001 - whatever a fold raises parks its subject, visibly
                    bucket, number = poison(view, root, history)
                    parked.append((generation, Parking(generation.view, root, bucket, number, type(error).__name__)))

    def _load(
        self,
        part: Part,
        touchpoints: int,
        rows: Mapping[str, list[Row]],
        parked: Sequence[tuple[Generation, Parking]],
    ) -> None:
        with self._tables.building() as transaction:
            if transaction.claim(self._plan.made, part, touchpoints):
                transaction.load([(each, rows[each.view]) for each in self._plan.made], parked)

    def _hold_no_number(self, rows: Mapping[str, list[Row]]) -> bool:
        return any(
            isinstance(row[place], float) and not isfinite(row[place])
            for name, places in self._floats.items()
            for row in rows[name]
            for place in places
        )

    def _park_misfits(self, rows: Mapping[str, list[Row]], parked: list[tuple[Generation, Parking]]) -> bool:
        found = False
        for generation in self._plan.made:
            collected = rows[generation.view]
            columns = self._plan.views[generation.view].columns()
            subjects = {row[0] for row in collected if misfit(columns, row)}
            found = found or bool(subjects)
            collected[:] = [row for row in collected if row[0] not in subjects]
            parked += [(generation, Parking(generation.view, each, 0, 0, "OverflowError")) for each in subjects]
        return found

    def close(self) -> None:
        """Give all connections back."""
        self._sweep.close()
        self._tables.close()
