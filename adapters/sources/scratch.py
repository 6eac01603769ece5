"""What an import must remember of the rows it has read, in memory that does not grow with the file."""

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import sha256
from types import TracebackType
from typing import Self

from adapters.settings import LIMITS
from adapters.sources.readers import Row

# A private temporary file that goes with its connection. It holds nothing that a crash could lose.
_OPEN = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -32768;
    CREATE TABLE seen (key INTEGER PRIMARY KEY, times INTEGER NOT NULL);
    CREATE TABLE groups (key BLOB PRIMARY KEY, first INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE rows (first INTEGER NOT NULL, line INTEGER NOT NULL, cells TEXT NOT NULL, raw TEXT NOT NULL,
        width INTEGER NOT NULL);
"""
_TIMES = "SELECT times FROM seen WHERE key = ?"
_SEE = "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO UPDATE SET times = times + excluded.times"
_GROUP = "INSERT INTO groups VALUES (?, ?) ON CONFLICT DO UPDATE SET first = first RETURNING first"
_KEEP = "INSERT INTO rows VALUES (?, ?, ?, ?, ?)"
_GROUPED = "SELECT line, cells, raw, width FROM rows ORDER BY first, line"


class Scratch:
    """Counts rows that are alike, and gathers rows of one group from all over a file."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.executescript(_OPEN)
        self._file.execute("BEGIN")
        self._recent: dict[int, int] = {}
        self._spilt = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def ordinal(self, digest: bytes) -> int:
        """How many rows of this digest came before; counts this one."""
        # 64 bits do: two rows that shared them would only take later ordinals under digests that still differ.
        key = int.from_bytes(digest[:8], signed=True)
        recent = self._recent
        times = recent.get(key, 0)
        recent[key] = times + 1
        if self._spilt:
            found = self._file.execute(_TIMES, (key,)).fetchone()
            times += found[0] if found else 0
        if len(recent) >= LIMITS.import_keys_in_memory:
            self._file.executemany(_SEE, sorted(recent.items()))
            recent.clear()
            self._spilt = True
        return times

    def gathered(self, rows: Iterable[tuple[str, Row]]) -> Iterator[tuple[str, Row]]:
        """The same rows and keys, those of one key together, keys in the order of their first rows."""
        for key, row in rows:
            digest = sha256(key.encode()).digest()
            first = self._file.execute(_GROUP, (digest, row.line)).fetchone()[0]
            self._file.execute(_KEEP, (first, row.line, "\0".join((key, *row.cells)), row.raw, len(row.cells)))
        for line, joined, raw, width in self._file.execute(_GROUPED):
            parts = joined.split("\0")
            yield "\0".join(parts[:-width]), Row(line, parts[-width:], raw)
