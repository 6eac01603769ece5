"""The library's own suites, on our PostgreSQL recorders."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    ProcessRecorder,
    StoredEvent,
    TrackingRecorder,
)
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres import Factory, PostgresLog
from adapters.postgres.recorder import BucketRecorder
from domain.company import Company


class _OnOurLog:
    """A fresh log for every test, and text ids; the last of its buckets."""

    buckets = 1
    factory: Factory

    @pytest.fixture(autouse=True)
    def _fresh_log(self, postgres_url: str) -> Iterator[None]:
        log = PostgresLog.create(postgres_url, Company(), self.buckets)
        self.factory = log.factory(self.buckets)
        yield
        log.close()

    def new_originator_id(self) -> str:
        return str(uuid4())


# test_performance and test_concurrent_throughput of the suites only print timings, so they are left out.


class TestAggregateRecorder(_OnOurLog, AggregateRecorderTestCase):
    test_performance = None  # type: ignore[assignment]

    def create_recorder(self) -> AggregateRecorder:
        return self.factory.aggregate_recorder(purpose="snapshots")


class TestApplicationRecorder(_OnOurLog, ApplicationRecorderTestCase[BucketRecorder]):
    test_performance = None  # type: ignore[assignment]
    test_concurrent_throughput = None  # type: ignore[assignment]

    def create_recorder(self) -> BucketRecorder:
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleaving(_OnOurLog, NonInterleavingNotificationIDsBaseCase):
    insert_num = 20_000

    def create_recorder(self) -> ApplicationRecorder:
        return self.factory.application_recorder()


class TestTrackingRecorder(_OnOurLog, TrackingRecorderTestCase):
    def create_recorder(self) -> TrackingRecorder:
        return self.factory.tracking_recorder()


class TestProcessRecorder(_OnOurLog, ProcessRecorderTestCase):
    test_performance = None  # type: ignore[assignment]

    def create_recorder(self) -> ProcessRecorder:
        return self.factory.process_recorder()


class TestApplicationRecorderOfOneBucketOfFour(TestApplicationRecorder):
    buckets = 4


class TestNonInterleavingInOneBucketOfFour(TestNonInterleaving):
    buckets = 4


class TestProcessRecorderOfOneBucketOfFour(TestProcessRecorder):
    buckets = 4


def test_the_module_is_found_by_the_environment_of_the_library(postgres_url: str) -> None:
    parts = conninfo_to_dict(postgres_url)
    env = {"PERSISTENCE_MODULE": "adapters.postgres", "POSTGRES_DBNAME": str(parts["dbname"])}
    env |= {"POSTGRES_HOST": str(parts["host"]), "POSTGRES_USER": str(parts["user"])}
    factory: InfrastructureFactory[Any] = InfrastructureFactory.construct(env)
    with factory:
        recorder = factory.application_recorder()
        assert recorder.insert_events([StoredEvent("a", 1, "Kind", b"{}"), StoredEvent("a", 2, "Kind", b"{}")]) == [
            1,
            2,
        ]
    log = PostgresLog.open(postgres_url)
    assert [stored.version for stored in log.stream("a")] == [1, 2]
    log.close()
