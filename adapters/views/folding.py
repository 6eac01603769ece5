"""Folding the whole log into tables that are being built: stream by stream, in parts, by several processes.

Families that merges joined are folded apart. A part is noted in the transaction that writes its rows, so whoever goes
on after a fold that was cut off folds only what is missing, and no part is ever written twice.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing

from adapters.codec import fact_of
from adapters.cursor import Cursor
from adapters.log import Log
from adapters.progress import Progress
from adapters.settings import LIMITS
from adapters.views.replay import linked
from adapters.views.sweep import Part, Sweep, open_sweep
from adapters.views.tables import Generation, Tables
from adapters.views.worker import Family, Plan, Task
from adapters.views.workers import Workers
from domain.history import components

_FAMILIES_AT_ONCE = 500

_SMALLEST_PART = 8
"""The last parts of a rebuild are this much smaller than the first, so that no process waits long for another."""


def workers_for(url: str, cut: Cursor, processes: int) -> Workers:
    """Begin the processes that fold the log at an address up to a cut; what one part holds is folded in this one."""
    return Workers(url, processes if sum(cut.numbers) > LIMITS.rebuild_part_touchpoints else 1)


def fold_log(
    log: Log,
    tables: Tables,
    made: Sequence[Generation],
    cut: Cursor,
    workers: Workers,
    until: int | None = None,
    on_progress: Progress | None = None,
) -> None:
    """Fold what the log holds within a cut into generations that are building, where it is not folded yet.

    When all of it is there, their keys are made.

    Args:
        log: what is folded.
        tables: whose the generations are.
        made: all that are built together.
        cut: the one that they were begun with.
        workers: the processes that fold.
        until: leaves out what effectively occurred later, in microseconds since 1970 UTC.
        on_progress: told after each part, and before the first.

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
    plan = Plan(tables.url, tables.place, tables.company, tables.views, tuple(made), cut, until, apart)
    total, done = sum(cut.numbers), sum(folded.values())
    if on_progress:
        on_progress(done, total)
    with closing(open_sweep(plan.url)) as sweep:
        for count in workers.fold(plan, _tasks(plan, families, folded, sweep, workers.beside + 1)):
            done += count
            if on_progress:
                on_progress(done, total)
    workers.finish(plan)


def _families(log: Log, cut: Cursor) -> list[Family]:
    """The families of the log, by their first streams; the same for the same cut."""
    links = [fact_of(stored) for stored in log.links(cut)]
    joined = components(links)
    return sorted({joined.of(side) for link in links for side in linked(link)}, key=min)


def _tasks(
    plan: Plan, families: Sequence[Family], folded: Mapping[Part, int], sweep: Sweep, processes: int
) -> Iterator[Task]:
    """Every part and every family that is missing."""
    firsts = [min(family) for family in families]
    left = sum(plan.cut.numbers) - sum(folded.values())

    def end(bucket: int, after: str) -> str | None:
        nonlocal left
        if bucket:
            size = _part_size(left, processes)
            left -= size
            return sweep.end_of_part(bucket, after, size)
        last = bisect_right(firsts, after) + _FAMILIES_AT_ONCE - 1
        return firsts[last] if last < len(firsts) - 1 else None

    # Families first, so that nobody waits in the end for a large one.
    for bucket in range(len(plan.cut.numbers) + 1):
        for part in missing(bucket, folded, end):
            last = len(firsts) if part.last is None else bisect_right(firsts, part.last)
            yield Task(part, () if bucket else families[bisect_right(firsts, part.after) : last])


def _part_size(left: int, processes: int) -> int:
    """How many touchpoints the next part is to have, of so many that are left."""
    largest = LIMITS.rebuild_part_touchpoints
    if processes == 1:
        return largest
    # Where this process comes to the end, every other still has two, one of them in work.
    return max(1, largest // _SMALLEST_PART, min(largest, left // (4 * processes)))


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
