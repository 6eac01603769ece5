"""What the sealer remembers: the right edge of each tree, and the last version and leaf of every stream."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from adapters.settings import LIMITS
from domain.merkle import HASH_BYTES
from domain.tails import slots_in

_TREE = "SELECT size, previous, edges FROM trees WHERE bucket = ?"

_PUT_TREE = "INSERT OR REPLACE INTO trees (bucket, size, previous, edges) VALUES (?, ?, ?, ?)"

# Of many streams at once, by their keys strung together.
_TAILS_OF = """
WITH RECURSIVE asked (at) AS (SELECT 1 WHERE length(?1) UNION ALL SELECT at + 32 FROM asked WHERE at + 32 < length(?1))
SELECT stream, version, leaf FROM asked CROSS JOIN tails ON stream = substr(?1, at, 32)
"""

# In place, which takes half the time of replacing.
_PUT_TAIL = """
INSERT INTO tails (stream, version, leaf) VALUES (?, ?, ?)
ON CONFLICT (stream) DO UPDATE SET version = excluded.version, leaf = excluded.leaf
"""

_TAILS = "SELECT stream, version, leaf FROM tails ORDER BY stream"

_SLOT = "SELECT stream, version, leaf FROM tails WHERE stream >= ? AND stream <= ? ORDER BY stream"

_STREAMS = "SELECT count(*) FROM tails"


_STREAMS_PER_LOOK = 16
"""How many streams are read one after the other in the time in which one slot is looked up."""


class Tree(NamedTuple):
    """A bucket's tree as far as it was read; `edges` are the levels of its tiles that are not full."""

    size: int
    previous: bytes
    edges: list[bytes]


class Store:
    """A SQLite file of the sealer's own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def writing(cls, path: Path) -> Self:
        """The file for the sealer, made when it is not there."""
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{LIMITS.sqlite_cache_size_kib:d}")
        connection.executescript(Path(__file__).with_name("store.sql").read_text("utf-8"))
        return cls(connection)

    @classmethod
    def reading(cls, path: Path) -> Self:
        """The file as it stands now, whatever the sealer does meanwhile."""
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", isolation_level=None, uri=True)
        connection.execute("PRAGMA query_only = on")
        connection.execute("BEGIN")
        return cls(connection)

    def tree(self, bucket: int) -> Tree:
        """The tree of a bucket; an empty one when nothing was read yet."""
        size, previous, joined = self._connection.execute(_TREE, (bucket,)).fetchone() or (0, b"", b"")
        edges, rest = [], size
        while rest:
            length = rest % 256 * HASH_BYTES
            edges.append(joined[:length])
            joined, rest = joined[length:], rest >> 8
        return Tree(size, previous, edges)

    def tails(self, streams: Iterable[bytes]) -> dict[bytes, tuple[int, bytes]]:
        """The last versions and leaves of streams, by their keys; one that is not known is not there."""
        found = self._connection.execute(_TAILS_OF, (b"".join(streams),))
        return {stream: (version, leaf) for stream, version, leaf in found}

    def put(self, trees: dict[int, Tree], tails: Iterable[tuple[bytes, int, bytes]]) -> None:
        """Remember trees and tails, all or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            self._connection.executemany(_PUT_TAIL, tails)
            for bucket, (size, previous, edges) in trees.items():
                self._connection.execute(_PUT_TREE, (bucket, size, previous, b"".join(edges)))

    def slots(self) -> Iterator[tuple[int, bytes]]:
        """Every slot of tails that is not empty."""
        return slots_in(self._connection.execute(_TAILS))

    def slot(self, slot: int) -> bytes:
        """The entries of one slot."""
        low = slot.to_bytes(2)
        return next((held for _, held in slots_in(self._connection.execute(_SLOT, (low, low + b"\xff" * 30)))), b"")

    def slots_among(self, slots: set[int]) -> Iterator[tuple[int, bytes]]:
        """The slots of a set with their entries; with many of them the others too, which then takes less time."""
        if len(slots) * _STREAMS_PER_LOOK > self.streams():
            return self.slots()
        return ((slot, self.slot(slot)) for slot in slots)

    def streams(self) -> int:
        """How many streams there are."""
        return int(self._connection.execute(_STREAMS).fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
