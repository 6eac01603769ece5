"""What an import must remember of the rows it has read, in memory that does not grow with the file."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.settings import LIMITS
from adapters.sources.readers import Row

# A private temporary file that goes with its connection. It holds nothing that a crash could lose, and no text of a
# row that the disk could keep: these are under a key that only this process has.
_OPEN = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -32768;
    CREATE TABLE seen (key INTEGER PRIMARY KEY);
    CREATE TABLE repeated (key INTEGER PRIMARY KEY, times INTEGER NOT NULL);
    CREATE TABLE groups (key BLOB PRIMARY KEY, first INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE rows (first INTEGER NOT NULL, line INTEGER NOT NULL, sealed BLOB NOT NULL,
        PRIMARY KEY (first, line)) WITHOUT ROWID;
"""
_TIMES = "SELECT coalesce((SELECT times FROM repeated WHERE key = ?1), 1) FROM seen WHERE key = ?1"
_SEE = "INSERT OR IGNORE INTO seen VALUES (?)"
_REPEATED = "INSERT OR REPLACE INTO repeated VALUES (?, ?)"
_FIRST = "SELECT first FROM groups WHERE key = ?"
_GROUP = "INSERT INTO groups VALUES (?, ?)"
_KEEP = "INSERT INTO rows VALUES (?, ?, ?)"
# In the order of the table's key, so that nothing is sorted.
_GROUPED = "SELECT line, sealed FROM rows ORDER BY first, line"


class Scratch:
    """Counts rows that are alike, and gathers rows of one group from all over a file."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.executescript(_OPEN)
        self._file.execute("BEGIN")
        self._recent: dict[int, int] = {}
        self._marks: bytearray | None = None
        """A Bloom filter of the rows in the file: nearly every row is new, and is known to be without a look there."""
        self._firsts: dict[bytes, int] = {}
        self._groups_spilt = False
        self._passing = AESGCM(AESGCM.generate_key(256))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def ordinal(self, digest: bytes) -> int:
        """How many rows of this digest came before; counts this one."""
        # 64 bits do: two rows that shared them would only take later ordinals under digests that still differ.
        key = int.from_bytes(digest[:8], signed=True)
        times = self._recent.get(key)
        if times is None:
            times = self._spilt_times(key)
        self._recent[key] = times + 1
        if len(self._recent) >= LIMITS.import_keys_in_memory:
            self._spill()
        return times

    def _spilt_times(self, key: int) -> int:
        """How often the file knows a row; it is asked only of those that it may know."""
        marks = self._marks
        if marks is None:
            return 0
        bits = 8 * len(marks)
        for place in (key % bits, (key >> 32) % bits):
            if not marks[place >> 3] >> (place & 7) & 1:
                return 0
        found = self._file.execute(_TIMES, (key,)).fetchone()
        return found[0] if found else 0

    def _spill(self) -> None:
        marks = self._marks = self._marks or bytearray(LIMITS.import_marks_bytes)
        bits = 8 * len(marks)
        for key in self._recent:
            for place in (key % bits, (key >> 32) % bits):
                marks[place >> 3] |= 1 << (place & 7)
        # In order, so that the pages of the file are come by once each.
        self._file.executemany(_SEE, zip(sorted(self._recent)))
        self._file.executemany(_REPEATED, [pair for pair in self._recent.items() if pair[1] > 1])
        self._recent.clear()

    def gathered(self, rows: Iterable[tuple[str, Row]]) -> Iterator[tuple[str, Row]]:
        """The same rows and keys, those of one key together, keys in the order of their first rows."""
        kept: list[tuple[int, int, bytes]] = []
        key, first = None, 0
        for its_key, row in rows:
            if its_key != key:
                key, first = its_key, self._first_line(its_key, row.line)
            text = json.dumps([key if first == row.line else None, row.cells, row.raw]).encode()
            # A line is kept once, so no nonce comes twice.
            kept.append((first, row.line, self._passing.encrypt(row.line.to_bytes(12), text, None)))
            if len(kept) >= LIMITS.import_batch_rows:
                self._file.executemany(_KEEP, kept)
                kept.clear()
        self._file.executemany(_KEEP, kept)
        self._firsts.clear()
        together = ""
        for line, sealed in self._file.execute(_GROUPED):
            begins, cells, raw = json.loads(self._passing.decrypt(line.to_bytes(12), sealed, None))
            together = together if begins is None else begins
            yield together, Row(line, cells, raw)

    def _first_line(self, key: str, line: int) -> int:
        """Where the group of this key began; it begins here if it is new."""
        digest = sha256(key.encode()).digest()
        first = self._firsts.get(digest)
        if first is None:
            found = self._file.execute(_FIRST, (digest,)).fetchone() if self._groups_spilt else None
            if found:
                return int(found[0])
            first = self._firsts[digest] = line
            if len(self._firsts) >= LIMITS.import_keys_in_memory:
                self._file.executemany(_GROUP, sorted(self._firsts.items()))
                self._firsts.clear()
                self._groups_spilt = True
        return first


class Tally:
    """Counts rows, or the different cells of a column, as a recipe wants it.

    Args:
        counts: see `Recipe`.
        counted: the figures, by name.
        scratch: what remembers the cells that were seen.
    """

    def __init__(
        self,
        counts: Sequence[tuple[str, Callable[[Sequence[str]], bool] | None, int | None]],
        counted: Counter[str],
        scratch: Scratch,
    ) -> None:
        self._counts = [(*count, set[str]()) for count in counts]
        self._counted = counted
        self._scratch = scratch
        counted.update({name: 0 for name, _, _ in counts})

    def take(self, cells: Sequence[str]) -> None:
        """Count one row.

        Raises:
            UnreadableInput: a number is compared where there is none.
        """
        for name, holds, place, seen in self._counts:
            if place is not None:
                # Asked first, for it is quicker than any condition.
                if (cell := cells[place]) in seen or (holds and not holds(cells)):
                    continue
                if len(seen) >= LIMITS.import_distinct_in_memory:
                    seen.clear()
                seen.add(cell)
                if self._scratch.ordinal(sha256(f"{name}\0{cell.strip()}".encode()).digest()):
                    continue
            elif holds and not holds(cells):
                continue
            self._counted[name] += 1
