"""A customer's objection to a use of their data: from then on it must not be used so, until they allow it."""

from collections.abc import Iterable

from domain.kinds.attraction import MessageSent
from domain.kinds.circle import ConsentGranted, ObjectionRaised
from domain.lifecycle import Lifecycle, World
from domain.lifecycles.restriction import USES
from domain.touchpoint import Fact

_RAISED, _SENT = ObjectionRaised.kind, MessageSent.kind
_USES = frozenset(use.kind for use in USES)
PROFILING = "profiling"
"""The purpose that analysis of a customer serves, by the name that a customer objects to it under."""


def purposes_concerned(fact: Fact, world: World) -> Iterable[str]:
    """The purposes that are objected to; of all others, nothing is remembered."""
    kind = fact.kind
    if kind in _USES:
        used = fact.data["purpose"] if kind == _SENT else PROFILING
        return (used,) if world.life("objection", used) else ()
    if kind == _RAISED:
        return world.company.covered(fact.data["purpose"])
    # Another basis does not outweigh an objection; that the customer allows it does.
    allowed = fact.data.get("basis", "consent") == "consent"
    purposes = world.company.covered(fact.data["purpose"]) if allowed else ()
    return [purpose for purpose in purposes if world.life("objection", purpose)]


OBJECTION = Lifecycle(
    "objection",
    opens={ObjectionRaised: "raised"},
    steps={
        "raised": {ObjectionRaised: "raised", ConsentGranted: "lifted"},
        "lifted": {
            ObjectionRaised: "raised",
            ConsentGranted: "lifted",
            **dict.fromkeys(USES, "lifted"),
        },
    },
    never="never raised",
    twice="raised twice",
    refuses={"raised": "data used all the same"},
    entities=purposes_concerned,
)
