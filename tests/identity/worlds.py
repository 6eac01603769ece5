"""Worlds of customers who share addresses, devices and households, as touchpoints that a real log records."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from adapters.codec import read_envelope
from domain.company import Company
from domain.touchpoint import Envelope
from tests.domain.worlds import HOURS, STREAMS, Told, World, ordinary, worlds

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MAILS = ("family@example.org", "Family@Example.org ", "own@example.org", "+49 30 1234567", "+49-30/1234567")


@st.composite
def personal(draw: st.DrawFn, name: str) -> Told:
    """An address, number, device or relation of a customer comes, or goes."""
    value, other = draw(st.sampled_from(_MAILS)), draw(st.sampled_from((*STREAMS, "visitor", "house")))
    type_ = draw(st.sampled_from(("email", "Email", "phone")))
    relation = {"to": other, "type": draw(st.sampled_from(("household", "partner")))}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("IdentifierLinked", {"type": type_, "value": value, "verified": draw(st.booleans())}),
        ("IdentifierLinked", {"type": type_, "value": value}),
        ("IdentifierUnlinked", {"type": type_, "value": value}),
        ("CustomerIdentified", {"anonymous_id": other, "identifier": value, "how": "login"}),
        ("CustomerIdentified", {"anonymous_id": other}),
        ("CustomerRegistered", {"party": "person", "contact_points": [{"type": "email", "value": value}]}),
        ("RelationshipLinked", {**relation, "role": draw(st.sampled_from(("pays", "decides")))}),
        ("RelationshipEnded", relation),
        ("ReferralMade", {"referred": other}),
    ]
    kind, data = draw(st.sampled_from(steps))
    where = draw(st.sampled_from(STREAMS))
    return Told((where,), kind, name, draw(HOURS), draw(st.integers(0, 2)), data, draw(st.booleans()))


def anything(name: str) -> st.SearchStrategy[Told]:
    """Anything that is no merge, revert or correction."""
    return ordinary(name) | personal(name)


def shared_worlds(most: int) -> st.SearchStrategy[World]:
    """Worlds of at most so many touchpoints."""
    return worlds(most, anything)


def envelope(told: Told) -> Envelope:
    """The touchpoint as its producer sends it."""
    occurred = _START + timedelta(hours=told.hour // 24 * 24 if told.dated else told.hour)
    return read_envelope(
        {
            "id": told.id,
            "source": "shop",
            "type": told.kind,
            "subject": told.streams[0],
            "time": occurred.isoformat(),
            "precision": "date" if told.dated else "instant",
            "sequence": told.sequence,
            "data": told.data,
        },
        0,
        Company(future_limit_s=10**9),
    )


def under(told: Told, subject: str) -> Told:
    """The same, told of another customer."""
    return told._replace(streams=(subject,))
