"""One process's share of verifying: runs of tiles, the order of whole streams, and pages of rows."""

import mmap
import struct
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from adapters.audit.rows import LEAF_COLUMNS, LOWEST, AuditRows, Row, open_audit_rows
from adapters.audit.tiles import TILE_BYTES, WIDTH, Tiles
from adapters.log import LINK_KINDS, bucket_of
from domain.corrections import CORRECTED
from domain.errors import LifecircleError
from domain.leaf import NONE_BEFORE, leaves_of
from domain.merkle import HASH_BYTES, complete_root
from domain.tails import ENTRY, stream_key
from domain.touchpoint import microseconds


class Problem(NamedTuple):
    """What is wrong at a position, or without a number in the whole bucket; bucket 0 stands for the whole log."""

    bucket: int
    number: int | None
    what: str


class Task(NamedTuple):
    """What is verified: what was signed of the log, and the folder for what is found on the way."""

    scratch: Path
    log_id: bytes
    signed: tuple[int, ...]
    """How many touchpoints of each bucket were signed."""
    rows: tuple[int, ...]
    """How many rows each bucket has."""
    lasts: tuple[int, ...]
    """The highest number of each bucket; what comes later was recorded meanwhile, and is left for the next time."""
    trees: tuple[Path, ...]

    def scratch_file(self, name: str, bucket: int) -> Path:
        """The file of one bucket's signed leaves, or of where in its stream each touchpoint follows, by number."""
        return self.scratch / f"{name}-{bucket}"


_FIRST, _UNKNOWN = -1, -2
"""What stands for the number of the version before: of a first version, and of one that follows none."""


class Scratch:
    """The scratch files of a bucket, shared with the other processes.

    `leaves` holds what was signed, and zeros where nothing was. `previous` holds the number of the version before in
    the same stream; less than zero where there is none, and zero as long as nothing is known.
    """

    def __init__(self, task: Task, bucket: int) -> None:
        self.leaves = _mapped(task.scratch_file("leaves", bucket))
        self._mapped = _mapped(task.scratch_file("previous", bucket))
        self.previous = memoryview(self._mapped).cast("q")

    def close(self) -> None:
        """Give the files back."""
        self.leaves.close()
        self.previous.release()
        self._mapped.close()


def _mapped(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


PROBLEMS_OF_PART_MAX = 100
"""How many problems one part tells of: who changes a whole log need not be told of each."""

_rows: AuditRows
_files: dict[int, Scratch] = {}


def begin(url: str) -> None:
    """Get this process ready to read the log at an address."""
    global _rows
    _rows = open_audit_rows(url)


def end() -> None:
    """Give back all that was taken."""
    _rows.close()
    while _files:
        _files.popitem()[1].close()


def wait() -> None:
    """Do nothing: whoever waits for this knows that a process is ready."""


def _scratch(task: Task, bucket: int) -> Scratch:
    if bucket not in _files:
        _files[bucket] = Scratch(task, bucket)
    return _files[bucket]


def read_damage() -> list[Problem]:
    """What the database finds wrong with its own table and indexes."""
    return [Problem(0, None, f"the database is damaged: {said}") for said in _rows.damage()]


def read_tiles(task: Task, bucket: int, first: int, last: int) -> tuple[list[Problem], bytes]:
    """Take the signed leaves out of tiles `first` up to before `last`; answer the hashes of those that are full."""
    files = _scratch(task, bucket)
    leaves, signed, tiles = files.leaves, task.signed[bucket - 1], Tiles(task.trees[bucket - 1])
    problems: list[Problem] = []
    above = []
    for tile in range(first, last):
        low = tile * WIDTH
        try:
            held = tiles.tile(0, tile, signed)
        except LifecircleError:
            problems.append(Problem(bucket, low + 1, "the tile of the seal from here on is missing or cut"))
            held = bytes(min(WIDTH, signed - low) * HASH_BYTES)
        here = min(low * HASH_BYTES + len(held), len(leaves))  # the log may have lost its end
        leaves[low * HASH_BYTES : here] = held[: here - low * HASH_BYTES]
        if len(held) == TILE_BYTES:
            above.append(complete_root(held))
    return problems[:PROBLEMS_OF_PART_MAX], b"".join(above)


def read_places(task: Task, bucket: int, after: bytes, last: bytes | None) -> tuple[int, list[Problem], bytes]:
    """Follow whole streams from version to version: how many rows, what is wrong, and the entries of sealed tails."""
    files = _scratch(task, bucket)
    leaves, previous = files.leaves, files.previous
    count, signed, highest = task.rows[bucket - 1], task.signed[bucket - 1], task.lasts[bucket - 1]
    problems: list[Problem] = []
    tails: list[bytes] = []
    current: bytes | None = None
    version_before, number_before, end_of_sealed = 0, _FIRST, (0, 0)
    try:
        found = _rows.places(bucket, after, last)
    except LifecircleError as error:
        return 0, [Problem(bucket, None, f"streams cannot be read: {error.what}")], b""
    for number, stream, version in found:
        if stream != current:
            tails.append(_tail(current, *end_of_sealed, leaves))
            current, version_before, number_before, end_of_sealed = stream, 0, -1, (0, 0)
            if not _belongs(stream, bucket, len(task.rows)):
                problems.append(Problem(bucket, number, "its stream belongs to another bucket"))
        if number > highest:
            continue
        if version != version_before + 1:
            # Of two that claim to be the same version, the later came in between.
            wrong = max(number, number_before) if version == version_before else number
            problems.append(Problem(bucket, wrong, "its version is not the next of its stream"))
        if not 1 <= number <= count:
            problems.append(Problem(bucket, number, "its number is beyond the count of rows"))
            continue
        if previous[number - 1]:
            problems.append(Problem(bucket, number, "its number stands twice"))
        previous[number - 1] = _FIRST if version == 1 else number_before if version == version_before + 1 else _UNKNOWN
        if version > 0:
            version_before, number_before = version, number
        if number <= signed:
            end_of_sealed = version, number
    tails.append(_tail(current, *end_of_sealed, leaves))
    return len(found), problems[:PROBLEMS_OF_PART_MAX], b"".join(tails)


def _tail(stream: bytes | None, version: int, number: int, leaves: mmap.mmap) -> bytes:
    if stream is None or not number or version < 0:
        return b""
    return ENTRY.pack(stream_key(stream), version, leaves[(number - 1) * HASH_BYTES : number * HASH_BYTES])


def _belongs(stream: bytes, bucket: int, buckets: int) -> bool:
    return buckets == 1 or bucket_of(stream.decode("utf-8", "replace"), buckets) == bucket


def read_rows(task: Task, bucket: int, after: int, last: int) -> tuple[int, list[Problem]]:
    """Compare rows with what was signed and with their own bytes, those of numbers above `after`, up to `last`.

    A leaf is made with the signed leaf of the version before, which is compared where that one stands: so one row that
    was changed makes one leaf another, and not all that follow it. Answers how many rows there are, and what is wrong.
    """
    files = _scratch(task, bucket)
    leaves, previous = files.leaves, files.previous
    count, signed = task.rows[bucket - 1], task.signed[bucket - 1]
    leaf_of = leaves_of(task.log_id, bucket)
    problems: list[Problem] = []
    try:
        # Numbers below the first one stand in the first page, and numbers beyond the count in the last one.
        upto = last if last < count else max(count, task.lasts[bucket - 1])
        found = _rows.page(bucket, after - 1 if after else LOWEST, upto)
    except LifecircleError as error:
        return 0, [Problem(bucket, after + 1, f"rows from here on cannot be read: {error.what}")]
    at, recorded = after, found[0][4] if found else 0
    for row in found[1:] if after and found and found[0][0] == after else found:
        number = row[0]
        if not 1 <= number <= count:
            problems.append(Problem(bucket, number, "its number is beyond the count of rows"))
            continue
        if number > at + 1:
            problems.append(Problem(bucket, at + 1, "no row has this number"))
        elif number == at:
            problems.append(Problem(bucket, number, "its number stands twice"))
        at = number
        before = previous[number - 1]
        try:
            follows = leaves[(before - 1) * HASH_BYTES : before * HASH_BYTES] if before > 0 else NONE_BEFORE
            leaf = leaf_of(*row[:LEAF_COLUMNS], follows)
            wrong = _columns(row)
        except (TypeError, ValueError, KeyError, AttributeError, struct.error):
            leaf, wrong = b"", "its columns or its bytes are no touchpoint"
        if number <= signed and leaf != leaves[(number - 1) * HASH_BYTES : number * HASH_BYTES]:
            wrong = wrong or "it is not the touchpoint that was sealed"
        if row[4] < recorded:
            wrong = wrong or "its recorded time is before that of the one below"
        if wrong:
            problems.append(Problem(bucket, number, wrong))
        recorded = row[4]
    if at < min(last, count):
        problems.append(Problem(bucket, at + 1, "no row has this number"))
    return len(found), problems[:PROBLEMS_OF_PART_MAX]


def _columns(row: Row) -> str:
    """What the stored bytes say otherwise than the columns."""
    _, stream, _, kind, _, _, state, _, id_, source, occurred = row
    envelope = orjson.loads(state)
    if envelope["type"].encode() != kind:
        return "its kind is not what its bytes say"
    if envelope["id"].encode() != id_:
        return "its id is not what its bytes say"
    if envelope["source"].encode() != source:
        return "its source is not what its bytes say"
    if microseconds(datetime.fromisoformat(envelope["time"])) != occurred:
        return "its time is not what its bytes say"
    if envelope["subject"].encode() != stream and not _elsewhere(stream.decode(), envelope):
        return "its stream is not the subject that its bytes say"
    return ""


def _elsewhere(stream: str, envelope: dict[str, Any]) -> bool:
    """Whether a touchpoint is rightly stored under another stream: a merge's other side, a correction's survivor."""
    data = envelope["data"]
    return envelope["type"] == CORRECTED or (
        envelope["type"] in LINK_KINDS and stream in (data["survivor"], data["absorbed"])
    )
