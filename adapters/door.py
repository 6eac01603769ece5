"""What is decided before it is stored: strict appends, corrections, merges and their reverts.

A decision is taken on the effective history as it stands and carries the versions of the streams it saw, so that the
log refuses it when one of them moved meanwhile; it is then taken anew.
"""

from collections.abc import Mapping, Sequence

from adapters.application import Journal
from adapters.codec import draft_of, fact_from
from adapters.log import Draft, Group, Log, bucket_of
from adapters.replay import family_facts
from domain.errors import LifecircleError, RuleBroken
from domain.history import MERGE_KINDS, RESHAPING_KINDS, check_door, effective_histories, root_of
from domain.lifecycle import Breach, RuleState, breaches_in, judge
from domain.touchpoint import Envelope, Fact


def needs_deciding(touchpoints: Sequence[Envelope], *, strict: bool) -> bool:
    """Whether touchpoints must be decided on the history first; facts need no such thing."""
    return strict or not RESHAPING_KINDS.isdisjoint([touchpoint.type for touchpoint in touchpoints])


class Door:
    """Decides what may enter a log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._journals: Mapping[int, Journal] = {
            bucket: Journal(log.factory(bucket), log.company) for bucket in range(1, log.buckets + 1)
        }

    def drafts(self, touchpoint: Envelope, recordedby: str) -> list[Draft]:
        """Encode a touchpoint for each stream that it is stored in, its own first.

        A merge and its revert are written into both streams; a correction of an absorbed subject goes to the survivor.
        """
        streams: Sequence[str] = (touchpoint.subject,)
        if touchpoint.type in MERGE_KINDS:
            data = touchpoint.data.model_dump()
            streams = (data["survivor"], data["absorbed"])
        elif touchpoint.type in RESHAPING_KINDS:
            streams = (root_of(touchpoint.subject, family_facts(self._log, touchpoint.subject)),)
        return [draft_of(touchpoint, recordedby, stream) for stream in dict.fromkeys(streams)]

    def decide(
        self, drafted: Sequence[Sequence[Draft]], expected: dict[str, int], *, strict: bool
    ) -> Group | LifecircleError:
        """Judge touchpoints of one subject, each given as its drafts, as if they were stored one after the other.

        Answers the group to store, under the versions that were seen, or the error that refuses it.
        """
        subjects = dict.fromkeys(draft.stream for drafts in drafted for draft in drafts)
        seen = {**{subject: self._log.version(subject) for subject in subjects}, **expected}
        candidates: list[Fact] = []
        for drafts in drafted:
            candidate = fact_from(drafts[0].stream, seen[drafts[0].stream] + len(candidates) + 1, drafts[0].state)
            if candidate.kind in RESHAPING_KINDS:
                try:
                    check_door(candidate, [*family_facts(self._log, *subjects), *candidates])
                except LifecircleError as refusal:
                    return refusal
            candidates.append(candidate)
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
        memory = self._journals[bucket_of(subject, self._log.buckets)].rule_memory(subject)
        if memory is None or not memory.stale:
            newest = memory.newest if memory else min(candidates).order_key
            if all(each.kind not in RESHAPING_KINDS and each.order_key >= newest for each in candidates):
                return self._judged(memory.state if memory else RuleState(), sorted(candidates))
        # Late, corrected or merged: the past itself changes, and whatever it breaks anew is refused.
        facts = family_facts(self._log, subject)
        before = {breach.key for breach in self.breaches(subject, facts)}
        after = self.breaches(subject, [*facts, *candidates])
        return next((breach for breach in after if breach.key not in before), None)

    def _judged(self, state: RuleState, candidates: Sequence[Fact]) -> Breach | None:
        for candidate in candidates:
            state, found = judge(state, candidate, self._log.company)
            if found:
                return found[0]
        return None

    def breaches(self, subject: str, facts: Sequence[Fact]) -> list[Breach]:
        """Every breach in the effective history of a subject's family, given all facts of its streams."""
        return breaches_in(effective_histories(facts).get(root_of(subject, facts), []), self._log.company)
