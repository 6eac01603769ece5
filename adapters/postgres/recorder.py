"""The library's recorders over one bucket of the log, and the factory that makes them.

They share the log's tables and its one append function, so that whatever an application of the library stores stands
in the same dense, commit-ordered numbers.
"""

from collections.abc import Sequence
from threading import Thread
from time import monotonic, sleep
from typing import Any, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    IntegrityError,
    InterfaceError,
    ListenNotifySubscription,
    Notification,
    OperationalError,
    ProcessRecorder,
    ProgrammingError,
    StoredEvent,
    Subscription,
)
from eventsourcing.postgres import PostgresFactory, PostgresRecorder, PostgresTrackingRecorder
from eventsourcing.utils import Environment, EnvType
from psycopg import Cursor
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, tuple_row

from adapters.postgres.arrays import Bigints, Blobs, Integers, Texts
from adapters.postgres.datastore import Datastore, Listener, lost
from adapters.postgres.installation import install
from adapters.settings import LIMITS
from domain.company import Company

_INSERT = """
    SELECT number FROM lifecircle.append_v1(
        %b, %b, %b, %b, %b, NULL, NULL, NULL, NULL, %b, NULL, '{}', '{}', '{}', '{}')
"""

_STANDING = """
    SELECT t.number FROM unnest(%b, %b, %b, %b) WITH ORDINALITY AS g (stream, version, kind, state, ordinal)
    JOIN lifecircle.touchpoints AS t
        ON t.bucket = %s AND t.stream = g.stream AND t.version = g.version AND t.kind = g.kind AND t.state = g.state
    ORDER BY g.ordinal
"""

_EVENTS = """
    SELECT stream, version, kind, state FROM lifecircle.touchpoints
    WHERE bucket = %s AND stream = %s AND version > %s AND version <= %s ORDER BY version LIMIT %s
"""

_EVENTS_DESCENDING = """
    SELECT stream, version, kind, state FROM lifecircle.touchpoints
    WHERE bucket = %s AND stream = %s AND version > %s AND version <= %s ORDER BY version DESC LIMIT %s
"""

_NOTIFICATIONS = """
    SELECT stream, version, kind, state, number FROM lifecircle.touchpoints
    WHERE bucket = %s AND number >= %s AND number <= %s ORDER BY number LIMIT %s
"""

_NOTIFICATIONS_OF_TOPICS = """
    SELECT stream, version, kind, state, number FROM lifecircle.touchpoints
    WHERE bucket = %s AND number >= %s AND number <= %s AND kind = ANY (%s) ORDER BY number LIMIT %s
"""

_LAST = "SELECT number FROM lifecircle.touchpoints WHERE bucket = %s ORDER BY number DESC LIMIT 1"

_INSERT_SNAPSHOT = """
    INSERT INTO lifecircle.stored_snapshots (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %b)
"""

_SNAPSHOTS = """
    SELECT originator_id, originator_version, topic, state FROM lifecircle.stored_snapshots
    WHERE originator_id = %s AND originator_version > %s AND originator_version <= %s
    ORDER BY originator_version * %s LIMIT %s
"""

_LEAST = -(2**63)
_MOST = 2**63 - 1


class BucketRecorder(PostgresRecorder, ApplicationRecorder):
    """An application recorder bound to one bucket; its notification ids are the bucket's numbers."""

    datastore: Datastore

    def __init__(self, datastore: Datastore, *, bucket: int) -> None:
        super().__init__(datastore)
        self.bucket = bucket

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Store events under the versions they carry, all or nothing.

        When the connection is lost on the way, the same is sent again; if it meets its own rows, it was stored the
        first time. (The library's `@retry` would report that as a conflict.)

        Raises:
            IntegrityError: a version of a stream is taken.
            OperationalError: the server did not come back in time.
        """
        numbers = self._insert_patiently(stored_events, **kwargs)
        self.datastore.announce()
        return numbers

    def _insert_patiently(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> list[int]:
        deadline = monotonic() + LIMITS.postgres_reconnect_s
        pause_s = LIMITS.postgres_pause_min_s
        unknown = False
        while True:
            try:
                return self._insert_once(stored_events, **kwargs)
            except IntegrityError:
                if unknown and (standing := self._standing(stored_events)):
                    return standing
                raise
            except (OperationalError, InterfaceError) as error:
                if error.__cause__ is None or not lost(error.__cause__) or monotonic() + pause_s > deadline:
                    raise
                unknown = True
                sleep(pause_s)
                pause_s = min(2 * pause_s, LIMITS.postgres_pause_max_s)

    def _insert_once(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> list[int]:
        with self.datastore.get_connection() as connection:
            if not kwargs:  # one statement is its own transaction, and one round trip
                return self._append(connection.cursor(), stored_events)
            with connection.transaction(), connection.cursor() as cursor:
                self._insert_beside(cursor, **kwargs)
                return self._append(cursor, stored_events)

    def _insert_beside(self, cursor: Cursor[DictRow], **kwargs: Any) -> None:
        """What a process recorder stores in the same transaction."""

    def _append(self, cursor: Cursor[DictRow], events: Sequence[StoredEvent]) -> list[int]:
        if not events:
            return []
        buckets = Integers([self.bucket] * len(events))
        columns = (Integers([1] * len(events)), buckets, *self._columns(events))
        cursor.execute(_INSERT, columns, prepare=True, binary=True)
        return [row["number"] for row in cursor]

    @staticmethod
    def _columns(events: Sequence[StoredEvent]) -> tuple[Texts, Bigints, Texts, Blobs]:
        return (
            Texts([str(event.originator_id) for event in events]),
            Bigints([event.originator_version for event in events]),
            Texts([event.topic for event in events]),
            Blobs([event.state for event in events]),
        )

    def _standing(self, events: Sequence[StoredEvent]) -> list[int] | None:
        rows = self._rows(_STANDING, (*self._columns(events), self.bucket))
        return [number for (number,) in rows] if len(rows) == len(events) else None

    def _rows(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        def fetch(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
            with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
                return cursor.execute(query.encode(), parameters, prepare=True).fetchall()

        return self.datastore.patiently(fetch)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of a stream, by version."""
        query = _EVENTS_DESCENDING if desc else _EVENTS
        after, upto = _LEAST if gt is None else gt, _MOST if lte is None else lte
        rows = self._rows(query, (self.bucket, str(originator_id), after, upto, limit))
        return [StoredEvent(*row) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The events of the bucket, by number."""
        first = 1 if start is None else start if inclusive_of_start else start + 1
        last = _MOST if stop is None else stop
        if topics:
            rows = self._rows(_NOTIFICATIONS_OF_TOPICS, (self.bucket, first, last, list(topics), limit))
        else:
            rows = self._rows(_NOTIFICATIONS, (self.bucket, first, last, limit))
        return [Notification(*row) for row in rows]

    def max_notification_id(self) -> int | None:
        """The last number of the bucket."""
        rows = self._rows(_LAST, (self.bucket,))
        return rows[0][0] if rows else None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Follow the bucket: woken by appends, by polling at the latest."""
        return BucketSubscription(self, gt, topics)


class SnapshotRecorder(PostgresRecorder, AggregateRecorder):
    """Keeps snapshots of rule state."""

    datastore: Datastore

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Store snapshots.

        Raises:
            IntegrityError: there is one of this version.
        """
        rows = [(str(each.originator_id), each.originator_version, each.topic, each.state) for each in stored_events]
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            cursor.executemany(_INSERT_SNAPSHOT, rows)
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The snapshots of a stream, by version."""
        after, upto = _LEAST if gt is None else gt, _MOST if lte is None else lte
        order = -1 if desc else 1
        with self.datastore.get_connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
            rows = cursor.execute(_SNAPSHOTS, (str(originator_id), after, upto, order, limit), prepare=True).fetchall()
        return [StoredEvent(*row) for row in rows]


class BucketProcessRecorder(PostgresTrackingRecorder, BucketRecorder, ProcessRecorder):
    """Stores events and how far an upstream has been processed, in one transaction."""

    datastore: Datastore

    def _insert_beside(self, cursor: Cursor[DictRow], **kwargs: Any) -> None:
        if tracking := kwargs.get("tracking"):
            self._insert_tracking(cursor, tracking)


class BucketSubscription(ListenNotifySubscription[BucketRecorder]):
    """The library's subscription; a lost notification or a dropped connection costs it a moment, never an event."""

    def __init__(self, recorder: BucketRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._listener = Listener(recorder.datastore)
        self._listen_thread = Thread(target=self._listen)
        self._listen_thread.start()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        try:
            super().__exit__(*args, **kwargs)
        finally:
            self._listen_thread.join()

    def _listen(self) -> None:
        with self._listener:
            while not self._has_been_stopped:
                self._listener.wait(LIMITS.postgres_poll_s)
                self._has_been_notified.set()


class Factory(PostgresFactory):
    """Makes the recorders of one bucket: over the log that is open, or from the library's POSTGRES_ environment.

    Of that environment it reads dbname, host, port, user and password. Streams have text ids, the schema is ours, and
    the library's database functions are never used, for they take no lock.
    """

    datastore: Datastore

    def __init__(
        self, env: Environment | EnvType | None = None, *, datastore: Datastore | None = None, bucket: int = 1
    ) -> None:
        # Not super(): its constructor would connect to the database that it reads from the environment.
        InfrastructureFactory.__init__(cast("InfrastructureFactory[Any]", self), env)
        self.bucket = bucket
        self.datastore = datastore or Datastore(self._address())
        if datastore is None and self.env_create_table():
            with self.datastore.transaction(commit=True) as cursor:
                install(cursor, Company())

    def _address(self) -> str:
        names = {
            "dbname": self.POSTGRES_DBNAME,
            "host": self.POSTGRES_HOST,
            "port": self.POSTGRES_PORT,
            "user": self.POSTGRES_USER,
            "password": self.POSTGRES_PASSWORD,
        }
        given = {word: value for word, name in names.items() if (value := self.env.get(name))}
        if "dbname" not in given:
            raise OSError(f"{self.POSTGRES_DBNAME} names no database")
        return make_conninfo("", **given)

    def application_recorder(self) -> BucketRecorder:
        """The recorder of the bucket."""
        return BucketRecorder(self.datastore, bucket=self.bucket)

    def aggregate_recorder(self, purpose: str = "snapshots") -> SnapshotRecorder:
        """The recorder of snapshots, the only aggregates that there are."""
        if purpose != "snapshots":
            raise ProgrammingError("streams are stored by the recorder of their bucket")
        return SnapshotRecorder(self.datastore)

    def process_recorder(self) -> BucketProcessRecorder:
        """The recorder of the bucket, with tracking beside it."""
        recorder = BucketProcessRecorder(self.datastore, bucket=self.bucket)
        if self.env_create_table():
            recorder.create_table()
        return recorder
