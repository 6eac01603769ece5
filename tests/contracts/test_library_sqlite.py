"""The event sourcing library's own suites, run against our recorders.

Left out are its methods that only print speeds (`test_performance`, `test_concurrent_throughput`).
"""

from tempfile import TemporaryDirectory
from typing import cast
from uuid import UUID, uuid4

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    ProcessRecorder,
    TrackingRecorder,
)
from eventsourcing.sqlite import SQLiteAggregateRecorder, SQLiteTrackingRecorder
from eventsourcing.tests import persistence as suites
from eventsourcing.utils import Environment

from adapters.sqlite import Factory, SQLiteLog
from adapters.sqlite.recorder import BucketProcessRecorder, BucketRecorder
from domain.company import Company


class _Wired(suites.RecorderTestCase):
    """Recorders from the library's wiring by environment, over a fresh file."""

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        env = {"PERSISTENCE_MODULE": "adapters.sqlite", "SQLITE_DBNAME": f"{folder.name}/log.db"}
        self.factory: InfrastructureFactory[TrackingRecorder] = InfrastructureFactory.construct(env)
        self.addCleanup(self.factory.close)

    def new_originator_id(self) -> UUID | str:
        return f"C-{uuid4()}"


class TestAggregateRecorder(_Wired, suites.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return self.factory.aggregate_recorder("snapshots")

    test_performance = None  # type: ignore[assignment]


class TestApplicationRecorder(_Wired, suites.ApplicationRecorderTestCase[ApplicationRecorder]):
    def create_recorder(self) -> ApplicationRecorder:
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()

    test_performance = None  # type: ignore[assignment]
    test_concurrent_throughput = None  # type: ignore[assignment]


class TestTrackingRecorder(_Wired, suites.TrackingRecorderTestCase):
    def create_recorder(self) -> TrackingRecorder:
        return self.factory.tracking_recorder()


class TestProcessRecorder(_Wired, suites.ProcessRecorderTestCase):
    def create_recorder(self) -> ProcessRecorder:
        return self.factory.process_recorder()

    test_performance = None  # type: ignore[assignment]


class TestNonInterleavingNotificationIDs(_Wired, suites.NonInterleavingNotificationIDsBaseCase):
    insert_num = 20_000

    def create_recorder(self) -> ApplicationRecorder:
        return self.factory.application_recorder()


class _InOneBucketOfFour(_Wired):
    """Recorders over the last bucket of a log that was made with four."""

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        log = SQLiteLog.create(f"sqlite:///{folder.name}/log.db", Company(), 4)
        self.addCleanup(log.close)
        self.factory = cast("InfrastructureFactory[TrackingRecorder]", log.factory(4))


class TestApplicationRecorderOfOneBucketOfFour(_InOneBucketOfFour, TestApplicationRecorder):
    pass


class TestProcessRecorderOfOneBucketOfFour(_InOneBucketOfFour, TestProcessRecorder):
    pass


class TestNonInterleavingInOneBucketOfFour(_InOneBucketOfFour, TestNonInterleavingNotificationIDs):
    pass


class _TrackingSubclass(SQLiteTrackingRecorder):
    pass


class TestFactory(suites.InfrastructureFactoryTestCase[Factory]):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.env = Environment(
            "App", {"PERSISTENCE_MODULE": "adapters.sqlite", "SQLITE_DBNAME": f"{folder.name}/log.db"}
        )
        super().setUp()

    def expected_factory_class(self) -> type[Factory]:
        return Factory

    def expected_aggregate_recorder_class(self) -> type[AggregateRecorder]:
        return SQLiteAggregateRecorder

    def expected_application_recorder_class(self) -> type[ApplicationRecorder]:
        return BucketRecorder

    def expected_tracking_recorder_class(self) -> type[TrackingRecorder]:
        return SQLiteTrackingRecorder

    def tracking_recorder_subclass(self) -> type[TrackingRecorder]:
        return _TrackingSubclass

    def expected_process_recorder_class(self) -> type[ProcessRecorder]:
        return BucketProcessRecorder
