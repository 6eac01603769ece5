"""Rebuild: fold the whole log into new generations of views, beside all readers and writers, and switch at once.

The log is read stream by stream in parts, which several processes fold and write; families that merges joined are
folded apart. What was recorded meanwhile is caught up, the last of it while nobody else writes views.
"""

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, groupby, islice
from multiprocessing import get_context
from operator import attrgetter
from typing import NamedTuple

from adapters.addresses import open_sweep, open_tables
from adapters.codec import fact_of
from adapters.folder import Folder, poison
from adapters.log import Cursor, Log, Stored
from adapters.projector import live_generations, position_cursor
from adapters.replay import linked
from adapters.settings import LIMITS
from adapters.sweep import Part
from adapters.tables import Generation, Parking, Tables, Transaction, Views, fingerprint, misfit
from domain.company import Company
from domain.history import components, effective_histories
from projections import view_named
from projections.view import Row, fold

Progress = Callable[[int, int], None]
"""Told how many touchpoints are folded, and of how many."""

_FAMILIES_AT_ONCE = 500


class _Plan(NamedTuple):
    """What every worker must know."""

    url: str
    company: Company
    views: Views
    made: tuple[Generation, ...]
    cut: Cursor
    apart: frozenset[str]


def rebuild(
    log: Log,
    tables: Tables,
    company: Company,
    view_names: Iterable[str] | None = None,
    on_progress: Progress | None = None,
    workers: int = 2,
) -> list[Generation]:
    """Fold views anew from the whole log and switch to them; readers use the old ones until then.

    Views that are missing, or were built by another definition or company, are rebuilt with those that are named. What
    fails, or is stopped by an error out of `on_progress`, leaves all as it was; the next rebuild clears up after it.

    Args:
        log: what is folded.
        tables: where to.
        company: whose settings the views read.
        view_names: the views; all when not given.
        on_progress: told how many touchpoints are folded, and of how many.
        workers: how many processes fold; a log that one part holds is folded in this one.

    Raises:
        UnknownView: there is none of a name.
        ProjectorFenced: another rebuild runs.
        LogUnavailable: a database was lost.
    """
    names = [name for name in view_names or tables.views if name in tables.views or view_named(name)]
    wanted = {name: fingerprint(view, company, log.log_id) for name, view in tables.views.items()}
    with tables.lead("rebuild"):
        with tables.transaction() as transaction:
            live = live_generations(transaction)
            transaction.forget([known for known in transaction.generations() if known.state != "live"])
            made = transaction.create(
                {
                    name: told
                    for name, told in wanted.items()
                    if name in names or name not in live or live[name].fingerprint != told
                }
            )
        cut = log.heads()
        families = _families(log, cut)
        plan = _Plan(tables.url, company, tables.views, tuple(made), cut, frozenset[str]().union(*families))
        total, done = sum(cut.numbers), 0
        for folded in _folded(plan, families, workers if total > LIMITS.rebuild_part_touchpoints else 0):
            done += folded
            if on_progress:
                on_progress(done, total)
        for generation in made:
            with tables.building() as transaction:
                transaction.finish(generation)
        _switch(log, tables, company, made, cut)
    return made


def _families(log: Log, cut: Cursor) -> list[frozenset[str]]:
    links = [fact_of(stored) for stored in log.links(cut)]
    joined = components(links)
    return list({joined.of(side) for link in links for side in linked(link)})


def _folded(plan: _Plan, families: Sequence[frozenset[str]], workers: int) -> Iterator[int]:
    """Fold every part and every family; tell after each how many touchpoints it was."""
    sweep = open_sweep(plan.url)
    joined = (list(families[at : at + _FAMILIES_AT_ONCE]) for at in range(0, len(families), _FAMILIES_AT_ONCE))
    tasks: Iterator[Part | list[frozenset[str]]] = chain(joined, sweep.parts(plan.cut, LIMITS.rebuild_part_touchpoints))
    try:
        if workers:
            yield from _folded_in_processes(plan, tasks, workers)
            return
        worker = _Worker(plan)
        try:
            yield from map(worker.fold, tasks)
        finally:
            worker.close()
    finally:
        sweep.close()


def _folded_in_processes(plan: _Plan, tasks: Iterator[Part | list[frozenset[str]]], workers: int) -> Iterator[int]:
    # Spawned, for a forked child would share this process's connections and locks.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(plan,))
    try:
        waiting = deque(pool.submit(_fold, task) for task in islice(tasks, 2 * workers))
        while waiting:
            folded = waiting.popleft().result()
            waiting.extend(pool.submit(_fold, task) for task in islice(tasks, 1))
            yield folded
    finally:
        pool.shutdown(cancel_futures=True)


_worker: "_Worker"


def _begin(plan: _Plan) -> None:
    global _worker
    # A part is thousands of facts and rows that all live until it is written, and none is in a cycle: looking for
    # garbage among them, over and over, finds nothing. The process ends with the rebuild.
    gc.disable()
    _worker = _Worker(plan)


def _fold(task: Part | list[frozenset[str]]) -> int:
    return _worker.fold(task)


class _Worker:
    """Folds parts of the log, one after the other, and writes their rows."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._sweep = open_sweep(plan.url)
        self._tables = open_tables(plan.url, plan.company, plan.views)
        self._views = [(generation, plan.views[generation.view](plan.company)) for generation in plan.made]

    def fold(self, task: Part | list[frozenset[str]]) -> int:
        """Fold all subjects of a part, or some families, and write their rows in one transaction."""
        rows: list[tuple[Generation, list[Row]]] = [(generation, []) for generation, _ in self._views]
        parked: list[tuple[Generation, Parking]] = []
        done = 0
        for touchpoints in self._streams(task):
            done += len(touchpoints)
            self._fold_family(touchpoints, rows, parked)
        try:
            self._load(rows, parked)
        except Exception:
            # A row that no table takes is rare, so all rows are looked at only once the database has refused some.
            if not self._park_misfits(rows, parked):
                raise
            self._load(rows, parked)
        return done

    def _streams(self, task: Part | list[frozenset[str]]) -> Iterator[list[Stored]]:
        if isinstance(task, Part):
            for stream, touchpoints in groupby(self._sweep.read(task, self._plan.cut), key=attrgetter("stream")):
                if stream not in self._plan.apart:
                    yield list(touchpoints)
            return
        for family in task:
            yield [stored for stream in sorted(family) for stored in self._sweep.stream(stream, self._plan.cut)]

    def _fold_family(
        self,
        touchpoints: Sequence[Stored],
        rows: Sequence[tuple[Generation, list[Row]]],
        parked: list[tuple[Generation, Parking]],
    ) -> None:
        try:
            histories = effective_histories([fact_of(stored) for stored in touchpoints])
        except Exception as error:  # noqa: BLE001 - what cannot be read or put in order parks its subjects, visibly
            at, name = touchpoints[-1], type(error).__name__
            for subject in dict.fromkeys(stored.stream for stored in touchpoints):
                parked += (
                    (generation, Parking(generation.view, subject, at.bucket, at.number, name))
                    for generation in self._plan.made
                )
            return
        for root, history in histories.items():
            for (generation, view), (_, collected) in zip(self._views, rows, strict=True):
                try:
                    collected += fold(view, root, history).values()
                except Exception as error:  # noqa: BLE001 - whatever a fold raises parks its subject, visibly
                    bucket, number = poison(view, root, history)
                    parked.append((generation, Parking(generation.view, root, bucket, number, type(error).__name__)))

    def _load(self, rows: Sequence[tuple[Generation, list[Row]]], parked: Sequence[tuple[Generation, Parking]]) -> None:
        with self._tables.building() as transaction:
            transaction.load(rows, parked)

    def _park_misfits(
        self, rows: Sequence[tuple[Generation, list[Row]]], parked: list[tuple[Generation, Parking]]
    ) -> bool:
        found = False
        for generation, collected in rows:
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


def _switch(log: Log, tables: Tables, company: Company, made: Sequence[Generation], cut: Cursor) -> None:
    """Catch up with what was recorded since the cut, the last of it while nobody else writes, and go live."""
    new = {generation.view: generation for generation in made}
    with tables.building() as transaction:
        folder = _folder(log, tables, company, transaction, new, cut)
    while sum(log.heads().numbers) - sum(folder.position.numbers) > LIMITS.projector_batch_max:
        for batch in _batches(log, folder.position, log.heads()):
            with tables.building() as transaction:
                _apply(folder, batch, new, transaction)
    with tables.transaction() as transaction:
        others = {
            name: known
            for name, known in live_generations(transaction).items()
            if name in tables.views and name not in new
        }
        if not others:
            transaction.restart()
        before = position_cursor(log, transaction.position())
        pairs = zip(before.numbers, folder.position.numbers, strict=True)
        until = Cursor(log.log_id, tuple(max(pair) for pair in pairs))
        for batch in _batches(log, folder.position, until):
            _apply(folder, batch, new, transaction)
        if others and until != before:
            second = _folder(log, tables, company, transaction, others, before)
            for batch in _batches(log, before, until):
                _apply(second, batch, others, transaction)
        moved = enumerate(zip(before.numbers, until.numbers, strict=True), 1)
        transaction.track({bucket: now for bucket, (was, now) in moved if was != now})
        transaction.switch(made, until)


def _folder(
    log: Log,
    tables: Tables,
    company: Company,
    transaction: Transaction,
    generations: Mapping[str, Generation],
    position: Cursor,
) -> Folder:
    parked = {name: transaction.parked(generation) for name, generation in generations.items()}
    return Folder(log, {name: tables.views[name](company) for name in generations}, position, parked)


def _batches(log: Log, after: Cursor, until: Cursor) -> Iterator[list[Stored]]:
    while batch := log.read(after, LIMITS.projector_batch_max, until):
        yield batch
        for stored in batch:
            after = after.advanced(stored.bucket, stored.number)


def _apply(
    folder: Folder, batch: Sequence[Stored], generations: Mapping[str, Generation], transaction: Transaction
) -> None:
    changes = folder.take(batch, lambda name, subjects: transaction.standing(generations[name], subjects))
    for name, changed in changes.items():
        if changed:
            transaction.apply(generations[name], changed)
