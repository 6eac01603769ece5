"""Where the eventsourcing library carries us: its application, event store, repository and mapper over our log.

One application serves one bucket, over the datastore that all buckets share. Its domain event is small and frozen, and
there is no aggregate class: rule state is projected by a plain function, and cached without deep copies.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

from eventsourcing.application import AggregateNotFoundError, Application, Repository
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import EventStore, InfrastructureFactory, IntegrityError, Mapper, StoredEvent
from eventsourcing.utils import Environment

from adapters.appending.rule_snapshots import decode_state, encode_state
from adapters.codec import fact_from
from adapters.settings import LIMITS
from domain.company import Company
from domain.corrections import CORRECTED, target_pair
from domain.history import RESHAPING_KINDS, entities_of
from domain.judging import judge
from domain.lifecycle import RuleState
from domain.shards import Shards
from domain.touchpoint import Fact

_SNAPSHOT = "RuleMemory:"
"""Begins the topic of a snapshot; no kind has a colon in its name."""


@dataclass(frozen=True)
class Recorded:
    """The domain event: one touchpoint in the stream of its subject, as folds read it."""

    originator_id: str
    originator_version: int
    touchpoint: Fact


@dataclass(frozen=True)
class RuleSnapshot:
    """What the rules remembered of a stream at a version. It is passed over where `rules` are not those of today."""

    originator_id: str
    originator_version: int
    rules: str
    state: bytes


class TouchpointMapper(Mapper[str]):
    """Reads touchpoints by the name of their kind, never an import path, and writes snapshots of rule state."""

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Take a snapshot as it is."""
        if isinstance(domain_event, RuleSnapshot):
            topic = _SNAPSHOT + domain_event.rules
            return StoredEvent(domain_event.originator_id, domain_event.originator_version, topic, domain_event.state)
        # Touchpoints are sealed by the engine, which alone has the keys.
        raise TypeError("the application stores snapshots only")

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        """Decode a fact, through the upcasts of its kind."""
        stream, version = str(stored_event.originator_id), stored_event.originator_version
        if stored_event.topic.startswith(_SNAPSHOT):
            return RuleSnapshot(stream, version, stored_event.topic.removeprefix(_SNAPSHOT), stored_event.state)
        return Recorded(stream, version, fact_from(stream, version, stored_event.state))


class _OtherRules(Exception):
    """A snapshot was made under other rules or settings."""


@dataclass(frozen=True)
class RuleMemory:
    """What the rules remember of one unmerged stream at a version.

    `stale` means that a late touchpoint, a correction or a merge came: the state must be folded from the effective
    history instead. named: for each entity, such as `("order", "123")`, the version of the last touchpoint that names
    it; corrections: version, source and id of what it corrects, of each as a chain, the latest first; snapshot: the
    version of the snapshot that there is of it, 0 if none.
    """

    id: str
    version: int
    newest: tuple[int, int, str, int]
    state: RuleState
    stale: bool
    named: Shards[tuple[str, str], int]
    corrections: "tuple[tuple[int, str, str], Any] | None"
    snapshot: int = 0

    def written(self, rules: str) -> RuleSnapshot:
        """The memory as a snapshot."""
        parts = (self.newest, self.state, self.stale, self.named, self.corrections)
        return RuleSnapshot(self.id, self.version, rules, encode_state(parts))

    @classmethod
    def read(cls, written: RuleSnapshot) -> "RuleMemory":
        """The memory that a snapshot is of."""
        try:
            newest, state, stale, named, corrections = decode_state(written.state)
        except KeyError as error:
            raise _OtherRules from error
        version = written.originator_version
        return cls(written.originator_id, version, newest, state, stale, named, corrections, snapshot=version)


class Journal(Application[str]):
    """The library's application over one bucket of a log."""

    env: ClassVar[dict[str, str]] = {
        "AGGREGATE_CACHE_MAXSIZE": str(LIMITS.rule_state_cache_subjects),
        "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
    }

    def __init__(self, factory: InfrastructureFactory, company: Company, rules: str) -> None:
        """Open the application.

        Args:
            factory: of the library, over one bucket of the log.
            company: whose settings the rules read.
            rules: a digest of all that rule state depends on besides the touchpoints.
        """
        self._shared_factory = factory
        self._rules = rules
        self._project = _rule_projector(company, rules)
        super().__init__()

    def construct_factory(self, env: Environment) -> InfrastructureFactory:  # noqa: ARG002 - the log is open already
        """The factory over the datastore that the log has open."""
        return self._shared_factory

    def construct_mapper(self) -> Mapper[str]:
        """The mapper that keeps kinds and bytes as they are."""
        return self.factory.mapper(transcoder=self.construct_transcoder(), mapper_class=TouchpointMapper)

    def construct_repository(self) -> Repository[str]:
        """The repository, with snapshots."""
        self.snapshots = self.construct_snapshot_store()
        return super().construct_repository()

    def close(self) -> None:
        """Leave the datastore open: it is the log's, which goes on when its application is made anew."""
        self.closing.set()

    def rule_memory(self, subject: str) -> RuleMemory | None:
        """The rule state of a stream as it stands; None where there is no stream yet."""
        try:
            memory: RuleMemory = self.repository.get(subject, projector_func=self._project)
        except AggregateNotFoundError:
            return None
        except _OtherRules:
            memory = Repository(self.events).get(subject, projector_func=self._project)
        return self.remember(memory)

    def remember(self, memory: RuleMemory) -> RuleMemory:
        """Keep the rule state of a stream for the next time; of a long one a snapshot too, now and then."""
        grown = memory.version - memory.snapshot
        # Ever more seldom, as it grows: all snapshots of a stream are a few times as large as the last one.
        if not memory.stale and grown >= max(LIMITS.rule_snapshot_touchpoints, memory.snapshot // 2):
            memory = replace(memory, snapshot=memory.version)
            # Another process was faster, and wrote the same; or a company's own lifecycle keeps what cannot be written,
            # and its streams are folded from their start.
            with suppress(IntegrityError, TypeError):
                self._snapshot_store.put([memory.written(self._rules)])
        if self.repository.cache is not None:
            # The library fast-forwards what it cached but keeps the old object, which suits mutable aggregates only.
            self.repository.cache.put(memory.id, memory)
        return memory

    @property
    def _snapshot_store(self) -> EventStore[str]:
        return cast("EventStore[str]", self.snapshots)


def _rule_projector(
    company: Company, rules: str
) -> Callable[[RuleMemory | None, Iterable[Recorded | RuleSnapshot]], RuleMemory | None]:
    def project(memory: RuleMemory | None, events: Iterable[Recorded | RuleSnapshot]) -> RuleMemory | None:
        for event in events:
            if isinstance(event, RuleSnapshot):
                if event.rules != rules:
                    raise _OtherRules
                memory = RuleMemory.read(event)
                continue
            fact = event.touchpoint
            before = memory or RuleMemory(
                fact.stream, 0, (-(2**63), 0, "", 0), RuleState(), stale=False, named=Shards(), corrections=None
            )
            stale = before.stale or fact.kind in RESHAPING_KINDS or fact.order_key < before.newest
            state = before.state if stale else judge(before.state, fact, company)[0]
            newest = max(before.newest, fact.order_key)
            named, corrections = before.named, before.corrections
            if entities := entities_of(fact):
                named = named.updated(dict.fromkeys(entities, fact.version))
            if fact.kind == CORRECTED:
                source, target = target_pair(fact)[::-1]
                corrections = ((fact.version, source, target), corrections)
            memory = RuleMemory(fact.stream, fact.version, newest, state, stale, named, corrections, before.snapshot)
        return memory

    return project
