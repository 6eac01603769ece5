"""Every kind of the catalogue: that it is there, says what happened, and takes and gives back what it should."""

import inspect
import json
import re
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from domain.fields import Attribute, Line, Personal, Special, sealed_fields
from domain.identifiers import Entity
from domain.kinds.order import OrderPlaced
from domain.laws import flaws_of_kind
from domain.money import Amount
from domain.schema import fields, json_schema
from domain.shortcuts import problems
from domain.touchpoint import KINDS, Phase, Touchpoint, marks
from tests.cli.program import Done, Shell
from tests.strategies import OWN, touchpoints

CATALOGUE = {
    None: """
        CustomerRegistered IdentifierLinked IdentifierUnlinked CustomerIdentified CustomersMerged CustomerMergeReverted
        ProfileFieldChanged RelationshipLinked RelationshipEnded PreferenceStated ConsentGranted ConsentWithdrawn
        ObjectionRaised ProcessingRestricted ProcessingRestrictionLifted SubjectRequestReceived SubjectRequestAnswered
        LegalHoldPlaced LegalHoldLifted DataExported PersonalDataErased TaskAssigned TaskRescheduled TaskClosed
        StageResponsibilityAssigned TouchpointCorrected
        TouchpointRefused RowQuarantined RowReleased PersonalDataOpened AccessDenied KeyRotated KeyDestroyed""",
    Phase.ANALYSIS: """
        SegmentAssigned CustomerValueAssessed RiskAssessed RecommendationIssued GoalSet MarketObservationReported
        FxRateSet""",
    Phase.ATTRACTION: """
        CampaignLaunched CampaignCostBooked MessageSent MessageEngaged AdClicked PageViewed ProductViewed FormSubmitted
        EventAttended InquiryReceived""",
    Phase.PRESENTATION: "ContactPlanned ContactMade FirstResponseGiven NeedRecorded PresentationDelivered",
    Phase.SALE: """
        LeadQualified LeadDisqualified OpportunityOpened OpportunityChanged OpportunityStageChanged OpportunityWon
        OpportunityLost OpportunityReopened QuoteRequested QuoteIssued QuoteAccepted QuoteDeclined CartUpdated
        CheckoutStarted""",
    Phase.ORDER: """
        ContractSigned ContractAmended ContractRenewed ContractTerminated SubscriptionStarted SubscriptionChanged
        SubscriptionPaused SubscriptionRenewed SubscriptionEnded PaymentScheduled OrderPlaced OrderConfirmed
        OrderAmended OrderCancelled DiscountApplied""",
    Phase.FULFILMENT: """
        DeliveryPromised DeliveryWarningIssued ShipmentDispatched ShipmentDelivered DeliveryFailed InvoiceIssued
        CreditNoteIssued PaymentReceived PaymentFailed PaymentReversed DunningNoticeSent DebtWrittenOff""",
    Phase.SERVICE: """
        TicketOpened TicketAssigned TicketClassified TicketProgressed TicketPended TicketResumed TicketResolved
        TicketClosed TicketReopened ComplaintReceived FieldVisitPerformed DowntimeReported DowntimeEnded""",
    Phase.AFTER_SALES: """
        SurveyAnswered FeedbackGiven ReferralMade ReturnReceived RefundIssued LoyaltyPointsPosted AssetRegistered
        AssetRetired PartnerRegistered CommissionBooked CustomerChurned CustomerWonBack""",
}
OURS = [KINDS[name] for names in CATALOGUE.values() for name in names.split()]

EVERY = [*OURS, *OWN]

OPEN_FORMS = {"Amount", "JsonValue"}

every_kind = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.kind)

EUR = {"amount": "12.50", "currency": "EUR"}
ORDER: dict[str, Any] = {
    "order": "o-1",
    "total": EUR,
    "lines": [
        {"sku": "A-1", "quantity": 2, "net": EUR, "tax_rate": "0.19"},
        {"sku": "B-2", "quantity": "1.5", "net": EUR},
    ],
}


def refusal(kind: str, data: Any) -> tuple[str, str]:
    """The field that a refused payload is refused for, and the message."""
    with pytest.raises(ValidationError) as caught:
        KINDS[kind].model_validate(data)
    place, rule = problems(caught.value)[0]
    return ".".join(map(str, place)), rule


@pytest.mark.parametrize("phase", CATALOGUE, ids=str)
def test_every_kind_of_the_catalogue_stands_in_its_phase(phase: Phase | None) -> None:
    # Kinds that other tests define for themselves are no part of the catalogue.
    found = {name for name, kind in KINDS.items() if kind.phase == phase and kind.__module__.startswith("domain.")}
    assert found == set(CATALOGUE[phase].split())


def test_every_kind_says_in_a_sentence_of_its_own_what_happened() -> None:
    said = [kind.__doc__ or "" for kind in EVERY]
    assert [text for text in said if not re.match(r"[A-Z][^\n]{15,}\.(\n|$)", text)] == []
    assert len(set(said)) == len(EVERY)


@every_kind
def test_a_kind_breaks_no_rule_that_a_companys_own_must_keep(kind: type[Touchpoint]) -> None:
    assert list(flaws_of_kind(kind)) == []


@every_kind
def test_every_field_says_what_it_means(kind: type[Touchpoint]) -> None:
    assert [field.name for field in fields(kind) if len(field.meaning) < 5 or not field.type] == []


@every_kind
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_stored_is_read_back_as_it_was(kind: type[Touchpoint], data: st.DataObject) -> None:
    touchpoint = data.draw(touchpoints(kind))
    stored = touchpoint.model_dump(mode="json", exclude_none=True)
    assert kind.model_validate(json.loads(json.dumps(stored))) == touchpoint
    assert kind.model_validate(stored).model_dump(mode="json", exclude_none=True) == stored


@every_kind
def test_an_unknown_field_is_refused(kind: type[Touchpoint]) -> None:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate({"no_such_field": 1})
    assert ("no_such_field",) in {problem["loc"] for problem in caught.value.errors()}


@every_kind
def test_a_schema_is_whole_and_closed(kind: type[Touchpoint]) -> None:
    schema = json_schema(kind)
    attributes, definitions = schema["properties"], schema["$defs"]
    assert schema["$id"] == kind.dataschema
    assert schema["description"] == inspect.cleandoc(kind.__doc__ or "")
    assert set(schema["required"]) == {"id", "source", "type", "subject", "time", "data"}
    assert attributes["type"]["const"] == kind.kind
    assert all("description" in schema for name, schema in attributes.items() if name != "data")
    assert set(attributes["data"]["properties"]) == {field.name for field in fields(kind) if "[]" not in field.name}
    assert set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema))) <= set(definitions)
    # An amount may be written in several forms; whatever else is an object names all its fields.
    models = [schema, attributes["data"], *(each for name, each in definitions.items() if name not in OPEN_FORMS)]
    assert all(model["additionalProperties"] is False for model in models)


def test_entities_are_known_by_their_stored_fields() -> None:
    assert KINDS["OrderPlaced"].entity_fields() == {"order": "order", "quote": "quote"}
    assert KINDS["ShipmentDispatched"].entity_fields() == {"shipment": "shipment", "order": "order"}
    assert KINDS["SubjectRequestReceived"].entity_fields() == {"request": "request"}
    assert KINDS["CampaignLaunched"].entity_fields() == {}


def test_names_addresses_and_free_text_are_marked_personal_and_ids_never() -> None:
    marked = {f"{kind.kind}.{'.'.join(each.path)}": each.mark for kind in EVERY for each in sealed_fields(kind)}
    personal = {name for name, mark in marked.items() if isinstance(mark, Personal)}
    assert personal >= {
        "CustomerRegistered.name",
        "CustomerRegistered.contact_points.value",
        "IdentifierLinked.value",
        "ContactMade.content",
        "ComplaintReceived.text",
        "FormSubmitted.fields",
    }
    assert isinstance(marked["CustomerRegistered.attributes"], Attribute)
    assert isinstance(marked["CustomerRegistered.special_attributes"], Special)
    entities = {
        f"{kind.kind}.{name}"
        for kind in EVERY
        for name, field in kind.model_fields.items()
        if any(isinstance(mark, Entity) for mark in marks(field))
    }
    assert entities.isdisjoint(marked)


def test_words_that_python_reserves_are_stored_under_their_own_names() -> None:
    change = KINDS["OpportunityStageChanged"].model_validate({"opportunity": "x", "from": "demo", "to": "offer"})
    assert change.model_dump() == {"opportunity": "x", "from": "demo", "to": "offer"}
    risk = KINDS["RiskAssessed"].model_validate({"kind": "churn", "score": 0.7})
    assert risk.model_dump(exclude_none=True) == {"kind": "churn", "score": 0.7}
    assert type(risk).kind == "RiskAssessed"


def test_lines_are_numbered_by_their_place_and_never_twice_the_same() -> None:
    lines = KINDS["OrderPlaced"].model_validate(ORDER).model_dump()["lines"]
    assert [line["line"] for line in lines] == ["1", "2"]
    twice = [{"line": "7", "quantity": 1, "net": EUR}, {"line": "7", "quantity": 1, "net": EUR}]
    assert refusal("OrderPlaced", {**ORDER, "lines": twice}) == (
        "lines",
        "must number each line differently",
    )


def test_lines_built_in_python_are_numbered_too() -> None:
    price = Amount.of("3", "EUR")
    order = OrderPlaced(order="o", total=price, lines=(Line(quantity=1, net=price), Line(quantity=2, net=price)))
    assert [line.line for line in order.lines] == ["1", "2"]


@pytest.mark.parametrize("field", ["shipping", "tax"])
def test_an_order_in_two_currencies_is_refused(field: str) -> None:
    _, message = refusal("OrderPlaced", {**ORDER, field: "3 USD"})
    assert "one currency" in message


def test_a_line_in_another_currency_is_refused() -> None:
    lines = [{**ORDER["lines"][0], "unit_cost": "3 USD"}]
    assert "one currency" in refusal("OrderPlaced", {**ORDER, "lines": lines})[1]
    assert (
        "one currency"
        in refusal("QuoteIssued", {"quote": "q", "total": EUR, "valid_until": "2026-03-01", "lines": lines})[1]
    )


@pytest.mark.parametrize(
    ("kind", "data", "where"),
    [
        ("OrderPlaced", {**ORDER, "order": 7}, "order"),
        ("OrderPlaced", {**ORDER, "order": ""}, "order"),
        ("OrderPlaced", {**ORDER, "order": "ann@example.com"}, "order"),
        ("OrderPlaced", {**ORDER, "self_service": "yes"}, "self_service"),
        ("OrderPlaced", {**ORDER, "self_service": 1}, "self_service"),
        ("OrderPlaced", {**ORDER, "total": 12.5}, "total"),
        ("OrderPlaced", {**ORDER, "total": {"amount": 12.5, "currency": "EUR"}}, "total"),
        ("OrderPlaced", {**ORDER, "total": {"amount": "12.5", "currency": "EURO"}}, "total.currency"),
        ("OrderPlaced", {**ORDER, "total": "NaN EUR"}, "total"),
        ("OrderPlaced", {**ORDER, "lines": [{"quantity": 1.5, "net": EUR}]}, "lines.0.quantity"),
        ("OrderPlaced", {**ORDER, "lines": [{"quantity": True, "net": EUR}]}, "lines.0.quantity"),
        ("OrderPlaced", {**ORDER, "lines": [{"quantity": 2**64, "net": EUR}]}, "lines.0.quantity"),
        ("OrderPlaced", {**ORDER, "lines": [{"quantity": 1}]}, "lines.0.net"),
        ("OrderPlaced", {**ORDER, "lines": [{"quantity": 1, "net": EUR, "colour": "red"}]}, "lines.0.colour"),
        ("OrderPlaced", {**ORDER, "payment_method": "a\0b"}, "payment_method"),
        ("OrderPlaced", {**ORDER, "payment_method": "\ud800"}, "payment_method"),
        ("OrderPlaced", {**ORDER, "payment_method": "x" * 1_001}, "payment_method"),
        ("OrderPlaced", "order", ""),
        ("LoyaltyPointsPosted", {"delta": 2**64, "reason": "earn"}, "delta"),
        ("LoyaltyPointsPosted", {"delta": "5", "reason": "earn"}, "delta"),
        ("LoyaltyPointsPosted", {"delta": 5, "reason": "gift"}, "reason"),
        ("SurveyAnswered", {"question": "q", "score": float("nan")}, "score"),
        ("SurveyAnswered", {"question": "q", "score": float("inf")}, "score"),
        ("SurveyAnswered", {"question": "q", "score": "9"}, "score"),
        ("OpportunityChanged", {"opportunity": "x", "probability": 1.01}, "probability"),
        ("OpportunityChanged", {"opportunity": "x", "expected_close": "01.03.2026"}, "expected_close"),
        ("OpportunityChanged", {"opportunity": "x", "expected_close": "1700000000"}, "expected_close"),
        ("OpportunityChanged", {"opportunity": "x", "expected_close": 1700000000}, "expected_close"),
        ("OpportunityChanged", {"opportunity": "x", "expected_close": "2026-02-30"}, "expected_close"),
        ("ContactPlanned", {"plan": "p", "when": "2026-03-01T10:00:00"}, "when"),
        ("ContactPlanned", {"plan": "p", "when": "1700000000"}, "when"),
        ("FirstResponseGiven", {}, ""),
        ("FirstResponseGiven", {"inquiry": "i", "ticket": "t"}, ""),
        ("DataExported", {"recipient": "r", "scope": "all", "digest": "abc"}, "digest"),
        ("TouchpointCorrected", {"target": "t", "reason": "r"}, ""),
        ("TouchpointCorrected", {"target": "t", "reason": "r", "replacement": {}, "retraction": True}, ""),
        ("TouchpointCorrected", {"target": "t", "reason": "r", "replacement": {"a": [2**64]}}, "replacement"),
        ("TouchpointCorrected", {"target": "t", "reason": "r", "replacement": {"a": float("nan")}}, "replacement"),
        ("TouchpointCorrected", {"target": "t", "reason": "r", "replacement": {"a": {"b\0": 1}}}, "replacement"),
        ("TouchpointCorrected", {"target": "t", "reason": "r", "occurred": "2026-03-01T10:00:00"}, "occurred"),
    ],
)
def test_what_fits_no_field_is_refused_by_the_name_of_the_field(kind: str, data: Any, where: str) -> None:
    assert refusal(kind, data)[0] == where


def test_a_correction_keeps_the_null_that_takes_a_field_away() -> None:
    given_ = {
        "target": "t",
        "reason": "typo",
        "replacement": {"stage": None, "amount": {"micros": 1, "currency": "EUR"}},
    }
    stored = KINDS["TouchpointCorrected"].model_validate(given_).model_dump(mode="json", exclude_none=True)
    assert stored == {**given_, "retraction": False}


def test_the_corrected_time_is_stored_as_it_was_written() -> None:
    given_ = {"target": "t", "reason": "clock", "occurred": "2026-03-01T10:00:00.000001+05:30"}
    stored = KINDS["TouchpointCorrected"].model_validate(given_).model_dump(mode="json", exclude_none=True)
    assert stored["occurred"] == given_["occurred"]


def kinds_command(*arguments: str) -> Done:
    """Run `lifecircle kinds` as a user does."""
    return Shell("")("kinds", *arguments)


def test_the_command_lists_every_kind() -> None:
    rows = json.loads(kinds_command("--format", "json").out)
    assert {row["kind"] for row in rows} == {kind.kind for kind in EVERY}
    assert all(row["what happened"] for row in rows)


def test_the_command_lists_the_kinds_of_a_phase() -> None:
    rows = json.loads(kinds_command("--phase", "after-sales", "--format", "json").out)
    assert {row["kind"] for row in rows} == set(CATALOGUE[Phase.AFTER_SALES].split())


def test_the_command_explains_a_kind() -> None:
    text = kinds_command("OrderPlaced").out
    assert "The customer bought" in text
    assert "lines[].unit_cost" in text
    fields_ = {row["field"]: row for row in json.loads(kinds_command("OrderPlaced", "--format", "json").out)}
    assert fields_["total"]["required"] == "yes"
    assert fields_["total"]["type"] == "amount, such as 12.34 EUR"
    assert not fields_["quote"]["required"]


def test_the_command_gives_the_schema() -> None:
    assert json.loads(kinds_command("OrderPlaced", "--schema").out) == json_schema(KINDS["OrderPlaced"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["OrderPlace"], 3, "did you mean OrderPlaced"),
        (["--phase", "afterparty"], 2, "after-sales"),
        (["--schema"], 2, "of which kind"),
        (["OrderPlaced", "--phase", "order"], 2, "either a kind or --phase"),
    ],
)
def test_the_command_says_what_was_wrong(arguments: list[str], code: int, words: str) -> None:
    done = kinds_command(*arguments)
    assert (done.code, words in done.err, "Traceback" in done.err) == (code, True, False)


def test_every_model_of_a_kind_is_frozen_and_closed() -> None:
    inner = {member for kind in EVERY for member in _models_in(kind)}
    assert all(model.model_config.get("frozen") and model.model_config.get("extra") == "forbid" for model in inner)


def _models_in(model: type[BaseModel]) -> set[type[BaseModel]]:
    found = {model}
    for field in model.model_fields.values():
        for hint in (field.annotation, *get_args(field.annotation)):
            if isinstance(hint, type) and issubclass(hint, BaseModel):
                found |= _models_in(hint)
    return found
