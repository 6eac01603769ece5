"""Worlds of several customers who are merged, parted, corrected and told of late, drawn for laws."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

import domain.kinds  # noqa: F401 - registers the kinds
from domain.errors import Refused
from domain.history import (
    RESHAPING_KINDS,
    check_door,
    proposed_return,
)
from domain.touchpoint import Fact

STREAMS = ("ann", "ben", "cleo", "dora")
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000


class Told(NamedTuple):
    """A touchpoint before it is recorded, and the streams that it is written into."""

    streams: tuple[str, ...]
    kind: str
    id: str
    hour: int
    sequence: int
    data: dict[str, Any]
    dated: bool = False


World = list[Told]


def recorded(world: Iterable[Told]) -> list[Fact]:
    """Record touchpoints one after the other, a merge into both its streams at once."""
    facts, versions = list[Fact](), Counter[str]()
    for at, told in enumerate(world, start=1):
        for stream in told.streams:
            versions[stream] += 1
            facts.append(_fact(told, stream, versions[stream], len(facts) + 1, at))
    return facts


def _fact(told: Told, stream: str, version: int, number: int, at: int) -> Fact:
    occurred = told.hour // 24 * DAY_US if told.dated else told.hour * HOUR_US
    day = f"1970-01-{told.hour // 24 + 1:02}"
    envelope = {"time": f"{day}T00:00:00Z", "precision": "date" if told.dated else "instant"}
    return Fact(
        occurred, told.sequence, stream, version, told.kind, told.id, "shop", told.data, envelope, 1, number, at
    )


def admitted(told: Told, facts: Sequence[Fact]) -> bool:
    """Whether the door lets it pass."""
    candidate = _fact(told, told.streams[0], 0, 0, 0)
    try:
        check_door(candidate, facts)
    except Refused:
        return False
    return True


TOPICS = ("sale", "sale", "money", "promises", "service")
"""What the touchpoints of a world are about; were they about all, hardly two would have to do with each other."""


@st.composite
def ordinary(draw: st.DrawFn, name: str, stream: str | None = None, topic: str = "sale") -> Told:
    """A step of one of a few lives of a topic; each belongs to one customer, but is told of any."""
    home = draw(st.sampled_from(STREAMS))
    kind, data = draw(st.sampled_from(_steps(home, name)[topic]))
    # Mostly its own customer tells, so that merges are not refused for an entity of both.
    where = stream or draw(st.sampled_from((home, home, home, *STREAMS)))
    return Told((where,), kind, name, draw(HOURS), draw(st.integers(0, 2)), data, draw(st.booleans()))


def _steps(home: str, name: str) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    placed = ("OrderPlaced", {"order": f"1-{home}", "lines": [_item(2)], "total": _EURO})
    return {
        "sale": [
            ("OpportunityOpened", {"opportunity": f"o-{home}"}),
            ("OpportunityChanged", {"opportunity": f"o-{home}", "probability": 0.5}),
            ("OpportunityWon", {"opportunity": f"o-{home}"}),
            placed,
            ("ShipmentDispatched", {"shipment": f"s-{home}", "order": f"1-{home}", "lines": [_item(1)]}),
            ("ReturnReceived", {"lines": [_item(1)]}),
            ("CustomerRegistered", {"party": "person"}),
        ],
        "money": [
            placed,
            ("InvoiceIssued", {"invoice": f"i-{home}", "order": f"1-{home}", "amount": _EURO, "due": "1970-01-02"}),
            ("PaymentReceived", {"payment": f"p-{home}", "invoice": f"i-{home}", "amount": _EURO}),
            ("PaymentReversed", {"payment": f"p-{home}"}),
            ("DunningNoticeSent", {"invoice": f"i-{home}", "level": 2}),
            ("RefundIssued", {"order": f"1-{home}", "amount": _EURO}),
            ("ContractSigned", {"contract": f"k-{home}", "total": _EURO}),
            ("PaymentScheduled", {"contract": f"k-{home}", "instalment": name, "amount": _HALF}),
        ],
        "promises": [
            ("ConsentGranted", {"purpose": "marketing", "until": "1970-01-03"}),
            ("ConsentWithdrawn", {"purpose": "newsletter"}),
            ("ObjectionRaised", {"purpose": "newsletter"}),
            ("ProcessingRestricted", {"why": "contested"}),
            ("MessageSent", {"message": f"m-{name}", "purpose": "newsletter"}),
            ("SubjectRequestReceived", {"request": f"r-{home}", "kind": "access", "due": "1970-01-02"}),
            ("SubjectRequestAnswered", {"request": f"r-{home}"}),
        ],
        "service": [
            ("TicketOpened", {"ticket": f"t-{home}"}),
            ("TicketClosed", {"ticket": f"t-{home}", "how": "resolved"}),
            ("DowntimeReported", {"asset": "a"}),
            ("DowntimeEnded", {"asset": "a"}),
            ("SurveyAnswered", {"survey": "v", "question": "q"}),
            ("LoyaltyPointsPosted", {"delta": 1, "reason": "earn"}),
            ("LoyaltyPointsPosted", {"delta": -2, "reason": "redeem"}),
            ("LoyaltyPointsPosted", {"delta": -1, "reason": "reverse", "cause": "t1"}),
        ],
    }


_EURO = {"micros": 1_000_000, "currency": "EUR"}
_HALF = {"micros": 500_000, "currency": "EUR"}
HOURS = st.integers(0, 72)


def _item(quantity: int) -> dict[str, Any]:
    return (
        {"line": "1", "sku": "A", "quantity": quantity, "net": _EURO} if quantity > 1 else {"sku": "A", "quantity": 1}
    )


@st.composite
def correction(draw: st.DrawFn, name: str, world: World) -> Told:
    """A correction of anything that was told, or of something that is yet to be."""
    target = draw(st.sampled_from([f"t{place}" for place in range(len(world) + 3)]))
    remedy: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"retraction": True},
                {"retraction": True},
                {"replacement": {}},
                {"replacement": {"reason": "price"}},
                {"replacement": {"probability": 0.9}},
                {"occurred": "1970-01-02T12:00:00Z"},
                {"replacement": {"owner": "kim"}, "occurred": "1970-01-01T00:00:00Z"},
            ]
        )
    )
    stream = draw(st.sampled_from(STREAMS))
    return Told((stream,), "TouchpointCorrected", name, draw(HOURS), 8, {"target": target, "reason": "r", **remedy})


@st.composite
def merge(draw: st.DrawFn, name: str) -> Told:
    survivor, absorbed = draw(st.permutations(STREAMS))[:2]
    data = {"survivor": survivor, "absorbed": absorbed, "method": "manual"}
    return Told((survivor, absorbed), "CustomersMerged", name, draw(HOURS), 9, data)


def revert_of(merged: Fact, name: str, hour: int, facts: Sequence[Fact]) -> Told:
    """The revert of a merge, giving back what is proposed."""
    survivor, absorbed = merged.data["survivor"], merged.data["absorbed"]
    returned = proposed_return(merged, facts)
    data = {"merge": merged.id, "survivor": survivor, "absorbed": absorbed, "returned": returned}
    return Told((survivor, absorbed), "CustomerMergeReverted", name, hour, 9, data)


@st.composite
def worlds(draw: st.DrawFn, most: int = 14, tell: Callable[[str], st.SearchStrategy[Told]] | None = None) -> World:
    """What a log may hold: everything here has passed the door; `tell` draws what is neither merge nor correction."""
    world: World = []
    topic = draw(st.sampled_from(TOPICS))
    actions = st.sampled_from(("ordinary", "ordinary", "ordinary", "correction", "correction", "merge", "revert"))
    for action in draw(st.lists(actions, min_size=most // 4, max_size=most)):
        name, facts = f"t{len(world)}", recorded(world)
        standing = [fact for fact in facts if fact.kind == "CustomersMerged" and fact.stream == fact.data["survivor"]]
        if action == "correction":
            told = draw(correction(name, world))
        elif action == "merge":
            told = draw(merge(name))
        elif action == "revert" and standing:
            told = revert_of(draw(st.sampled_from(standing)), name, draw(HOURS), facts)
            # A revert may also give back what nobody proposed.
            told.data["returned"] += draw(st.lists(st.sampled_from([each.id for each in world]), max_size=2))
        else:
            told = draw(tell(name) if tell else ordinary(name, topic=topic))
        if admitted(told, facts):
            world.append(told)
    return world


@st.composite
def arrivals(draw: st.DrawFn, world: World) -> World:
    """Another arrival of the same: reshaping touchpoints keep their order, equal order keys of a stream theirs."""
    left, order = list(world), World()
    while left:
        free = [told for place, told in enumerate(left) if not any(_bound(before, told) for before in left[:place])]
        order.append(draw(st.sampled_from(free)))
        left.remove(order[-1])
    return order


def _bound(before: Told, after: Told) -> bool:
    if before.kind in RESHAPING_KINDS and after.kind in RESHAPING_KINDS:
        return True
    # A corrected time could make any two of one stream and sequence equal.
    return before.sequence == after.sequence and bool(set(before.streams) & set(after.streams))


@st.composite
def worlds_arriving_twice(draw: st.DrawFn) -> tuple[World, World]:
    world = draw(worlds())
    return world, draw(arrivals(world))
