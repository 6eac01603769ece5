"""The log in PostgreSQL."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from threading import Event
from time import monotonic
from typing import Any, Self

import psycopg
from psycopg import Connection, errors
from psycopg.pq.abc import PGresult

from adapters import tracing
from adapters.cursor import Cursor
from adapters.log import Group, Meta, Stored, Verdict, bucket_of, by_stream, stored_of, touched_by
from adapters.postgres.append import Call, rounds, send
from adapters.postgres.arrays import Bigints, Integers, Texts
from adapters.postgres.books import Books, rows_of
from adapters.postgres.datastore import Datastore, Listener, in_our_words, lost
from adapters.postgres.facts import Facts, OneFact, new_facts
from adapters.postgres.installation import install, log_exists, read_meta
from adapters.postgres.on_loop import carried_on
from adapters.postgres.prepared import PreparingConnection
from adapters.postgres.recorder import Factory
from adapters.postgres.streaming import Span, streamed
from adapters.settings import LIMITS
from domain.company import Company

_COLUMNS = b"""
    SELECT t.bucket, t.number, t.stream, t.version, t.kind, t.id, t.source, t.occurred, t.recorded, t.recordedby,
           t.state
    FROM lifecircle.touchpoints AS t
"""

# Numbers have no gaps, so a range needs no LIMIT, and no plan can go wrong over one. How large states are is known
# without reading them; where they are too large together is asked only when they are.
_READ = (
    _COLUMNS
    + b"""
    WHERE t.bucket = %(bucket)s AND t.number > %(seen)s AND t.number <= CASE WHEN (
        SELECT sum(octet_length(state)) FROM lifecircle.touchpoints
        WHERE bucket = %(bucket)s AND number > %(seen)s AND number <= %(last)s
    ) > %(bytes)s THEN (
        SELECT min(number) FROM (
            SELECT number, sum(octet_length(state)) OVER (ORDER BY number) AS bytes FROM lifecircle.touchpoints
            WHERE bucket = %(bucket)s AND number > %(seen)s AND number <= %(last)s
        ) AS page WHERE bytes >= %(bytes)s
    ) ELSE %(last)s END ORDER BY t.number
    """
)

_PAGES = _COLUMNS + b"WHERE t.bucket = $1 AND t.number > $2 AND t.number <= $3 ORDER BY t.number"

_STREAM = _COLUMNS + b"WHERE t.bucket = %s AND t.stream = %s AND t.number <= %s ORDER BY t.version"

_STREAMS = (
    _COLUMNS
    + b"""
    JOIN unnest(%b, %b, %b) AS asked (bucket, stream, last)
        ON t.bucket = asked.bucket AND t.stream = asked.stream AND t.number <= asked.last
    ORDER BY t.stream, t.version
"""
)

_FIND = _COLUMNS + b"WHERE t.bucket = %s AND t.stream = %s AND t.source = %s AND t.id = %s"

# The kinds must stand here as they do in the partial index, or it is not used.
_LINKS = (
    _COLUMNS
    + b"""
    JOIN unnest(%b) WITH ORDINALITY AS cut (number, bucket) ON t.bucket = cut.bucket AND t.number <= cut.number
    WHERE t.kind IN ('CustomersMerged', 'CustomerMergeReverted') ORDER BY t.bucket, t.number
"""
)

_VERSION = b"""
    SELECT version FROM lifecircle.touchpoints WHERE bucket = %s AND stream = %s ORDER BY version DESC LIMIT 1
"""

_HEADS = b"""
    SELECT coalesce((SELECT max(t.number) FROM lifecircle.touchpoints AS t WHERE t.bucket = b.bucket), 0)
    FROM generate_series(1, %s) AS b (bucket) ORDER BY b.bucket
"""

_KINDS = b"SELECT kind, count(*) FROM lifecircle.touchpoints GROUP BY kind"

_CUT = b"SELECT number FROM lifecircle.cut_v1(%s) ORDER BY bucket"

_TAKE_LOCKS = b"SELECT lifecircle.take_locks_v1(%b)"

_HIGHEST = 2**63 - 1

_AT_HAND_S = 0.0002
"""For how long an event loop may wait for a connection: none is free, or there is one."""


class PostgresLog(Books):
    """A log in schema `lifecircle` of a PostgreSQL database. Safe to share between threads."""

    def __init__(self, datastore: Datastore, meta: Meta) -> None:
        self.log_id, self.buckets, self.company, self.origins = meta
        self.parallel = self.buckets > 1
        self.datastore = datastore
        self._repeating = False
        """Whether the last call held known ids. Then the next may as well, and is judged at once."""
        if self.parallel:
            datastore.commit_side_by_side(self.buckets)

    @classmethod
    def create(cls, url: str, company: Company, buckets: int = 1) -> Self:
        """Make a log in a database.

        Raises:
            LogExists: it holds one already.
            NotOurLog: schema lifecircle holds something else, or a log of a newer version.
            LogUnavailable: the server cannot be reached, refuses, or has no such database.
            LogNotWritable: the database is read-only or full, or the account may not create a schema.
        """
        return cls._connected(url, company, buckets)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the log of a database.

        Raises:
            LogNotFound: there is none.
            NotOurLog: schema lifecircle holds something else, or a log of a newer version.
            LogUnavailable: the server cannot be reached, refuses, or has no such database.
        """
        return cls._connected(url, None)

    @classmethod
    def _connected(cls, url: str, company: Company | None, buckets: int = 1) -> Self:
        datastore = Datastore(url)
        try:
            # Not by the pool, which would try for long and keep the reason to itself.
            with datastore.connect() as connection, connection.transaction(), connection.cursor() as cursor:
                made = company is not None and install(cursor, company, buckets)
                meta = read_meta(cursor, datastore.where)
        except psycopg.Error as error:
            if ours := in_our_words(error, datastore.where):
                raise ours from error
            raise
        if company is not None and not made:
            raise log_exists(datastore.where)
        return cls(datastore, meta)

    def factory(self, bucket: int = 1) -> Factory:
        """The library's recorders over one bucket, on the connections of this log."""
        return Factory(datastore=self.datastore, bucket=bucket)

    def connections(self) -> tuple[int, int, int]:
        """How many connections are in use, how many idle, and how many callers wait for one."""
        stands = self.datastore.pool.get_stats()
        idle = stands.get("pool_available", 0)
        return stands.get("pool_size", 0) - idle, idle, stands.get("requests_waiting", 0)

    def close(self) -> None:
        """Give all connections back."""
        self.datastore.close()

    def append(self, groups: Sequence[Group], ready: Callable[[], None] | None = None) -> list[Verdict]:
        """Store groups, as the log's contract says.

        After a lost connection the same is sent again: what had been stored comes back as its receipts, for known ids
        are judged before expected versions.
        """
        facts = None if self._repeating else new_facts(groups, self.buckets)
        if facts and (answer := self.datastore.patiently(lambda connection: _at_once(connection, facts, ready))):
            self.datastore.announce()
            return facts.verdicts(answer)
        if ready:
            ready()
        return self._judged(groups)

    async def append_on_loop(self, groups: Sequence[Group]) -> list[Verdict] | None:
        """Store groups as `append` does, while the loop that asks goes on with its other work.

        None where that takes more than one answer of the server, or the connection was lost: `append` is then to be
        called, and resolves what became of them.
        """
        # Where several buckets commit side by side, followers are woken by a call of its own, which is waited for.
        facts = None if self._repeating or self.parallel else new_facts(groups, self.buckets)
        answer = None
        if facts:
            # What failed is met again, and said, when the groups are appended otherwise.
            with suppress(psycopg.Error, NotImplementedError), self._at_hand() as connection:
                answer = await carried_on(connection, connection.asking(facts.statement, facts.values))
        return facts.verdicts(answer) if facts and answer and facts.stored(answer) else None

    @contextmanager
    def _at_hand(self) -> Iterator[PreparingConnection]:
        with tracing.database("postgresql"), self.datastore.connection(_AT_HAND_S) as connection:
            yield connection

    def _judged(self, groups: Sequence[Group]) -> list[Verdict]:
        calls = [Call(in_one, self.buckets) for in_one in rounds(groups)]
        touched = touched_by(groups, self.buckets) if self.parallel and len(calls) > 1 else set()
        answers = self.datastore.patiently(lambda connection: _send(connection, calls, touched))
        self._repeating = any(answer.repeat for judged in answers for answer in judged)
        self.datastore.announce()
        return [
            verdict for call, judged in zip(calls, answers, strict=True) for verdict in call.verdicts(judged, self.find)
        ]

    def append_in_turn(self, batches: Iterable[Sequence[Group]]) -> Iterator[list[Verdict]]:
        """Append batch after batch; the next is made, and receipts are written, while one is being stored.

        A batch is sent when the one before it is stored, on the same connection, so their order is kept. What meets a
        known id or loses the connection is appended by itself, as if it had not been sent.
        """
        flight: _Flight | None = None
        try:
            for groups in batches:
                facts = None if self._repeating else new_facts(groups, self.buckets)
                landing, flight = flight, None
                verdicts = landing.land() if landing else None
                flight = _Flight(self, groups, facts)
                if verdicts:
                    yield verdicts()
            if flight:
                landing, flight = flight, None
                yield landing.land()()
        finally:
            if flight:
                flight.land()

    def check(self) -> None:
        """Look once, on a connection of its own, whether the server answers and can be written."""
        try:
            with self.datastore.connect() as connection:
                if connection.execute("SHOW transaction_read_only").fetchone() == {"transaction_read_only": "on"}:
                    raise errors.ReadOnlySqlTransaction
        except psycopg.Error as error:
            raise in_our_words(error, self.datastore.where) or error from error

    def heads(self) -> Cursor:
        """The last number of every bucket, from one statement."""
        return self._cursor(self.fetch(_HEADS, (self.buckets,)))

    def start(self) -> Cursor:
        """The cursor before the first touchpoint."""
        return Cursor(self.log_id, (0,) * self.buckets)

    def cut_at(self, recorded_us: int) -> Cursor:
        """The cut that holds exactly what had been recorded at or before an instant."""
        return self._cursor(self.fetch(_CUT, (max(-_HIGHEST, min(recorded_us, _HIGHEST)),)))

    def _cursor(self, rows: list[tuple[Any, ...]]) -> Cursor:
        return Cursor(self.log_id, tuple(number for (number,) in rows))

    def read(self, after: Cursor, limit: int, upto: Cursor | None = None) -> list[Stored]:
        """The next touchpoints after a cursor, bucket by bucket."""
        cut = upto or (self.heads() if self.parallel else after.advanced(1, after.numbers[0] + limit))
        return self.datastore.patiently(lambda connection: _read(connection, after, limit, cut))

    def pages(self, after: Cursor, upto: Cursor, size: int = LIMITS.read_page_touchpoints) -> Iterator[list[Stored]]:
        """All touchpoints after a cursor within a cut, the next of them on their way while a page is used."""
        for bucket, seen, last in zip(count(1), after.numbers, upto.numbers, strict=False):
            span = Span(bucket, seen, last)
            yield from streamed(self.datastore, _PAGES, span, size, stored_of, number_at=1)

    def stream(self, subject: str, upto: Cursor | None = None) -> list[Stored]:
        """One subject's stream in version order, within a cut."""
        bucket = bucket_of(subject, self.buckets)
        return self._stored(_STREAM, (bucket, subject, upto.numbers[bucket - 1] if upto else _HIGHEST))

    def streams(self, subjects: Iterable[str], upto: Cursor) -> dict[str, list[Stored]]:
        """The streams of several subjects within a cut, in one look."""
        names = list(subjects)
        buckets = [bucket_of(name, self.buckets) for name in names]
        lasts = [upto.numbers[bucket - 1] for bucket in buckets]
        return by_stream(self._stored(_STREAMS, (Integers(buckets), Texts(names), Bigints(lasts))))

    def version(self, subject: str) -> int:
        """The version of a subject's stream; 0 when it has none."""
        rows = self.fetch(_VERSION, (bucket_of(subject, self.buckets), subject))
        return rows[0][0] if rows else 0

    def find(self, subject: str, source: str, id: str) -> Stored | None:  # noqa: A002 - the envelope's own word
        """Look one touchpoint up by its id."""
        rows = self._stored(_FIND, (bucket_of(subject, self.buckets), subject, source, id))
        return rows[0] if rows else None

    def links(self, upto: Cursor | None = None) -> list[Stored]:
        """Every merge and revert within a cut, each once per stream that holds it."""
        return self._stored(_LINKS, (Bigints(upto.numbers if upto else (_HIGHEST,) * self.buckets),))

    def kinds(self) -> dict[str, int]:
        """How many touchpoints of each kind the log holds; it reads the whole log."""
        return dict(self.fetch(_KINDS, ()))

    def follow(self, after: Cursor, stop: Event) -> Iterator[list[Stored]]:
        """Batches after a cursor, until `stop` is set; an empty one while nothing comes.

        Raises:
            LogUnavailable: the server did not come back in time.
        """
        deadline = None
        with Listener(self.datastore) as listener:
            while not stop.is_set():
                try:
                    with self.datastore.connection() as connection:
                        heads = self._cursor(rows_of(connection, _HEADS, (self.buckets,)))
                        batch = _read(connection, after, LIMITS.follow_batch_max, heads)
                    deadline = None
                except psycopg.Error as error:
                    deadline = deadline or monotonic() + LIMITS.postgres_reconnect_s
                    if not lost(error) or monotonic() > deadline:
                        raise in_our_words(error, self.datastore.where) or error from error
                    batch = []
                    stop.wait(LIMITS.postgres_pause_min_s)
                yield batch
                for bucket, number in {stored.bucket: stored.number for stored in batch}.items():
                    after = after.advanced(bucket, number)
                if not batch and deadline is None and not stop.is_set():
                    listener.wait(LIMITS.postgres_poll_s)

    def _stored(self, query: bytes, parameters: Sequence[Any]) -> list[Stored]:
        return self.datastore.patiently(lambda connection: _touchpoints(connection, query, parameters))


class _Flight:
    """A batch of groups on its way into the log."""

    def __init__(self, log: PostgresLog, groups: Sequence[Group], facts: Facts | OneFact | None) -> None:
        self._log, self._groups, self._facts = log, groups, facts
        self._held = ExitStack()
        if facts:
            with suppress(psycopg.Error):  # it is then met again, and said, when the batch is appended by itself
                self._connection = self._held.enter_context(log.datastore.connection())
                facts.send(self._connection)
                return
        self._facts = None

    def land(self) -> Callable[[], list[Verdict]]:
        """Wait until it is settled; what became of it can be worked out afterwards."""
        with suppress(psycopg.Error), self._held:
            if self._facts and (answer := self._facts.receive(self._connection)):
                self._log.datastore.announce()
                return partial(self._facts.verdicts, answer)
        verdicts = self._log.append(self._groups)
        return lambda: verdicts


def _at_once(
    connection: PreparingConnection, facts: Facts | OneFact, ready: Callable[[], None] | None
) -> PGresult | None:
    if ready is None:
        facts.send(connection)
        return facts.receive(connection)
    with connection.held(facts.statement):
        try:
            facts.send(connection)
            ready()
        except BaseException:
            connection.release(undone=True)
            raise
        connection.release()
        return facts.receive(connection)


def _send(connection: Connection[Any], calls: Sequence[Call], touched: set[int]) -> list[list[Any]]:
    if not touched:
        return send(connection, calls)
    # Each call takes the locks of its own buckets in ascending order; of several in one transaction, the second could
    # ask for a lower one than the first has.
    with connection.transaction():
        connection.execute(_TAKE_LOCKS, (Integers(touched),), prepare=True)
        return send(connection, calls)


def _touchpoints(
    connection: Connection[Any], query: bytes, parameters: Sequence[Any] | Mapping[str, Any]
) -> list[Stored]:
    with connection.cursor(binary=True, row_factory=_stored_row) as cursor:
        return cursor.execute(query, parameters, prepare=True).fetchall()


def _stored_row(_: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Stored]:
    return stored_of


def _read(connection: Connection[Any], after: Cursor, limit: int, upto: Cursor) -> list[Stored]:
    found: list[Stored] = []
    page = after.page(upto, limit)
    for bucket, (seen, last) in enumerate(zip(after.numbers, page.numbers, strict=True), start=1):
        if last > seen:
            most = LIMITS.read_page_max_bytes // len(page.numbers)
            found += _touchpoints(connection, _READ, {"bucket": bucket, "seen": seen, "last": last, "bytes": most})
    return found
