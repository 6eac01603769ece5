"""Moving a log to another database, or to another number of buckets: a new log with the same touchpoints, checked.

Ids, stored bytes, versions, recorded times and who recorded are kept; the log id and the positions are new. All is
written in one transaction, which commits only after everything was read back and found equal: a copy that is killed
leaves no log at all.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from heapq import merge

from adapters.addresses import checked_buckets, open_log, open_reading, open_writing
from adapters.clock import clock_us
from adapters.cursor import Cursor, Origin
from adapters.log import Log, bucket_of
from adapters.progress import StagedProgress
from adapters.transfer import Reading, Row, Writing
from domain.errors import CursorInvalid, LifecircleError

BESIDE = ("origins", "settings", "quarantine", "imports")
"""The tables of a log that come along as they are."""

_TELL_EVERY = 1_000

_LAST = 2**63 - 1


class CopyDiffers(LifecircleError):
    """What was read back from a copy is not what was copied."""


def copy_log(
    source_url: str, target_url: str, buckets: int | None = None, on_progress: StagedProgress | None = None
) -> int:
    """Copy what a log holds now into a new log; answer how many touchpoints it is.

    What is appended to the source meanwhile stays there alone. In each bucket of the copy touchpoints stand in the
    order in which they were recorded, as they did before.

    Args:
        source_url: the log that is read.
        target_url: where there is no log yet.
        buckets: how many the new log has; as many as the source when not given.
        on_progress: told how far it is.

    Raises:
        LogNotFound, NotOurLog: there is no log at the source that this program can read.
        LogExists: there is a log at the target already.
        WrongBuckets: a log cannot have so many.
        CopyDiffers: what was read back is not what was copied; nothing was made.
        LogUnavailable, LogNotWritable: a database was lost, or its disk is full; nothing was made.
    """
    with closing(open_log(source_url)) as source:
        many = checked_buckets(source.buckets if buckets is None else buckets)
        company = source.settings()[0].company
        with closing(open_reading(source_url)) as reading, open_writing(target_url, company, many) as writing:
            cut, end = write_all(source.heads, reading, writing, many, on_progress)
            writing.fill("origins", *Origin(cut, str(end), clock_us()).as_row())
    return sum(cut.numbers)


def write_all(
    heads: Callable[[], Cursor], reading: Reading, writing: Writing, buckets: int, on_progress: StagedProgress | None
) -> tuple[Cursor, Cursor]:
    """Write all that a log holds into one that is being made, and check it; answer where each of them ends.

    Args:
        heads: tells where the log ends that is read.
        reading: reads it.
        writing: writes the other one.
        buckets: how many that one has.
        on_progress: told how far it is.

    Raises:
        CopyDiffers: what was read back is not what was written.
    """
    # Before the cut: an import must not be known to have come further than the touchpoints do.
    for name in BESIDE:
        writing.fill(name, *reading.table(name))
    cut = heads()
    total = sum(cut.numbers)
    copied, found = _Tally(buckets), _Tally(buckets)
    writing.write(_told(copied.placed(in_recorded_order(reading, cut)), "copying", total, on_progress))
    everything = (row for bucket in range(1, buckets + 1) for row in writing.touchpoints(bucket, _LAST))
    for _ in _told(found.placed(everything), "checking", total, on_progress):
        pass
    if sum(copied.counts) != total or found.digests() != copied.digests():
        raise CopyDiffers(
            "what was read back is not what was copied",
            rule="every touchpoint of the source stands in the copy, in the order recorded, byte for byte",
            way_out="check both databases and their disks, then do it again: nothing was made",
        )
    return cut, Cursor(writing.log_id, tuple(copied.counts))


def translated(url: str, log: Log, text: str) -> Cursor:
    """Turn a cursor of the log that this one was copied from into one of this log.

    Whoever goes on from it misses nothing. It may be given again what was recorded together with, or after, the first
    touchpoint that it had not seen.

    Args:
        url: the address of the log.
        log: the copy.
        text: the cursor as the log before gave it.

    Raises:
        CursorInvalid: it was not made by the log that this one was copied from.
    """
    origin = log.origins[0] if log.origins else None
    if origin is None:
        raise CursorInvalid(
            "this log was not copied from another",
            rule="only cursors of the log that a copy was made from can be translated",
            way_out="take a cursor from: lifecircle status",
        )
    old = Cursor.read(text, origin.cut.log_id, len(origin.cut.numbers))
    end = Cursor.read(origin.end, log.log_id, log.buckets)
    if old.reaches(origin.cut):
        return end
    counts = [0] * len(old.numbers)
    with closing(open_reading(url)) as reading:
        for row in in_recorded_order(reading, end):
            at = bucket_of(row.stream, len(counts)) - 1
            counts[at] += 1
            if counts[at] > old.numbers[at]:
                # The first that it has not seen: all that was recorded before that, it has.
                before = zip(log.cut_at(row.recorded - 1).numbers, end.numbers, strict=True)
                return Cursor(log.log_id, tuple(map(min, before)))
    return end


def in_recorded_order(reading: Reading, cut: Cursor) -> Iterator[Row]:
    """All touchpoints within a cut in the order in which they were recorded, over all buckets."""
    buckets = [reading.touchpoints(bucket, last) for bucket, last in enumerate(cut.numbers, 1)]
    return merge(*buckets, key=lambda row: (row.recorded, row.bucket, row.number)) if len(buckets) > 1 else buckets[0]


def _told(rows: Iterable[Row], doing: str, total: int, on_progress: StagedProgress | None) -> Iterator[Row]:
    done = 0
    for done, row in enumerate(rows, 1):
        yield row
        if on_progress and not done % _TELL_EVERY:
            on_progress(doing, done, total)
    if on_progress:
        on_progress(doing, done, total)


class _Tally:
    """Counts what goes into each bucket, and takes a digest of it in its order."""

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self._digests = [sha256() for _ in range(buckets)]

    def placed(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows under the positions that are theirs in these buckets."""
        buckets = len(self.counts)
        for row in rows:
            at = bucket_of(row.stream, buckets) - 1
            self.counts[at] += 1
            placed = Row(at + 1, self.counts[at], *row[2:])
            # The length before the bytes, so that nothing can move from one column to the next unseen.
            self._digests[at].update(repr((*placed[:10], placed.content_hmac, len(placed.state))).encode())
            self._digests[at].update(placed.state)
            yield placed

    def digests(self) -> list[tuple[int, bytes]]:
        """The count and the digest of each bucket."""
        return [(count, digest.digest()) for count, digest in zip(self.counts, self._digests, strict=True)]
