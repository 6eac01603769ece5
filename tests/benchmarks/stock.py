"""The stock library doing the same work: its own recorders, its own ProjectionRunner, nothing of ours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import ApplicationRecorder, InfrastructureFactory, StoredEvent, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL

from adapters.codec import encode
from domain.touchpoint import Envelope


def environment(url: str, connections: int = 32) -> dict[str, str]:
    """How the library is told of a database, and how many connections it may keep; twice as many at most."""
    if url.startswith("sqlite"):
        return {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": url.removeprefix("sqlite:///"),
            "SQLITE_LOCK_TIMEOUT": "60",
            "ORIGINATOR_ID_TYPE": "text",
        }
    where = conninfo_to_dict(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(where["dbname"]),
        "POSTGRES_HOST": str(where["host"]),
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": str(where["user"]),
        "POSTGRES_PASSWORD": "not asked for",
        "POSTGRES_POOL_SIZE": str(connections),
        "POSTGRES_MAX_OVERFLOW": str(connections),
        "POSTGRES_POOL_TIMEOUT": "60",
        "POSTGRES_LOCK_TIMEOUT": "60",
        "ORIGINATOR_ID_TYPE": "text",
    }


def recorder(
    url: str, connections: int = 32, *, made: bool = False
) -> tuple[InfrastructureFactory, ApplicationRecorder]:
    """A recorder of the library, whose table may be made already; and the factory to close afterwards."""
    # Several that make the same table at the same moment fail.
    creates = {"CREATE_TABLE": "no" if made else "yes"}
    factory = InfrastructureFactory.construct(environment(url, connections) | creates)
    return factory, factory.application_recorder()


def stored_events(envelopes: Iterable[Envelope], versions: dict[str, int]) -> list[StoredEvent]:
    """The same bytes, as the library's stored events; `versions` goes on counting."""
    made: list[StoredEvent] = []
    for envelope in envelopes:
        versions[envelope.subject] = version = versions.get(envelope.subject, 0) + 1
        made.append(StoredEvent(envelope.subject, version, envelope.type, encode(envelope)))
    return made


@dataclass(frozen=True)
class Touched:
    """A touchpoint as the library would have it: an event class of its own, stored by its own mapper."""

    originator_id: str
    originator_version: int
    kind: str
    day: str
    data: dict[str, Any]


class Lives(Application[str]):
    """An application that only records."""


TABLES = (
    "stock_contacts (subject text, version bigint, day text, kind text, PRIMARY KEY (subject, version))",
    "stock_opportunities (subject text, opportunity text, status text, day text, PRIMARY KEY (subject, opportunity))",
    "stock_loyalty (subject text PRIMARY KEY, orders bigint, gross bigint, last_day text)",
)


class Views(PostgresTrackingRecorder):
    """Three tables as the library's users keep them: contacts, opportunities and loyalty, written event by event."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.sql_create_statements += [SQL("CREATE TABLE IF NOT EXISTS {}").format(SQL(table)) for table in TABLES]

    def show(self, event: Touched, tracking: Tracking) -> None:
        """Write what one event changes, and that it was seen, in one transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "INSERT INTO stock_contacts VALUES (%s, %s, %s, %s)",
                (event.originator_id, event.originator_version, event.day, event.kind),
                prepare=True,
            )
            if event.kind.startswith("Opportunity"):
                cursor.execute(
                    "INSERT INTO stock_opportunities VALUES (%s, %s, %s, %s) ON CONFLICT (subject, opportunity)"
                    " DO UPDATE SET status = excluded.status, day = excluded.day",
                    (event.originator_id, event.data["opportunity"], event.kind, event.day),
                    prepare=True,
                )
            elif event.kind == "OrderPlaced":
                cursor.execute(
                    "INSERT INTO stock_loyalty VALUES (%s, 1, %s, %s) ON CONFLICT (subject) DO UPDATE SET"
                    " orders = stock_loyalty.orders + 1, gross = stock_loyalty.gross + excluded.gross,"
                    " last_day = excluded.last_day",
                    (event.originator_id, event.data["total"]["micros"], event.day),
                    prepare=True,
                )
            self._insert_tracking(cursor, tracking)


class Follows(Projection[Views]):
    """Hands each event to the tables."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Nothing but touchpoints is recorded."""
        raise TypeError(f"{type(domain_event)} at {tracking.notification_id}")

    @process_event.register
    def _(self, domain_event: Touched, tracking: Tracking) -> None:
        self.view.show(domain_event, tracking)


def rebuild(url: str, envelopes: Sequence[Envelope]) -> float:
    """Record touchpoints, then run the library's ProjectionRunner over all of them; answer the seconds it ran."""
    env = environment(url)
    with Lives(env) as lives:
        versions: dict[str, int] = {}
        events: list[Touched] = []
        for envelope in envelopes:
            versions[envelope.subject] = version = versions.get(envelope.subject, 0) + 1
            data = envelope.data.model_dump(mode="json", exclude_none=True)
            events.append(Touched(envelope.subject, version, envelope.type, envelope.time.date().isoformat(), data))
        last = 0
        for at in range(0, len(events), 500):
            last = lives.events.put(events[at : at + 500])[-1].notification.id
    began = perf_counter()
    with ProjectionRunner(application_class=Lives, projection_class=Follows, view_class=Views, env=env) as runner:
        runner.wait(last, timeout=300)
        return perf_counter() - began
