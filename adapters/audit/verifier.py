"""Verify a whole log against its seal, in several processes, with memory that does not grow with it.

Streams are read in parts, so that each leaf follows from the one before in its stream; leaves are put by their numbers
into a scratch file, 40 bytes a touchpoint, over which the tree is built and compared with what was signed.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from adapters.addresses import open_audit_rows
from adapters.audit.progress import Progress, unseen
from adapters.audit.reading import Problem, Task, begin, end, read_part, read_tiles
from adapters.audit.rows import AuditRows
from adapters.audit.seal import Seal, read_checkpoint
from adapters.audit.tiles import TILE_BYTES, WIDTH, subtree_over
from adapters.log import Log
from adapters.settings import LIMITS
from domain.errors import LifecircleError
from domain.merkle import HASH_BYTES, complete_root
from domain.merkle import root as root_of
from domain.tails import ENTRY, Tails, slots_in

_TILES_AT_ONCE = 256
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
    with closing(open_audit_rows(url)) as rows, TemporaryDirectory(prefix="lifecircle-verify-") as scratch:
        problems += [Problem(0, 0, f"the database is damaged: {said}") for said in rows.damage()]
        counted = {extent.bucket: extent for extent in rows.extents()}
        for extent in counted.values():
            if not 1 <= extent.bucket <= log.buckets:
                problems.append(Problem(extent.bucket, 0, "rows stand in a bucket that the log does not have"))
            elif extent.last != extent.rows:
                problems.append(Problem(extent.bucket, extent.last, "numbers and count of rows disagree"))
        counts = tuple(counted[at].rows if at in counted else 0 for at in range(1, log.buckets + 1))
        trees = tuple(seal.tree(bucket) for bucket in range(1, log.buckets + 1))
        task = Task(url, Path(scratch), log.log_id, head.sizes, counts, trees)
        problems += _Verification(task, seal, rows, on_progress).problems()
    unsealed = sum(max(0, count - size) for count, size in zip(counts, head.sizes, strict=True))
    # What has a position first, and by it.
    return Verified(sum(head.sizes), unsealed, sorted(set(problems), key=lambda each: (not each.number, each)))


def _signed_alike(seal: Seal, log: Log) -> list[Problem]:
    """Whether the head is this log's, and every tree's own checkpoint says what the head says."""
    head = seal.head
    if head.log_id != log.log_id or len(head.trees) != log.buckets:
        return [Problem(0, 0, "the seal is another log's, or of another number of buckets")]
    problems = []
    for bucket in range(1, log.buckets + 1):
        try:
            found = read_checkpoint(seal.tree(bucket) / "checkpoint", seal.keys)
        except (LifecircleError, OSError) as error:
            problems.append(Problem(bucket, 0, f"its checkpoint cannot be trusted: {error}"))
            continue
        # The sealer replaces checkpoints first and the head last, so one may be ahead of it.
        if found.origin != head.checkpoint(bucket).origin or (
            found != head.checkpoint(bucket) and found.size <= head.sizes[bucket - 1]
        ):
            problems.append(Problem(bucket, 0, "its checkpoint and the head disagree"))
    return problems


class _Verification:
    def __init__(self, task: Task, seal: Seal, rows: AuditRows, on_progress: Progress) -> None:
        self._task, self._seal, self._rows, self._on_progress = task, seal, rows, on_progress
        self._done = 0
        self._tails = [bytearray() for _ in range(_SHARES)]
        for bucket, count in enumerate(task.rows, 1):
            for name, width in (("leaves", HASH_BYTES), ("recorded", 8)):
                with task.scratch_file(name, bucket).open("wb") as file:
                    file.truncate(count * width)

    def problems(self) -> list[Problem]:
        found: list[Problem] = []
        workers = os.cpu_count() or 1
        with _pool(self._task, workers) as pool:
            for count, problems, tails in _in_flight(
                (pool.submit(read_part, *part) for part in self._parts()), 2 * workers
            ):
                found += problems
                self._keep(tails)
                self._done += count
                self._on_progress(self._done, sum(self._task.rows))
            for bucket in range(1, len(self._task.rows) + 1):
                found += self._tree(pool, bucket)
        return found + self._ends()

    def _parts(self) -> Iterator[tuple[int, bytes, bytes | None]]:
        for bucket, count in enumerate(self._task.rows, 1):
            after: bytes | None = b""
            while count and after is not None:
                last = self._rows.end_of_part(bucket, after, LIMITS.verify_part_touchpoints)
                yield bucket, after, last
                after = last

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
        """Build the tree over the leaves that were found, and compare it with what was signed."""
        count, (size, root) = self._task.rows[bucket - 1], self._seal.head.trees[bucket - 1]
        if count < size:
            return [Problem(bucket, count + 1, f"the log ends before this number; {size} were sealed")]
        tiles = -(-count // WIDTH)
        runs = [(at, min(tiles, at + _TILES_AT_ONCE)) for at in range(0, tiles, _TILES_AT_ONCE)]
        answers = list(pool.map(read_tiles, [bucket] * len(runs), *zip(*runs, strict=True))) if runs else []
        wrong = [problem for each, _, _ in answers for problem in each]
        differ = [problem for _, each, _ in answers for problem in each]
        if self._root(bucket, size, b"".join(above for _, _, above in answers)) == root:
            return wrong + [
                Problem(bucket, each.number, "the seal's own tile is not what was signed") for each in differ
            ]
        return wrong + (differ or [Problem(bucket, 0, "log and tiles agree, but not with the signed root")])

    def _root(self, bucket: int, size: int, first: bytes) -> bytes:
        """The root over the leaves found, given the hashes of their full tiles."""
        levels = [b"", first]
        while len(levels[-1]) >= TILE_BYTES:
            below = levels[-1]
            tiles = range(0, len(below) // TILE_BYTES * TILE_BYTES, TILE_BYTES)
            levels.append(b"".join([complete_root(below[at : at + TILE_BYTES]) for at in tiles]))
        with self._task.scratch_file("leaves", bucket).open("rb") as leaves:

            def hashes(level: int, at: int, count: int) -> bytes:
                if level:
                    return levels[level][at * HASH_BYTES : (at + count) * HASH_BYTES]
                leaves.seek(at * HASH_BYTES)
                return leaves.read(count * HASH_BYTES)

            return root_of(size, subtree_over(hashes))

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
        return [Problem(0, 0, "streams do not end where the seal says")]


@contextmanager
def _pool(task: Task, workers: int) -> Iterator[Executor]:
    """Processes that share the work, or a thread of this one where they would take longer to begin than to work."""
    if sum(task.rows) <= LIMITS.verify_part_touchpoints:
        with ThreadPoolExecutor(1, initializer=begin, initargs=(task,)) as thread:
            yield thread
            thread.submit(end).result()
        return
    # Spawned, for a forked child would share this process's connections.
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=begin, initargs=(task,)) as processes:
        yield processes


def _in_flight(
    futures: "Iterator[Future[tuple[int, list[Problem], bytes]]]", at_once: int
) -> Iterator[tuple[int, list[Problem], bytes]]:
    """Results as they come, with only so many parts asked for at a time."""
    waiting = set(islice(futures, at_once))
    while waiting:
        done = next(as_completed(waiting))
        waiting.remove(done)
        yield done.result()
        waiting.update(islice(futures, 1))
