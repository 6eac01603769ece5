"""A made-up customer who orders, subscribes, is billed and tells of themselves: what questions across customers ask."""

from random import Random
from typing import Any

from domain.touchpoint import Envelope
from tests.projections.story import eur, happened, line


def a_trade(subject: str, chance: Random) -> list[Envelope]:
    """Some touchpoints of trade, service and profile over three months of 2026, in order."""
    days = sorted(f"2026-{chance.randint(1, 3):02}-{chance.randint(1, 28):02}" for _ in range(27))
    cost = chance.choice([{}, {"unit_cost": eur("3")}, {"unit_cost": eur("3")}])
    goods = [
        line(sku, chance.randint(1, 3), f"{chance.randint(5, 40)}.5", category=chance.choice(["cup", "tea"]), **cost)
        for sku in chance.sample(["mug", "pot", "oolong", "sencha"], 2)
    ]
    euros = [{**each, "line": str(place)} for place, each in enumerate(goods, 1)]
    dollars = [{"sku": "mug", "quantity": 1, "net": "12.5 USD"}]
    steps: list[tuple[str, dict[str, Any]]] = [
        ("FxRateSet", {"from": "USD", "to": "EUR", "rate": "0.9", "day": "2026-01-15"}),
        ("CustomerRegistered", {"party": "person", "attributes": {"income": chance.choice("ABC"), "age": "30-39"}}),
        ("SegmentAssigned", {"segment": chance.choice(["gold", "silver"])}),
        ("ConsentGranted", {"purpose": "newsletter", "channel": chance.choice(["email", "sms"])}),
        ("PreferenceStated", {"topic": "tea", "channel": "email"}),
        (
            "OpportunityOpened",
            {"opportunity": "n", "amount": eur("900"), "expected_close": "2026-04-20", "product": "pot"},
        ),
        ("OpportunityChanged", {"opportunity": "n", "probability": chance.choice([0.25, 0.5]), "owner": "eve"}),
        ("OrderPlaced", {"order": "x", "lines": euros, "total": eur("90")}),
        ("OrderPlaced", {"order": "y", "lines": dollars, "total": "12.5 USD"}),
        ("DeliveryPromised", {"order": "x", "promised_for": f"2026-03-{chance.randint(1, 28):02}"}),
        ("DeliveryPromised", {"order": "y", "promised_for": "2026-03-30"}),
        ("DeliveryWarningIssued", {"order": "x", "expected_delay": 2, "reason": chance.choice(["strike", "stock"])}),
        ("ShipmentDispatched", {"order": "x", "shipment": "sx"}),
        ("ShipmentDelivered", {"shipment": "sx"}),
        ("SubscriptionStarted", _subscribed(chance)),
        ("SubscriptionChanged", {"subscription": "s", "plan": "family", "recurring_amount": eur("19")}),
        ("SubscriptionPaused", {"subscription": "s", "until": "2026-03-15"}),
        chance.choice(
            [
                ("SubscriptionEnded", {"subscription": "s"}),
                ("SubscriptionRenewed", {"subscription": "s", "until": "2027-01-01"}),
            ]
        ),
        ("InvoiceIssued", {"invoice": "i", "order": "x", "amount": eur("90"), "due": "2026-02-10"}),
        ("ContractSigned", {"contract": "c", "total": eur("100")}),
        ("PaymentReceived", {"payment": "free", "amount": eur("3")}),
        ("PaymentScheduled", {"contract": "c", "instalment": "1", "due": "2026-03-01", "amount": eur("50")}),
        ("PaymentReceived", {"payment": "p", "invoice": "i", "amount": eur(str(chance.randint(10, 95)))}),
        ("DunningNoticeSent", {"invoice": "i", "level": 1}),
        ("ContactMade", {"mode": "call", "touch_cost": eur("2.5")}),
        ("TicketOpened", {"ticket": "u", "touch_cost": eur("4")}),
        ("SubjectRequestReceived", {"request": "q", "kind": "access"}),
    ]
    return [
        happened(day, kind, subject, **fields)
        for day, (kind, fields) in zip(days, steps, strict=True)
        if chance.random() < 0.85
    ]


def _subscribed(chance: Random) -> dict[str, Any]:
    amount, interval = chance.choice([("120", "year"), ("12", "month"), ("5", "week")])
    return {"subscription": "s", "plan": "single", "recurring_amount": eur(amount), "interval": interval}
