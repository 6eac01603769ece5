"""One process's share of verifying: leaves of whole streams, columns against bytes, and runs of tiles."""

import mmap
import struct
from array import array
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from adapters.addresses import open_audit_rows
from adapters.audit.rows import AuditRows, WholeRow
from adapters.audit.tiles import TILE_BYTES, WIDTH, Tiles
from adapters.log import LINK_KINDS, bucket_of
from domain.corrections import CORRECTED
from domain.errors import LifecircleError
from domain.leaf import NONE_BEFORE, leaves_of
from domain.merkle import HASH_BYTES, complete_root
from domain.tails import ENTRY, stream_key
from domain.touchpoint import microseconds


class Problem(NamedTuple):
    """What is wrong at a position; number 0 stands for the whole bucket, bucket 0 for the whole log."""

    bucket: int
    number: int
    what: str


class Task(NamedTuple):
    """What is verified: where the log is, what was signed of it, and the folder for what is found on the way."""

    url: str
    scratch: Path
    log_id: bytes
    signed: tuple[int, ...]
    rows: tuple[int, ...]
    trees: tuple[Path, ...]

    def scratch_file(self, name: str, bucket: int) -> Path:
        """The file of one bucket's leaves, or of its recorded times, by number."""
        return self.scratch / f"{name}-{bucket}"


PROBLEMS_OF_PART_MAX = 100
"""How many problems one part tells of: who changes a whole log need not be told of each."""

_state: tuple[Task, AuditRows, dict[int, tuple[mmap.mmap, mmap.mmap]]]


def begin(task: Task) -> None:
    """Get this process ready."""
    global _state
    files = {
        bucket: (_mapped(task.scratch_file("leaves", bucket)), _mapped(task.scratch_file("recorded", bucket)))
        for bucket, rows in enumerate(task.rows, 1)
        if rows
    }
    _state = task, open_audit_rows(task.url), files


def end() -> None:
    """Give back what `begin` took."""
    _, rows, files = _state
    rows.close()
    for each in files.values():
        for mapped in each:
            mapped.close()


def _mapped(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def read_part(bucket: int, after: bytes, last: bytes | None) -> tuple[int, list[Problem], bytes]:
    """Read whole streams: how many rows they have, what is wrong, and the entries of their sealed tails."""
    task, rows, files = _state
    leaves, recorded_times = files[bucket]
    leaf_of, count, signed = leaves_of(task.log_id, bucket), task.rows[bucket - 1], task.signed[bucket - 1]
    buckets = len(task.rows)
    problems: list[Problem] = []
    tails: list[bytes] = []
    current, version, leaf, tail = None, 0, NONE_BEFORE, b""
    try:
        part = rows.part(bucket, after, last)
    except LifecircleError as error:
        return 0, [Problem(bucket, 0, f"rows cannot be read: {error.what}")], b""
    for row in part:
        number, stream = row[0], row[1]
        if stream != current:
            tails.append(tail)
            current, version, leaf, tail = stream, 0, NONE_BEFORE, b""
        version += 1
        try:
            leaf = leaf_of(*row[:8], leaf)
            wrong = _columns(row, bucket if version == 1 else 0, buckets)
        except (TypeError, ValueError, KeyError, AttributeError, struct.error):
            leaf, wrong = bytes(HASH_BYTES), "its columns or its bytes are no touchpoint"
        if row[2] != version:
            wrong = "its version is not the next of its stream"
        if not 1 <= number <= count:
            problems.append(Problem(bucket, number, "its number is beyond the count of rows"))
            continue
        at = (number - 1) * HASH_BYTES
        if leaves[at : at + HASH_BYTES] != NONE_BEFORE:
            wrong = "its number stands twice"
        leaves[at : at + HASH_BYTES] = leaf
        recorded_times[(number - 1) * 8 : number * 8] = row[4].to_bytes(8, "little", signed=True)
        if wrong:
            problems.append(Problem(bucket, number, wrong))
        if number <= signed:
            tail = ENTRY.pack(stream_key(stream), version, leaf)
    tails.append(tail)
    return len(part), problems[:PROBLEMS_OF_PART_MAX], b"".join(tails)


def _columns(row: WholeRow, bucket: int, buckets: int) -> str:
    """What the stored bytes say otherwise than the columns; the stream's bucket is looked at where one is given."""
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
    if bucket and bucket_of(stream.decode(), buckets) != bucket:
        return "its stream belongs to another bucket"
    return ""


def _elsewhere(stream: str, envelope: dict[str, Any]) -> bool:
    """Whether a touchpoint is rightly stored under another stream: a merge's other side, a correction's survivor."""
    data = envelope["data"]
    return envelope["type"] == CORRECTED or (
        envelope["type"] in LINK_KINDS and stream in (data["survivor"], data["absorbed"])
    )


def read_tiles(bucket: int, first: int, last: int) -> tuple[list[Problem], list[Problem], bytes]:
    """Compare leaves with the tiles that were signed: of tiles `first` up to before `last`.

    Answers what is wrong with recorded times and missing numbers, where leaves and tiles differ, and the hashes of the
    full tiles.
    """
    task, _, files = _state
    leaves, recorded_times = files[bucket]
    rows, signed = task.rows[bucket - 1], task.signed[bucket - 1]
    wrong: list[Problem] = []
    differ: list[Problem] = []
    above = []
    sealed = Tiles(task.trees[bucket - 1])
    for tile in range(first, last):
        low = tile * WIDTH
        times = array("q", recorded_times[max(0, low - 1) * 8 : (low + WIDTH) * 8])
        held = leaves[low * HASH_BYTES : min(low + WIDTH, rows) * HASH_BYTES]
        holes = [at for at in range(0, len(held), HASH_BYTES) if held[at : at + HASH_BYTES] == NONE_BEFORE]
        wrong += [Problem(bucket, low + at // HASH_BYTES + 1, "no row has this number") for at in holes]
        if not holes and (times_list := times.tolist()) != sorted(times_list):
            at = next(at for at in range(1, len(times)) if times[at] < times[at - 1])
            wrong.append(Problem(bucket, max(0, low - 1) + at + 1, "its recorded time is before that of the one below"))
        here = held[: max(0, min(signed - low, WIDTH)) * HASH_BYTES]
        if here:
            try:
                tile_bytes = sealed.tile(0, tile, signed)
            except LifecircleError:
                wrong.append(Problem(bucket, low + 1, "the tile of the seal from here on is missing or cut"))
                tile_bytes = here
            differ += [
                Problem(bucket, low + at // HASH_BYTES + 1, "it is not the touchpoint that was sealed")
                for at in range(0, len(here), HASH_BYTES)
                if here != tile_bytes and here[at : at + HASH_BYTES] != tile_bytes[at : at + HASH_BYTES]
            ][:PROBLEMS_OF_PART_MAX]
        if len(here) == TILE_BYTES:
            above.append(complete_root(here))
    return wrong[:PROBLEMS_OF_PART_MAX], differ[:PROBLEMS_OF_PART_MAX], b"".join(above)
