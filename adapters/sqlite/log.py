"""The log in a SQLite file."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from threading import Condition, Event
from time import monotonic
from typing import Any, Self, TypeVar

from adapters import tracing
from adapters.addresses import SQLiteAddress, read_sqlite_url
from adapters.appending.judgement import Judgement, Key, Known, key_of
from adapters.cursor import Cursor
from adapters.log import Group, Meta, Stored, Verdict, bucket_of, by_stream, stored_of
from adapters.settings import LIMITS
from adapters.sqlite.books import Books
from adapters.sqlite.datastore import Datastore, explained
from adapters.sqlite.installation import connected, making, read_meta
from adapters.sqlite.recorder import Factory, head_of, recorded_now
from domain.company import Company
from domain.errors import NotOurLog

T = TypeVar("T")

_LAST = 2**63 - 1

_COLUMNS = (
    "SELECT bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state FROM touchpoints"
)

_READ = f"{_COLUMNS} WHERE bucket = ? AND number > ? AND number <= ? ORDER BY number"

# The plus keeps the planner from walking the whole log by number.
_STREAM = f"{_COLUMNS} WHERE bucket = ? AND stream = ? AND +number <= ? ORDER BY version"

_STREAMS = f"""
    {_COLUMNS} WHERE bucket = ? AND stream IN (SELECT value FROM json_each(?)) AND +number <= ? ORDER BY stream, version
"""  # noqa: S608 - nothing goes in but the columns

_FIND = f"{_COLUMNS} WHERE bucket = ? AND stream = ? AND source = ? AND id = ?"

_KNOWN = """
    SELECT bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state, content_hmac
    FROM touchpoints WHERE bucket = ? AND stream = ? AND source = ? AND id = ?
"""

# Many in one statement, for a call of its own costs more than to look one up; for one alone, JSON costs more than the
# call. CROSS keeps the planner from walking the log.
_ALL_KNOWN = """
    SELECT bucket, number, stream, version, kind, t.id, source, occurred, recorded, recordedby, state, content_hmac
    FROM json_each(?2) AS asked CROSS JOIN touchpoints AS t
    WHERE bucket = ?1 AND stream = json_extract(asked.value, '$[0]')
        AND source = json_extract(asked.value, '$[1]') AND t.id = json_extract(asked.value, '$[2]')
"""

# The kinds must stand here as they do in the partial index, or it is not used.
_LINKS = f"""
    {_COLUMNS} WHERE bucket = ? AND number <= ? AND kind IN ('CustomersMerged', 'CustomerMergeReverted')
    ORDER BY number
"""

_VERSION = "SELECT max(version) FROM touchpoints WHERE bucket = ? AND stream = ?"

_VERSIONS = """
    SELECT s.value, (SELECT max(version) FROM touchpoints WHERE bucket = ?1 AND stream = s.value)
    FROM json_each(?2) AS s
"""

_HEADS = """
    SELECT coalesce((SELECT max(number) FROM touchpoints WHERE bucket = b.value), 0) FROM json_each(?) AS b
"""

_RECORDED = "SELECT recorded FROM touchpoints WHERE bucket = ? AND number = ?"

# OR FAIL, for the transaction is undone as a whole: no row needs a journal of its own (see the trigger in schema.sql).
_INSERT = """
    INSERT OR FAIL INTO touchpoints
        (bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state, content_hmac)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_KINDS = "SELECT kind, count(*) FROM touchpoints GROUP BY kind"


class SQLiteLog(Books):
    """A log in one SQLite file. Safe to share between threads, and the file between processes."""

    parallel = False  # a file has one write lock, whatever its buckets

    def __init__(self, address: SQLiteAddress, meta: Meta) -> None:
        self.log_id, self.buckets, self.company, self.origins = meta
        self.path = address.path
        self.datastore = Datastore(address.uri)
        self._every_bucket = json.dumps(list(range(1, self.buckets + 1)))
        self._appends = 0
        self._appended = Condition()

    @classmethod
    def create(cls, url: str, company: Company, buckets: int = 1) -> Self:
        """Make a log in a file that does not exist, or is empty.

        Raises:
            LogExists: the file is a log already.
            NotOurLog: the file is something else.
            LogNotWritable: the address or the file is read-only, or the disk is full.
            LogUnavailable: the folder does not exist, or may not be entered.
        """
        with making(url, company, buckets):
            pass
        return cls.open(url)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the log in a file.

        Raises:
            LogNotFound: there is no file, or an empty one.
            NotOurLog: the file is something else, or was written by a newer version.
            LogUnavailable: the file may not be opened.
        """
        address = read_sqlite_url(url)
        return cls(address, read_meta(address))

    def factory(self, bucket: int = 1) -> Factory:
        """The library's recorders over one bucket, on the connections of this log."""
        return Factory.bound(self.datastore, bucket)

    def close(self) -> None:
        """Give all connections back."""
        self.datastore.close()

    def append(self, groups: Sequence[Group], ready: Callable[[], None] | None = None) -> list[Verdict]:
        """Store groups in one transaction under the file's write lock, as the log's contract says."""
        if ready:
            ready()
        with tracing.database("sqlite"), explained(self.path), self.datastore.writing() as cursor:
            heads = [head_of(cursor, bucket) for bucket in range(1, self.buckets + 1)]
            versions = self._versions(cursor, groups)
            judgement = Judgement(
                self._known(cursor, groups, versions),
                versions,
                [number for number, _ in heads],
                recorded_now(max(recorded for _, recorded in heads)),
            )
            verdicts = [judgement.verdict(group) for group in groups]
            cursor.executemany(_INSERT, judgement.rows)
        with self._appended:
            self._appends += 1
            self._appended.notify_all()
        return verdicts

    def append_in_turn(self, batches: Iterable[Sequence[Group]]) -> Iterator[list[Verdict]]:
        """Append batch after batch."""
        return map(self.append, batches)

    def _versions(self, cursor: sqlite3.Cursor, groups: Sequence[Group]) -> dict[str, int]:
        streams = {draft.stream for group in groups for draft in group.drafts}
        streams.update(stream for group in groups for stream in group.expected)
        if len(streams) == 1:
            return {stream: self._version(cursor, stream) for stream in streams}
        asked = self._of_buckets(streams, str).items()
        return {stream: version or 0 for each in asked for stream, version in cursor.execute(_VERSIONS, each)}

    def _version(self, cursor: sqlite3.Cursor, stream: str) -> int:
        found: tuple[int | None] = cursor.execute(_VERSION, (bucket_of(stream, self.buckets), stream)).fetchone()
        return found[0] or 0

    def _known(self, cursor: sqlite3.Cursor, groups: Sequence[Group], versions: dict[str, int]) -> dict[Key, Known]:
        # A stream without a version holds no ids: an import of new customers looks none up.
        keys = {key_of(draft) for group in groups for draft in group.drafts if versions[draft.stream]}
        asked: Iterable[tuple[str, tuple[Any, ...]]]
        if len(keys) == 1:
            asked = [(_KNOWN, (bucket_of(key[0], self.buckets), *key)) for key in keys]
        else:
            asked = [(_ALL_KNOWN, each) for each in self._of_buckets(keys, itemgetter(0)).items()]
        known = {}
        for sql, given in asked:
            for *row, content_hmac in cursor.execute(sql, given):
                stored = stored_of(row)
                known[stored.stream, stored.source, stored.id] = Known(stored, content_hmac)
        return known

    def _of_buckets(self, items: Iterable[T], stream_of: Callable[[T], str]) -> dict[int, str]:
        """What belongs to streams, by their buckets, as JSON."""
        of_bucket: dict[int, list[T]] = {}
        for item in items:
            of_bucket.setdefault(bucket_of(stream_of(item), self.buckets), []).append(item)
        return {bucket: json.dumps(members) for bucket, members in of_bucket.items()}

    def check(self) -> None:
        """Look once whether the file is there, and is still this log's."""
        # An open file goes on to be read and written when its name is gone, and what is written then is lost.
        with explained(self.path), connected(f"{self.path.absolute().as_uri()}?mode=ro") as connection:
            (log_id,) = connection.execute("SELECT log_id FROM log").fetchone()
        if log_id != self.log_id:
            raise NotOurLog("another log stands in this place", where=str(self.path), way_out="put this one back")

    def heads(self) -> Cursor:
        """The last number of every bucket, from one statement."""
        with self.transaction() as cursor:
            return self._heads(cursor)

    def _heads(self, cursor: sqlite3.Cursor) -> Cursor:
        rows = cursor.execute(_HEADS, (self._every_bucket,)).fetchall()
        return Cursor(self.log_id, tuple(number for (number,) in rows))

    def start(self) -> Cursor:
        """The cursor before the first touchpoint."""
        return Cursor(self.log_id, (0,) * self.buckets)

    def cut_at(self, recorded_us: int) -> Cursor:
        """The cut that holds exactly what had been recorded at or before an instant."""
        with self.transaction() as cursor:
            cut = self._heads(cursor)
            for bucket, above in enumerate(cut.numbers, 1):
                below = 0
                # Numbers have no gaps and recorded times never fall, so halving finds the cut, and needs no index.
                while below < above:
                    middle = (below + above + 1) // 2
                    (recorded,) = cursor.execute(_RECORDED, (bucket, middle)).fetchone()
                    below, above = (middle, above) if recorded <= recorded_us else (below, middle - 1)
                cut = cut.advanced(bucket, below)
            return cut

    def read(self, after: Cursor, limit: int, upto: Cursor | None = None) -> list[Stored]:
        """The next touchpoints after a cursor, bucket by bucket."""
        with self.transaction() as cursor:
            page = after.page(upto or self._heads(cursor), limit)
            rows: list[Stored] = []
            for bucket, (seen, last) in enumerate(zip(after.numbers, page.numbers, strict=True), 1):
                left = LIMITS.read_page_max_bytes // self.buckets
                for stored in map(stored_of, cursor.execute(_READ, (bucket, seen, last))):
                    rows.append(stored)
                    if (left := left - len(stored.state)) <= 0:
                        break
            return rows

    def pages(self, after: Cursor, upto: Cursor, size: int = LIMITS.read_page_touchpoints) -> Iterator[list[Stored]]:
        """All touchpoints after a cursor within a cut, each page in a transaction of its own."""
        for bucket, (seen, last) in enumerate(zip(after.numbers, upto.numbers, strict=True), 1):
            for begin in range(seen, last, size):
                with self.transaction() as cursor:
                    rows = cursor.execute(_READ, (bucket, begin, min(last, begin + size)))
                    page = list(map(stored_of, rows))
                if page:
                    yield page

    def stream(self, subject: str, upto: Cursor | None = None) -> list[Stored]:
        """One subject's stream in version order, within a cut."""
        bucket = bucket_of(subject, self.buckets)
        last = upto.numbers[bucket - 1] if upto else _LAST
        with self.transaction() as cursor:
            return list(map(stored_of, cursor.execute(_STREAM, (bucket, subject, last))))

    def streams(self, subjects: Iterable[str], upto: Cursor) -> dict[str, list[Stored]]:
        """The streams of several subjects within a cut, in one look."""
        with self.transaction() as cursor:
            found: list[Stored] = []
            for bucket, names in self._of_buckets(subjects, str).items():
                found += map(stored_of, cursor.execute(_STREAMS, (bucket, names, upto.numbers[bucket - 1])))
            return by_stream(found)

    def version(self, subject: str) -> int:
        """The version of a subject's stream; 0 when it has none."""
        with self.transaction() as cursor:
            return self._version(cursor, subject)

    def find(self, subject: str, source: str, id: str) -> Stored | None:  # noqa: A002 - the envelope's own word
        """Look one touchpoint up by its id."""
        with self.transaction() as cursor:
            row = cursor.execute(_FIND, (bucket_of(subject, self.buckets), subject, source, id)).fetchone()
            return stored_of(row) if row else None

    def links(self, upto: Cursor | None = None) -> list[Stored]:
        """Every merge and revert within a cut, each once per stream that holds it."""
        with self.transaction() as cursor:
            lasts = upto.numbers if upto else (_LAST,) * self.buckets
            return [
                stored_of(row) for bucket, last in enumerate(lasts, 1) for row in cursor.execute(_LINKS, (bucket, last))
            ]

    def kinds(self) -> dict[str, int]:
        """How many touchpoints of each kind the log holds; it reads the whole log."""
        with self.transaction() as cursor:
            return dict(cursor.execute(_KINDS).fetchall())

    def follow(self, after: Cursor, stop: Event) -> Iterator[list[Stored]]:
        """Batches after a cursor, until `stop` is set: woken by this process, polling for others."""
        heard = monotonic()
        while not stop.is_set():
            seen = self._appends
            batch = self.read(after, LIMITS.follow_batch_max)
            if batch or monotonic() - heard >= LIMITS.follow_silence_max_s:
                yield batch
                heard = monotonic()
            for bucket, number in {stored.bucket: stored.number for stored in batch}.items():
                after = after.advanced(bucket, number)
            if not batch:
                with self._appended:
                    self._appended.wait_for(lambda seen=seen: self._appends != seen, LIMITS.sqlite_poll_s)  # type: ignore[misc]

    @contextmanager
    def transaction(self, *, commit: bool = False) -> Iterator[sqlite3.Cursor]:
        """A transaction on the file, for what a log does in it."""
        with tracing.database("sqlite"), explained(self.path), self.datastore.transaction(commit=commit) as wrapped:
            cursor = wrapped.sqlite_cursor
            cursor.row_factory = None  # the library's own recorders read by name, and we by the hundred thousand
            yield cursor
