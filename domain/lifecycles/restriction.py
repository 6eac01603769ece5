"""A restriction of processing: while it lasts, the customer's data are kept and not used."""

from collections.abc import Iterable

from domain.kinds.analysis import CustomerValueAssessed, RecommendationIssued, RiskAssessed, SegmentAssigned
from domain.kinds.attraction import MessageSent
from domain.kinds.circle import DataExported, ProcessingRestricted, ProcessingRestrictionLifted
from domain.lifecycle import Lifecycle, World
from domain.touchpoint import Fact

USES = (MessageSent, SegmentAssigned, CustomerValueAssessed, RiskAssessed, RecommendationIssued)
"""What uses a customer's data for a purpose of ours."""

_ONE = "data"
_STATED = frozenset({ProcessingRestricted.kind, ProcessingRestrictionLifted.kind})


def data_concerned(fact: Fact, world: World) -> Iterable[str]:
    """The customer's data as a whole; where they were never restricted, uses of them are not remembered."""
    if fact.kind in _STATED:
        return (_ONE,)
    if fact.kind == DataExported.kind and fact.data["recipient"] == fact.envelope.get("subject", fact.stream):
        return ()  # handed to the customers themselves, as they may ask at any time
    return (_ONE,) if world.life("restriction", _ONE) else ()


RESTRICTION = Lifecycle(
    "restriction",
    opens={ProcessingRestricted: "standing"},
    steps={
        "standing": {ProcessingRestricted: "standing", ProcessingRestrictionLifted: "lifted"},
        "lifted": {
            ProcessingRestricted: "standing",
            **dict.fromkeys(USES, "lifted"),
            DataExported: "lifted",
        },
    },
    never="never placed",
    twice="placed twice",
    refuses={"standing": "data used all the same", "lifted": "already lifted"},
    entities=data_concerned,
)
