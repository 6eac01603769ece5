"""What is decided before it is stored: strict appends, corrections, merges and their reverts.

A decision is taken on the effective history as it stands and carries the versions of the streams it saw, so that the
log refuses it when one of them moved meanwhile; it is then taken anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from adapters.appending.application import Journal, RuleMemory
from adapters.codec import encode, fact_from, fact_of
from adapters.log import Draft, Group, Log, bucket_of
from adapters.privacy.sealing import Sealing
from adapters.settings import LIMITS
from adapters.views.replay import family_facts
from adapters.views.tables import fingerprint
from domain.compiled import Appendable, Encoded
from domain.corrections import CORRECTED, ERASED, check_fields, target_pair
from domain.erasure import check_erasure
from domain.errors import InvalidTouchpoint, LifecircleError, RuleBroken, VersionConflict
from domain.history import (
    DECIDED_KINDS,
    MERGE_KINDS,
    RESHAPING_KINDS,
    awaited_ids,
    check_door,
    effective_histories,
    entities_of,
    root_of,
)
from domain.judging import breaches_in, weigh
from domain.kinds.analysis import GoalSet
from domain.lifecycle import Breach, RuleState
from domain.touchpoint import KINDS, Fact
from projections import view_named, views
from projections.goals import unmeasurable


def needs_deciding(touchpoints: Sequence[Appendable], *, strict: bool) -> bool:
    """Whether touchpoints must be decided on the history first; facts need no such thing."""
    if strict:
        return True
    for touchpoint in touchpoints:  # noqa: SIM110 - mostly of one, for which a generator costs more than the look
        if touchpoint.type in DECIDED_KINDS:
            return True
    return False


Process = tuple[str, str]
"""One process of a subject, by the entity that it is about: `("order", "123")`."""


class Expected(NamedTuple):
    """What a caller expects: the versions of streams, and of processes of the one stream that it appends to."""

    subjects: dict[str, int]
    processes: dict[Process, int]

    @classmethod
    def read(cls, subject: str, given: int | Mapping[str, int] | None) -> "Expected":
        """Read what a caller gave: a version of the subject, or of processes such as `order/123`.

        Raises:
            InvalidTouchpoint: there is no such type of process.
        """
        if given is None:
            return ANY
        if isinstance(given, int):
            return cls({subject: given}, {})
        processes = {(name.partition("/")[0], name.partition("/")[2]): version for name, version in given.items()}
        types = sorted({entity for kind in KINDS.values() for entity in kind.entity_fields().values()})
        if not all(name in types and entity for name, entity in processes):
            raise InvalidTouchpoint(
                "an expected version is of no process that there is",
                where="expected version",
                rule=f"a process is TYPE/ID, its type one of {', '.join(types)}",
                way_out="give order/123 and its version, or the version of the subject alone",
            )
        return cls({}, processes)

    def __bool__(self) -> bool:
        return bool(self.subjects or self.processes)


ANY = Expected({}, {})
"""Nothing: whatever the versions are."""


class Door:
    """Decides what may enter a log."""

    def __init__(self, log: Log, sealing: Sealing) -> None:
        self._log, self._sealing = log, sealing
        # The breaches are the fold of the rules: what makes their view stale makes rule state stale.
        rules = fingerprint(view_named("breaches"), log.company, log.log_id, id_key="")
        self._journals: Mapping[int, Journal] = {
            bucket: Journal(log.factory(bucket), log.company, rules) for bucket in range(1, log.buckets + 1)
        }

    def drafts(self, touchpoint: Appendable, recordedby: str) -> list[Draft]:
        """Encode a touchpoint for each stream that it is stored in, its own first.

        A merge and its revert are written into both streams; a correction of an absorbed subject goes to the survivor.

        Raises:
            CorrectionRefused: what it puts in place of the fields does not fit them.
        """
        if isinstance(touchpoint, Encoded):
            return [self._sealing.draft(touchpoint, recordedby)]
        streams: Sequence[str] = (touchpoint.subject,)
        original = None
        if touchpoint.type in MERGE_KINDS:
            data = touchpoint.data.model_dump()
            streams = (data["survivor"], data["absorbed"])
        elif touchpoint.type in RESHAPING_KINDS:
            facts = family_facts(self._log, touchpoint.subject)
            streams = (root_of(touchpoint.subject, facts),)
            # In clear, for once it is sealed nobody sees whether it fits.
            original = check_fields(fact_from(touchpoint.subject, 0, encode(touchpoint)), facts)
        return [self._sealing.draft(touchpoint, recordedby, stream, original) for stream in dict.fromkeys(streams)]

    def decide(
        self, drafted: Sequence[Sequence[Draft]], expected: Expected, *, strict: bool
    ) -> Group | LifecircleError:
        """Judge touchpoints of one subject, each given as its drafts, as if they were stored one after the other.

        Answers the group to store, under the versions that were seen, or the error that refuses it.
        """
        subjects = dict.fromkeys(draft.stream for drafts in drafted for draft in drafts)
        # Seen before the processes are looked at, so that one that moves meanwhile moves the subject too.
        seen = {**{subject: self._log.version(subject) for subject in subjects}, **expected.subjects}
        for process, version in expected.processes.items():
            if (current := self._process_version(drafted[0][0].stream, process)) != version:
                return _process_moved(process, version, current)
        candidates: list[Fact] = []
        for drafts in drafted:
            candidate = fact_from(drafts[0].stream, seen[drafts[0].stream] + len(candidates) + 1, drafts[0].state)
            if candidate.kind in DECIDED_KINDS:
                facts = [*family_facts(self._log, *subjects), *candidates]
                try:
                    check_door(candidate, facts)
                    if candidate.kind == ERASED:
                        # A hold that is placed meanwhile on one who is forgotten with this one comes first.
                        concerned = check_erasure(candidate, facts, self._log.company)
                        seen = {**{stream: _version_of(stream, facts) for stream in concerned}, **seen}
                except LifecircleError as refusal:
                    return refusal
            candidates.append(candidate)
        if strict and (vague := _vague_goal(candidates)):
            return vague
        if strict and (breach := self._first_breach(candidates)):
            return RuleBroken(
                "this must not happen as things stand",
                where=breach.entity,
                rule=": ".join(filter(None, (breach.rule, breach.detail))),
                way_out="send what must come first, or send this without strict to have it recorded as a breach",
            )
        # Own drafts first, so that the first receipts are those of the touchpoints in their order.
        own = [drafts[0] for drafts in drafted]
        others = [draft for drafts in drafted for draft in drafts[1:]]
        return Group((*own, *others), seen)

    def _first_breach(self, candidates: Sequence[Fact]) -> Breach | None:
        subject = candidates[0].stream
        memory = self._rule_memory(subject)
        if memory is None or not memory.stale:
            newest = memory.newest if memory else min(candidates).order_key
            if all(each.kind not in RESHAPING_KINDS and each.order_key >= newest for each in candidates):
                return self._judged(memory.state if memory else RuleState(), sorted(candidates))
        # Late, corrected or merged: the past itself changes, and whatever it breaks anew is refused.
        facts = family_facts(self._log, subject)
        before = {breach.key for breach in self.breaches(subject, facts)}
        after = self.breaches(subject, [*facts, *candidates])
        return next((breach for breach in after if breach.key not in before), None)

    def _rule_memory(self, subject: str) -> RuleMemory | None:
        """What the rules remember of a stream, folded anew where its past changed, unless others belong to it."""
        journal = self._journals[bucket_of(subject, self._log.buckets)]
        memory = journal.rule_memory(subject)
        if memory is None or not memory.stale:
            return memory
        facts = [fact for fact in family_facts(self._log, subject) if fact.version <= memory.version]
        if any(fact.stream != subject for fact in facts) or not awaited_ids(facts) <= {fact.id for fact in facts}:
            return memory
        state, newest = RuleState(), memory.newest
        for fact in effective_histories(facts).get(subject, []):
            state, newest = weigh(state, fact, self._log.company).state, max(newest, fact.order_key)
        return journal.remember(replace(memory, stale=False, state=state, newest=newest))

    def _judged(self, state: RuleState, candidates: Sequence[Fact]) -> Breach | None:
        """The first breach that the candidates leave of their own; what a later one of them mends is none."""
        own = {(candidate.stream, candidate.version) for candidate in candidates}
        standing: dict[tuple[str, int, str, str], Breach] = {}
        for candidate in candidates:
            state, breaches, healed = weigh(state, candidate, self._log.company)
            for breach in healed:
                standing.pop(breach.key, None)
            standing.update((breach.key, breach) for breach in breaches if (breach.stream, breach.version) in own)
        return next(iter(standing.values()), None)

    def _process_version(self, subject: str, process: Process) -> int:
        """The version of the last touchpoint of a stream that names an entity, or corrects one that does; 0 if none."""
        memory = self._journals[bucket_of(subject, self._log.buckets)].rule_memory(subject)
        if memory is None:
            return 0
        version = memory.named.get(process) or 0
        corrections = memory.corrections
        while corrections and corrections[0][0] > version:
            (at, source, target), corrections = corrections
            if self._corrects(subject, source, target, process):
                return at
        return version

    def _corrects(self, subject: str, source: str, target: str, process: Process) -> bool:
        for _ in range(LIMITS.correction_depth_max):
            stored = self._log.find(subject, source, target)
            if stored is None:
                return False
            fact = fact_of(stored)
            if fact.kind != CORRECTED:
                return process in entities_of(fact)
            target, source = target_pair(fact)
        return True

    def breaches(self, subject: str, facts: Sequence[Fact]) -> list[Breach]:
        """Every breach in the effective history of a subject's family, given all facts of its streams."""
        return breaches_in(effective_histories(facts).get(root_of(subject, facts), []), self._log.company)


def _vague_goal(candidates: Sequence[Fact]) -> RuleBroken | None:
    """The first goal that cannot be measured, with all it lacks; which columns there are is no matter of history."""
    for goal in candidates:
        if goal.kind == GoalSet.kind and (why := unmeasurable(goal.data, views().values())):
            return RuleBroken(
                "this goal cannot be measured",
                where=f"goal/{goal.data['goal']}",
                rule="; ".join(why),
                way_out="name its indicator, target and due day, or send this without strict to have it recorded",
            )
    return None


def _version_of(stream: str, facts: Sequence[Fact]) -> int:
    return max((fact.version for fact in facts if fact.stream == stream), default=0)


def _process_moved(process: Process, expected: int, current: int) -> VersionConflict:
    name = "/".join(process)
    error = VersionConflict(
        f"{name} is at version {current}, not at {expected}",
        where=name,
        rule="a process is at its subject's version of the last touchpoint that names it, or corrects one that does",
        way_out="read what was recorded of it meanwhile, decide again, and send that version",
    )
    error.current = current
    return error


def kept_moving(where: str) -> VersionConflict:
    """What is answered where others were faster each time that something was decided."""
    return VersionConflict(
        "others were faster each time this was decided",
        where=where,
        rule=f"what is decided on a state is tried {LIMITS.decide_rounds_max} times; nothing of it was stored",
        way_out="send the same again",
    )
