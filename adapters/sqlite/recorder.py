"""The event sourcing library's recorders over the log's own table, each bound to one bucket."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.resources import files
from threading import Event
from typing import Any
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, Notification, StoredEvent, Subscription
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteCursor,
    SQLiteFactory,
    SQLiteProcessRecorder,
)
from eventsourcing.utils import Environment, EnvType

from adapters.clock import clock_us
from adapters.settings import LIMITS
from adapters.sqlite.datastore import Datastore

_FIRST, _LAST = -(2**63), 2**63 - 1

_HEAD = "SELECT number, recorded FROM touchpoints WHERE bucket = ? ORDER BY number DESC LIMIT 1"

_INSERT = """
    INSERT OR FAIL INTO touchpoints (bucket, number, stream, version, kind, recorded, state)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""

_EVENTS = """
    SELECT stream, version, kind, state FROM touchpoints
    WHERE bucket = ? AND stream = ? AND version > ? AND version <= ? ORDER BY version LIMIT ?
"""

_EVENTS_BACKWARDS = """
    SELECT stream, version, kind, state FROM touchpoints
    WHERE bucket = ? AND stream = ? AND version > ? AND version <= ? ORDER BY version DESC LIMIT ?
"""

_NOTIFICATIONS = """
    SELECT stream, version, kind, state, number FROM touchpoints
    WHERE bucket = ? AND number >= ? AND number <= ? ORDER BY number LIMIT ?
"""

_NOTIFICATIONS_OF_KINDS = """
    SELECT stream, version, kind, state, number FROM touchpoints
    WHERE bucket = ? AND number >= ? AND number <= ? AND kind IN (SELECT value FROM json_each(?))
    ORDER BY number LIMIT ?
"""

_MAX = "SELECT max(number) FROM touchpoints WHERE bucket = ?"


def statements_of(script: str) -> Iterator[str]:
    """The statements of a script beside this module: run as a whole, it would end the transaction that it runs in."""
    statement = ""
    for line in files("adapters.sqlite").joinpath(script).read_text("utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def head_of(cursor: sqlite3.Cursor, bucket: int) -> tuple[int, int]:
    """The last number of a bucket and the time it was recorded at, in µs; zeros where there is none."""
    row: tuple[int, int] | None = cursor.execute(_HEAD, (bucket,)).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def recorded_now(last_us: int) -> int:
    """The recorded time of a transaction, in µs: the clock, but always after the last one, also if it was set back."""
    return max(clock_us(), last_us + 1)


class BucketRecorder(SQLiteApplicationRecorder):
    """The application recorder of one bucket: the library's notification ids are the bucket's numbers."""

    def __init__(self, datastore: Datastore, events_table_name: str = "touchpoints", *, bucket: int = 1) -> None:
        super().__init__(datastore, events_table_name)
        self.bucket = bucket

    def construct_create_table_statements(self) -> list[str]:
        """The log's own tables, which belong together."""
        return list(statements_of("schema.sql"))

    def _insert_events(self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        last, last_recorded = head_of(c.sqlite_cursor, self.bucket)
        recorded = recorded_now(last_recorded)
        c.executemany(
            _INSERT,
            [
                (
                    self.bucket,
                    number,
                    str(event.originator_id),
                    event.originator_version,
                    event.topic,
                    recorded,
                    event.state,
                )
                for number, event in enumerate(stored_events, last + 1)
            ],
        )
        return list(range(last + 1, last + 1 + len(stored_events)))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of one stream, by version."""
        bounds = (_FIRST if gt is None else gt, _LAST if lte is None else lte, _LAST if limit is None else limit)
        with self.datastore.transaction(commit=False) as c:
            c.execute(_EVENTS_BACKWARDS if desc else _EVENTS, (self.bucket, str(originator_id), *bounds))
            return [StoredEvent(*row) for row in c.fetchall()]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The events of the bucket by number, from `start` to `stop`."""
        first = _FIRST if start is None else start if inclusive_of_start else start + 1
        bounds = (self.bucket, first, _LAST if stop is None else stop)
        with self.datastore.transaction(commit=False) as c:
            if topics:
                c.execute(_NOTIFICATIONS_OF_KINDS, (*bounds, json.dumps(list(topics)), limit))
            else:
                c.execute(_NOTIFICATIONS, (*bounds, limit))
            return [Notification(*row) for row in c.fetchall()]

    def _max_notification_id(self, c: SQLiteCursor) -> int:
        c.execute(_MAX, (self.bucket,))
        # The library's own signature says int, and its own suites ask for None where there is nothing yet.
        return c.fetchone()[0]  # type: ignore[no-any-return]

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """The events after a number, those to come included."""
        return PollingSubscription(self, gt, topics)


class BucketProcessRecorder(SQLiteProcessRecorder, BucketRecorder):
    """The process recorder of one bucket: events and a tracking row in one transaction."""

    def __init__(self, datastore: Datastore, *, events_table_name: str = "touchpoints") -> None:
        super().__init__(datastore, events_table_name=events_table_name)


class PollingSubscription(Subscription[ApplicationRecorder]):
    """Looks again after a short wait, for SQLite tells nobody of other processes' commits."""

    def __init__(self, recorder: ApplicationRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder, gt, topics)
        self._stopped = Event()
        self._page: Iterator[Notification] = iter(())

    def stop(self) -> None:
        """End the subscription, a waiting one at once."""
        super().stop()
        self._stopped.set()

    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            if (notification := next(self._page, None)) is not None:
                self._last_notification_id = notification.id
                return notification
            page = self._recorder.select_notifications(
                self._last_notification_id or 0, LIMITS.follow_batch_max, topics=self._topics, inclusive_of_start=False
            )
            if not page:
                self._stopped.wait(LIMITS.sqlite_poll_s)
            self._page = iter(page)
        raise StopIteration


class Factory(SQLiteFactory):
    """The library's wiring: by environment (SQLITE_DBNAME), or bound to one bucket of a log that is open already."""

    application_recorder_class: type[SQLiteApplicationRecorder] = BucketRecorder
    process_recorder_class: type[SQLiteProcessRecorder] = BucketProcessRecorder

    def __init__(self, env: Environment | EnvType | None, datastore: Datastore | None = None, bucket: int = 1) -> None:
        super().__init__(env)
        self._owns_datastore = datastore is None
        self.datastore = datastore or Datastore(self.datastore.pool.db_name)
        self.bucket = bucket

    @classmethod
    def bound(cls, datastore: Datastore, bucket: int) -> "Factory":
        """The factory of one bucket; closing it leaves the datastore to its owner."""
        return cls({cls.SQLITE_DBNAME: datastore.pool.db_name, cls.CREATE_TABLE: "no"}, datastore, bucket)

    def application_recorder(self) -> ApplicationRecorder:
        """The recorder of this factory's bucket."""
        recorder = super().application_recorder()
        if isinstance(recorder, BucketRecorder):
            recorder.bucket = self.bucket
        return recorder

    def close(self) -> None:
        """Close the datastore, if this factory made it."""
        if self._owns_datastore:
            super().close()
