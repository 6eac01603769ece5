"""Verify a whole log against its seal, in several processes, with memory that does not grow with it.

The signed leaves come first, out of the tiles, which must lead to the signed root. Then streams are followed from one
version to the next, by an index alone. Then the rows are read once, by number; each is made a leaf of, with the signed
leaf of the version before it, and compared. On the way, 40 bytes a touchpoint stand in scratch files.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

from adapters.audit.reading import Problem, Task, begin, end, read_damage, read_places, read_rows, read_tiles, wait
from adapters.audit.rows import AuditRows, open_audit_rows
from adapters.audit.seal import Seal, read_checkpoint
from adapters.audit.tiles import TILE_BYTES, WIDTH, Tiles, subtree_over
from adapters.log import Log
from adapters.progress import Progress, unseen
from adapters.settings import LIMITS
from domain.errors import LifecircleError
from domain.merkle import HASH_BYTES, complete_root
from domain.merkle import root as root_of
from domain.tails import ENTRY, Tails, slots_in

T = TypeVar("T")

_TILES_AT_ONCE = 256
_WORKERS = os.cpu_count() or 1
_SHARES = 256
"""Into how many files the tails are parted to be sorted, by the first byte of their keys."""


class Verified(NamedTuple):
    """What came of verifying: how many touchpoints are sealed and how many are not yet, and what is wrong."""

    sealed: int
    unsealed: int
    problems: list[Problem]


def verify_log(log: Log, url: str, seal: Seal, on_progress: Progress = unseen) -> Verified:
    """Compare a log with what was signed of it: every leaf, every column, every number, every stream's end."""
    head = seal.head
    problems = _signed_alike(seal, log)
    if problems:
        return Verified(sum(head.sizes), 0, problems)
    with (
        # Numbers in the log say nothing of its size: they may be what was tampered with.
        _pool(url, sum(head.sizes)) as pool,
        closing(open_audit_rows(url)) as rows,
        TemporaryDirectory(prefix="lifecircle-verify-") as scratch,
    ):
        counted = {extent.bucket: extent for extent in rows.extents()}
        for extent in counted.values():
            if not 1 <= extent.bucket <= log.buckets:
                problems.append(Problem(extent.bucket, None, "rows stand in a bucket that the log does not have"))
            elif extent.last != extent.rows:
                problems.append(Problem(extent.bucket, None, "numbers and count of rows disagree"))
        buckets = range(1, log.buckets + 1)
        counts = tuple(counted[at].rows if at in counted else 0 for at in buckets)
        lasts = tuple(counted[at].last if at in counted else 0 for at in buckets)
        trees = tuple(map(seal.tree, buckets))
        task = Task(Path(scratch), log.log_id, head.sizes, counts, lasts, trees)
        problems += _Verification(task, seal, rows, on_progress).problems(pool)
    unsealed = sum(max(0, count - size) for count, size in zip(counts, head.sizes, strict=True))
    # What has a position first, and by it.
    return Verified(sum(head.sizes), unsealed, sorted(set(problems), key=_by_place))


def _by_place(problem: Problem) -> tuple[bool, int, int, str]:
    bucket, number, what = problem
    return number is None, bucket, number or 0, what


def _signed_alike(seal: Seal, log: Log) -> list[Problem]:
    """Whether the head is this log's, and every tree's own checkpoint says what the head says."""
    head = seal.head
    if head.log_id != log.log_id or len(head.trees) != log.buckets:
        return [Problem(0, None, "the seal is another log's, or of another number of buckets")]
    problems = []
    for bucket in range(1, log.buckets + 1):
        try:
            found = read_checkpoint(seal.tree(bucket) / "checkpoint", seal.keys)
        except (LifecircleError, OSError) as error:
            problems.append(Problem(bucket, None, f"its checkpoint cannot be trusted: {error}"))
            continue
        # The sealer replaces checkpoints first and the head last, so one may be ahead of it.
        if found.origin != head.checkpoint(bucket).origin or (
            found != head.checkpoint(bucket) and found.size <= head.sizes[bucket - 1]
        ):
            problems.append(Problem(bucket, None, "its checkpoint and the head disagree"))
    return problems


class _Verification:
    def __init__(self, task: Task, seal: Seal, rows: AuditRows, on_progress: Progress) -> None:
        self._task, self._seal, self._rows, self._on_progress = task, seal, rows, on_progress
        self._done = 0
        self._tails = [bytearray() for _ in range(_SHARES)]
        for bucket, count in enumerate(task.rows, 1):
            for name, width in (("leaves", HASH_BYTES), ("previous", 8)):
                with task.scratch_file(name, bucket).open("wb") as file:
                    file.truncate(count * width)

    def problems(self, pool: Executor) -> list[Problem]:
        found: list[Problem] = []
        damage = pool.submit(read_damage)  # one long statement, beside all else
        for bucket in range(1, len(self._task.rows) + 1):
            found += self._tree(pool, bucket)
        parts = (pool.submit(read_places, self._task, *part) for part in self._parts())
        for count, problems, tails in _in_flight(parts, 2 * _WORKERS):
            found += problems
            self._keep(tails)
            self._tell(count)
        found += self._ends()
        pages = (pool.submit(read_rows, self._task, *page) for page in self._pages())
        for count, problems in _in_flight(pages, 2 * _WORKERS):
            found += problems
            self._tell(count)
        return found + damage.result()

    def _tell(self, rows: int) -> None:
        """Every row is read twice: where it stands, and what it is."""
        self._done += rows
        self._on_progress(self._done // 2, sum(self._task.rows))

    def _parts(self) -> Iterator[tuple[int, bytes, bytes | None]]:
        for bucket, count in enumerate(self._task.rows, 1):
            after: bytes | None = b""
            while count and after is not None:
                last = self._rows.end_of_part(bucket, after, LIMITS.verify_part_touchpoints)
                yield bucket, after, last
                after = last

    def _pages(self) -> Iterator[tuple[int, int, int]]:
        for bucket, count in enumerate(self._task.rows, 1):
            for after in range(0, count, LIMITS.verify_part_touchpoints):
                yield bucket, after, min(after + LIMITS.verify_part_touchpoints, count)

    def _keep(self, tails: bytes) -> None:
        for at in range(0, len(tails), ENTRY.size):
            self._tails[tails[at]] += tails[at : at + ENTRY.size]
        for share, held in enumerate(self._tails):
            if len(held) > WIDTH * ENTRY.size:
                self._spill(share, held)

    def _spill(self, share: int, held: bytearray) -> None:
        with (self._task.scratch / f"tails-{share}").open("ab") as file:
            file.write(held)
        held.clear()

    def _tree(self, pool: Executor, bucket: int) -> list[Problem]:
        """Take the leaves out of the tiles, and see whether these are what was signed."""
        count, (size, root) = self._task.rows[bucket - 1], self._seal.head.trees[bucket - 1]
        found = (
            [Problem(bucket, count + 1, f"the log ends before this number; {size} were sealed")] if count < size else []
        )
        if not count:
            return found
        tiles = -(-size // WIDTH)
        runs = [(at, min(tiles, at + _TILES_AT_ONCE)) for at in range(0, tiles, _TILES_AT_ONCE)]
        asked = [pool.submit(read_tiles, self._task, bucket, *run) for run in runs]
        answers = [each.result() for each in asked]
        found += [problem for problems, _ in answers for problem in problems]
        sealed, levels = self._seal.tiles(bucket), [b"", b"".join(above for _, above in answers)]
        while len(levels[-1]) >= TILE_BYTES:
            below = levels[-1]
            whole = range(0, len(below) // TILE_BYTES * TILE_BYTES, TILE_BYTES)
            levels.append(b"".join([complete_root(below[at : at + TILE_BYTES]) for at in whole]))
        for level, hashes in enumerate(levels[1:], 1):
            found += _unlike(bucket, level, hashes, sealed, size)

        def hashes_at(level: int, at: int, count: int) -> bytes:
            if level:
                return levels[level][at * HASH_BYTES : (at + count) * HASH_BYTES]
            return sealed.tile(0, at // WIDTH, size)[at % WIDTH * HASH_BYTES :][: count * HASH_BYTES]

        try:
            if root_of(size, subtree_over(hashes_at)) == root:
                return found
        except LifecircleError:
            return found  # the tile that is missing was told of
        last = (size - 1) // WIDTH * WIDTH + 1
        return found or [Problem(bucket, last, "the tile of the seal from here on is not what was signed")]

    def _ends(self) -> list[Problem]:
        """Compare where all streams end with what was signed."""
        streams = 0

        def slots() -> Iterator[tuple[int, bytes]]:
            nonlocal streams
            for share, held in enumerate(self._tails):
                spilled = self._task.scratch / f"tails-{share}"
                entries = sorted(ENTRY.iter_unpack(held + (spilled.read_bytes() if spilled.exists() else b"")))
                streams += len(entries)
                yield from slots_in(entries)

        root = Tails(slots()).root
        if (streams, root) == (self._seal.head.streams, self._seal.head.tails):
            return []
        return [Problem(0, None, "streams do not end where the seal says")]


def _unlike(bucket: int, level: int, hashes: bytes, sealed: Tiles, size: int) -> Iterator[Problem]:
    """Where the tiles of a higher level say otherwise than those below."""
    for tile, at in enumerate(range(0, len(hashes), TILE_BYTES)):
        here = hashes[at : at + TILE_BYTES]
        try:
            held = sealed.tile(level, tile, size)
        except LifecircleError:
            held = b""
        for place in range(0, len(here), HASH_BYTES):
            if held[place : place + HASH_BYTES] != here[place : place + HASH_BYTES]:
                first = (tile * WIDTH + place // HASH_BYTES) * WIDTH**level + 1
                yield Problem(
                    bucket, first, f"the seal's tiles from here on, and the one of level {level} above, disagree"
                )


@contextmanager
def _pool(url: str, size: int) -> Iterator[Executor]:
    """Processes that share the work, or a thread of this one where they would take longer to begin than to work."""
    if size <= LIMITS.verify_part_touchpoints:
        with ThreadPoolExecutor(1, initializer=begin, initargs=(url,)) as thread:
            try:
                yield thread
            finally:
                thread.submit(end).result()
        return
    # Spawned, for a forked child would share this process's connections.
    with ProcessPoolExecutor(_WORKERS, get_context("spawn"), initializer=begin, initargs=(url,)) as processes:
        for _ in range(_WORKERS):
            processes.submit(wait)  # they begin while the rows are counted
        yield processes


def _in_flight(futures: Iterator[Future[T]], at_once: int) -> Iterator[T]:
    """Results as they come, with only so many parts asked for at a time."""
    waiting = set(islice(futures, at_once))
    while waiting:
        done = next(as_completed(waiting))
        waiting.remove(done)
        yield done.result()
        waiting.update(islice(futures, 1))
