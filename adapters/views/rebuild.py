"""Rebuild: fold the whole log into new generations of views, beside all readers and writers, and switch at once.

What was recorded while they were folded is caught up, the last of it while nobody else writes views. A rebuild that was
cut off is taken up by the next one where it stood.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import NamedTuple

from adapters.cursor import Cursor
from adapters.log import Log, Stored
from adapters.progress import Progress
from adapters.settings import LIMITS
from adapters.views.folder import Folder
from adapters.views.folding import fold_log, workers_for
from adapters.views.projector import live_generations, position_cursor
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.tables import (
    Generation,
    Tables,
    Transaction,
    ViewNotBuilt,
    fingerprint,
    not_built,
    open_tables,
    primary_key,
)
from domain.company import Company
from domain.errors import CursorInvalid
from projections import view_named
from projections.difference import RowDifference, row_differences


class Comparison(NamedTuple):
    """The rows of a view in its live generation and in one that was built anew, folded equally far.

    A column counts as shared when it has the same name and type in both; `differences` is None where the key of the
    rows is not shared, so that they cannot be told from one another.
    """

    live: Generation | None
    built: Generation
    key: tuple[str, ...]
    shared: list[str]
    only_live: list[str]
    only_built: list[str]
    differences: Iterator[RowDifference] | None


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
    fails, is killed, or is stopped by an error out of `on_progress`, leaves the live views as they were, and the next
    rebuild of the same views goes on where it stood.

    Args:
        log: what is folded.
        tables: where to.
        company: whose settings the views read.
        view_names: the views; all when not given.
        on_progress: told how many touchpoints are folded, and of how many; at first, how many were folded before.
        workers: how many processes fold, this one among them; a log that one part holds is folded in this one.

    Raises:
        UnknownView: there is none of a name.
        ProjectorFenced: another rebuild runs.
        LogUnavailable: a database was lost. LogNotWritable: it is full.
        FoldingStopped: a process that folds was killed.
    """
    with tables.lead("rebuild"), workers_for(tables.url, heads := log.heads(), workers) as processes:
        with tables.transaction() as transaction:
            made, cut, dead = _begun(log, tables, company, view_names, transaction, heads)
        with _forgetting(tables, dead):
            fold_log(log, tables, made, cut, processes, on_progress=on_progress)
        new = {generation.view: generation for generation in made}
        folder = _caught_up(log, tables, company, new, cut, log.heads, on_progress)
        _switch(log, tables, company, made, folder, heads)
    return made


@contextmanager
def compared(
    log: Log,
    tables: Tables,
    company: Company,
    view_names: Iterable[str] | None = None,
    on_progress: Progress | None = None,
    workers: int = 2,
) -> Iterator[Iterator[Comparison]]:
    """Fold views anew as a rebuild does, as far as the live ones show the log, and compare the two; switch nothing.

    What was built is kept, and the next rebuild of the same views takes it up. While rows are compared, which is until
    the block ends, the projector waits; readers do not.

    Raises:
        As `rebuild`. ViewNotBuilt: no view is live, or the live ones show more than the log holds.
    """
    with tables.lead("rebuild"), workers_for(tables.url, log.heads(), workers) as processes:
        with tables.transaction() as transaction:
            shown = _shown(log, transaction)
            made, cut, dead = _begun(log, tables, company, view_names, transaction, shown)
        with _forgetting(tables, dead):
            fold_log(log, tables, made, cut, processes, on_progress=on_progress)
        new = {generation.view: generation for generation in made}
        folder = _caught_up(
            log, tables, company, new, cut, lambda: position_cursor(log, tables.state()[1]), on_progress
        )
        with tables.transaction() as transaction:
            for batch in _batches(log, folder.position, _shown(log, transaction)):
                _apply(folder, batch, new, transaction)
            transaction.reached(made, folder.position)
            live = live_generations(transaction)
            yield (_comparison(tables, transaction, live.get(each.view), each) for each in made)


def _shown(log: Log, transaction: Transaction) -> Cursor:
    """How far the live views show the log."""
    shown = position_cursor(log, transaction.position())
    if not live_generations(transaction):
        raise not_built("all views")
    if not log.heads().reaches(shown):
        raise ViewNotBuilt(
            "the live views show more than the log holds: they are another log's, or it was restored",
            way_out="lifecircle rebuild",
        )
    return shown


def _comparison(tables: Tables, transaction: Transaction, live: Generation | None, built: Generation) -> Comparison:
    key = primary_key(tables.views[built.view])
    now = transaction.columns(built)
    # A view that is new has no rows yet, of the same columns.
    before = transaction.columns(live) if live else now
    shared = [name for name, type_ in now if (name, type_) in before]
    differences = None
    if set(key) <= set(shared):
        old = transaction.scan(live, shared, key) if live else iter(())
        differences = row_differences(old, transaction.scan(built, shared, key), [shared.index(part) for part in key])
    only_live, only_built = ([name for name, _ in these if name not in shared] for these in (before, now))
    return Comparison(live, built, key, shared, only_live, only_built, differences)


def _begun(
    log: Log,
    tables: Tables,
    company: Company,
    view_names: Iterable[str] | None,
    transaction: Transaction,
    upto: Cursor,
) -> tuple[list[Generation], Cursor, list[Generation]]:
    """The generations to build, the cut to fold them to, and the generations that nobody needs any more.

    Built are those of a rebuild that was cut off, or else new ones. Going on saves nothing where more was recorded
    since its cut than it had folded: catching up is slower than folding.
    """
    names = [name for name in view_names or tables.views if name in tables.views or view_named(name)]
    live = live_generations(transaction)
    id_key = Pseudonyms.of_log(tables.url).mark
    wanted = {
        name: told
        for name, view in tables.views.items()
        for told in [fingerprint(view, company, log.log_id, id_key)]
        if name in names or name not in live or live[name].fingerprint != told
    }
    known = transaction.generations()
    building = [each for each in known if each.state == "building"]
    if building and {each.view: each.fingerprint for each in building} == wanted:
        try:
            cut = Cursor.read(building[0].cut, log.log_id, log.buckets)
        except CursorInvalid:
            pass  # it was begun on a log that is not this one any more
        else:
            since = sum(upto.numbers) - sum(cut.numbers)
            if upto.reaches(cut) and since <= sum(transaction.folded(building).values()):
                return building, cut, []
    return transaction.create(wanted, str(upto)), upto, [each for each in known if each.state != "live"]


@contextmanager
def _forgetting(tables: Tables, dead: Sequence[Generation]) -> Iterator[None]:
    """Drop the tables of generations while the block runs: a file system may take seconds to free what they held."""
    if not dead:
        yield
        return
    with ThreadPoolExecutor(1) as thread:
        forgotten = thread.submit(_forget, tables, dead)
        yield
        forgotten.result()


def _forget(tables: Tables, dead: Sequence[Generation]) -> None:
    with (
        closing(open_tables(tables.url, tables.company, tables.views, tables.place)) as beside,
        beside.building() as transaction,
    ):
        transaction.forget(dead)


def _caught_up(
    log: Log,
    tables: Tables,
    company: Company,
    new: Mapping[str, Generation],
    cut: Cursor,
    upto: Callable[[], Cursor],
    on_progress: Progress | None,
) -> Folder:
    """Fold what was recorded since the cut, while others write the live views, until little is left."""
    with tables.building() as transaction:
        folder = _folder(log, tables, company, transaction, new, cut)
    while sum((until := upto()).numbers) - sum(folder.position.numbers) > LIMITS.projector_batch_max:
        for batch in _batches(log, folder.position, until):
            with tables.building() as transaction:
                _apply(folder, batch, new, transaction)
                transaction.reached(list(new.values()), folder.position)
            if on_progress:
                on_progress(sum(folder.position.numbers), sum(until.numbers))
    return folder


def _switch(
    log: Log, tables: Tables, company: Company, made: Sequence[Generation], folder: Folder, heads: Cursor
) -> None:
    """Catch up with the live views, and at least to some heads, while nobody else writes, and go live."""
    new = {generation.view: generation for generation in made}
    with tables.transaction() as transaction:
        others = {
            name: known
            for name, known in live_generations(transaction).items()
            if name in tables.views and name not in new
        }
        if not others:
            transaction.restart()
        before = position_cursor(log, transaction.position())
        pairs = zip(before.numbers, folder.position.numbers, heads.numbers, strict=True)
        until = Cursor(log.log_id, tuple(max(pair) for pair in pairs))
        for batch in _batches(log, folder.position, until):
            _apply(folder, batch, new, transaction)
        if others and until != before:
            second = _folder(log, tables, company, transaction, others, before)
            for batch in _batches(log, before, until):
                _apply(second, batch, others, transaction)
        transaction.retire(live_generations(transaction).keys() - tables.views.keys())
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
    views = {name: tables.views[name](company) for name in generations}
    return Folder(log, views, position, parked, Pseudonyms.of_log(tables.url))


def _batches(log: Log, after: Cursor, until: Cursor) -> Iterator[list[Stored]]:
    while batch := log.read(after, LIMITS.projector_batch_max, until):
        yield batch
        for stored in batch:
            after = after.advanced(stored.bucket, stored.number)


def _apply(
    folder: Folder, batch: Sequence[Stored], generations: Mapping[str, Generation], transaction: Transaction
) -> None:
    changes = folder.take(batch, lambda subjects: transaction.standing(generations.values(), subjects))
    transaction.apply((generations[name], changed) for name, changed in changes.items())
