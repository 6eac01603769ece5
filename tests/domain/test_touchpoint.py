"""The envelope, the registry of kinds, and older versions of a kind that are read for ever."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import InvalidTouchpoint, LifecircleError, NameTaken, UnknownKind
from domain.identifiers import Id
from domain.money import Amount
from domain.touchpoint import EPOCH, KINDS, Envelope, Fact, Phase, Touchpoint, invalid, kind_named
from tests.strategies import envelopes

SAID: dict[str, Any] = {
    "id": "e-1",
    "source": "crm",
    "type": "OpportunityLost",
    "subject": "customer-1",
    "time": "2026-03-01T10:00:00+01:00",
    "data": {"opportunity": "x-1", "reason": "price"},
}


def refused(**changes: Any) -> tuple[str, str]:
    """Where and by which rule an envelope with these changes is refused."""
    try:
        Envelope.read({**SAID, **changes})
    except InvalidTouchpoint as error:
        return error.where, error.rule
    except ValidationError as error:
        found = invalid(error)
        return found.where, found.rule
    pytest.fail("it was admitted")


@given(envelopes())
@settings(max_examples=100, deadline=None)
def test_an_envelope_is_read_back_as_it_was_sent(envelope: Envelope) -> None:
    stored = envelope.model_dump(mode="json", exclude_none=True)
    again = Envelope.read(json.loads(json.dumps(stored)))
    assert again == envelope
    assert type(again.data) is KINDS[envelope.type]
    assert again.time.utcoffset() == envelope.time.utcoffset()


@given(envelopes())
@settings(max_examples=50, deadline=None)
def test_occurred_is_exact_to_the_microsecond(envelope: Envelope) -> None:
    assert EPOCH + timedelta(microseconds=envelope.occurred_us) == envelope.time


@pytest.mark.parametrize("attribute", ["id", "source", "type", "subject", "time", "data"])
def test_no_touchpoint_without_its_attributes(attribute: str) -> None:
    with pytest.raises(InvalidTouchpoint) as caught:
        Envelope.read({name: value for name, value in SAID.items() if name != attribute})
    assert caught.value.where == attribute


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("time", "2026-03-01T10:00:00"),
        ("time", "2026-03-01"),
        ("time", "yesterday"),
        ("time", "1700000000"),
        ("time", 1700000000),
        ("time", 1700000000.5),
        ("time", "2026-02-30T10:00:00Z"),
        ("time", datetime(2026, 3, 1)),  # noqa: DTZ001 - what is to be refused
        ("precision", "month"),
        ("sequence", 2**64),
        ("sequence", "1"),
        ("sequence", 1.0),
        ("sequence", True),
        ("specversion", "0.3"),
        ("cost", 1.5),
        ("cost.currency", "1.5 EURO"),
        ("channel", ""),
        ("channel", "a\0b"),
        ("subject", ""),
        ("subject", "x" * 201),
        ("subject", " customer-1"),
        ("subject", "customer\n1"),
        ("subject", "\ud800"),
        ("subject", 17),
        ("subject", "ann@example.com"),
        ("subject", "mailto:ann@example.com"),
        ("subject", "Ann.O'Neil+crm@mail.example.co.uk"),
        ("subject", "+49 30 1234567"),
        ("subject", "+491701234567"),
        ("subject", "tel:+491701234567"),
        ("subject", "(030) 123-4567"),
        ("id", "ann@example.com"),
        ("colour", "red"),
    ],
)
def test_an_attribute_that_fits_not_is_refused_by_its_name(attribute: str, value: Any) -> None:
    where, rule = refused(**{attribute.partition(".")[0]: value})
    assert where == attribute
    assert rule


@pytest.mark.parametrize(
    "subject", ["customer-1", "4711", "2026-03-01", "a.b", "user@realm", "030/1234", "Ärzte & Söhne", "00491701234567"]
)
def test_an_ordinary_id_is_taken(subject: str) -> None:
    assert Envelope.read({**SAID, "subject": subject}).subject == subject


def test_fields_of_the_payload_are_named_with_their_path_and_without_their_values() -> None:
    where, rule = refused(data={"opportunity": "x", "reason": 4711, "budget": "secret"})
    assert where == "data.reason, data.budget"
    assert "4711" not in rule
    assert "secret" not in rule


def test_a_payload_of_another_kind_is_refused() -> None:
    where, _ = refused(data=KINDS["QuoteAccepted"].model_validate({"quote": "q-1"}))
    assert where.startswith("data")


def test_an_unknown_kind_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(UnknownKind) as caught:
        Envelope.read({**SAID, "type": "OportunityLost"})
    assert "OpportunityLost" in caught.value.way_out
    with pytest.raises(UnknownKind, match="no such kind") as caught:
        kind_named("Zzz")
    assert "lifecircle kinds" in caught.value.way_out


def test_a_touchpoint_cannot_be_changed() -> None:
    envelope = Envelope.read(SAID)
    with pytest.raises(ValidationError):
        envelope.data.reason = "service"  # type: ignore[attr-defined]
    with pytest.raises(ValidationError):
        envelope.subject = "customer-2"  # type: ignore[misc]


def test_the_order_key_is_time_sequence_stream_and_version() -> None:
    fact = Fact(5, 1, "customer-1", 9, "OrderPlaced", "e", "shop", {}, {"precision": "date"}, 1, 77, 88)
    assert fact.order_key == (5, 1, "customer-1", 9)
    assert fact.is_date
    assert not fact._replace(envelope={}).is_date


@pytest.fixture
def visited() -> Iterator[type[Touchpoint]]:
    """A kind in its third version: first it had a free-text `what`, then `purpose`, then a currency in its cost."""

    class ShopVisited(Touchpoint, phase=Phase.ATTRACTION, schema_version=3):
        """Someone came into the shop."""

        purpose: Id
        minutes: int | None = None
        cost: Amount | None = None

        @classmethod
        def upcast_v1_v2(cls, data: dict[str, Any]) -> None:
            data["purpose"] = data.pop("what")

        @staticmethod
        def upcast_v2_v3(data: dict[str, Any]) -> None:
            if "cost_cents" in data:
                data["cost"] = {"micros": data.pop("cost_cents") * 10_000, "currency": "EUR"}

    yield ShopVisited
    del KINDS["ShopVisited"]


@pytest.mark.parametrize(
    ("stored", "version"),
    [
        (b'{"what":"look","minutes":4,"cost_cents":250}', 1),
        (b'{"purpose":"look","minutes":4,"cost_cents":250}', 2),
        (b'{"purpose":"look","minutes":4,"cost":{"micros":2500000,"currency":"EUR"}}', 3),
    ],
)
def test_every_stored_version_is_read_as_the_newest(visited: type[Touchpoint], stored: bytes, version: int) -> None:
    data = json.loads(stored)
    lifted = visited.upcast(data, f"urn:lifecircle:ShopVisited:{version}")
    assert lifted == {"purpose": "look", "minutes": 4, "cost": {"micros": 2_500_000, "currency": "EUR"}}
    assert visited.model_validate(lifted).model_dump(mode="json", exclude_none=True) == lifted
    assert data == json.loads(stored), "what was stored stays as it was"


def test_a_newer_version_than_this_program_knows_is_refused(visited: type[Touchpoint]) -> None:
    with pytest.raises(UnknownKind, match="version 4"):
        visited.upcast({}, "urn:lifecircle:ShopVisited:4")


def test_a_kind_carries_its_name_phase_and_schema(visited: type[Touchpoint]) -> None:
    assert (visited.kind, visited.phase, visited.schema_version) == ("ShopVisited", Phase.ATTRACTION, 3)
    assert visited.dataschema == "urn:lifecircle:ShopVisited:3"
    assert kind_named("ShopVisited") is visited


def test_no_name_stands_for_two_kinds() -> None:
    standing = KINDS["OrderPlaced"]
    with pytest.raises(NameTaken, match="OrderPlaced is defined twice"):
        type("OrderPlaced", (Touchpoint,), {"__module__": "elsewhere", "__annotations__": {}})
    assert KINDS["OrderPlaced"] is standing


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
)
@settings(max_examples=100, deadline=None)
def test_whatever_comes_is_taken_or_refused_with_a_named_error(name: str, data: dict[str, Any]) -> None:
    try:
        envelope = Envelope.read({**SAID, "type": name, "data": data})
    except (LifecircleError, ValidationError):
        return
    assert envelope.type == name
    assert envelope.time.astimezone(UTC) == datetime(2026, 3, 1, 9, tzinfo=UTC)
