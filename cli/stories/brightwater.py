"""Brightwater Cycles: a small bicycle maker, and half a year with its customers. Nobody in it is real."""

from collections.abc import Iterator
from itertools import count
from typing import Any

Event = dict[str, Any]

COMPANY = "Brightwater Cycles"
ZONE = "Europe/London"
ANNA = "customer-anna"

_SOURCES = ("exhibition", "referral", "newsletter", "web")
_OWNERS = ("rosa", "tom")
_LOSSES = (
    ("offer", "price", "Halfmoon Bikes"),
    ("test ride", "no answer", None),
    ("offer", "delivery time", "Veloworks"),
)


class Teller:
    """Numbers what happens to one subject, so that telling the story again adds nothing."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._numbers = count(1)

    def tell(self, kind: str, day: str, _extra: Event | None = None, /, **data: Any) -> Event:
        """One touchpoint: `day` is `03-14` or `03-14 09:30`, in 2026 and in London's winter time."""
        date, _, time = day.partition(" ")
        return {
            "id": f"{self._subject}-{next(self._numbers)}",
            "source": "brightwater",
            "type": kind,
            "subject": self._subject,
            "time": f"2026-{date}T{time or '10:00'}:00+00:00",
            "data": {name.rstrip("_"): value for name, value in data.items() if value is not None},
            **(_extra or {}),
        }


def pounds(amount: float | str) -> Event:
    """An amount in pounds sterling."""
    return {"amount": str(amount), "currency": "GBP"}


def bicycle(quantity: int = 1, price: int = 1450) -> list[Event]:
    """An order line of touring bicycles."""
    return [{"sku": "TOURER", "category": "bicycle", "quantity": quantity, "net": pounds(price * quantity)}]


def anna() -> Iterator[Event]:
    """Anna, once round the whole circle: from an advertisement to a referral, with a repair on the way."""
    tell = Teller(ANNA).tell
    web, rosa = {"channel": "web"}, {"actor": "rosa"}
    yield tell("CustomerRegistered", "01-12", web, party="person", name="Anna Example")
    yield tell("ConsentGranted", "01-12 10:02", web, purpose="newsletter", channel="email")
    yield tell("SegmentAssigned", "01-12 10:05", segment="touring")
    yield tell("MessageSent", "01-20", {"channel": "email"}, message="m-anna-1", purpose="newsletter")
    yield tell("InquiryReceived", "02-02 18:40", web, inquiry="q-anna", need="a bicycle for long tours")
    yield tell("ContactMade", "02-03 09:15", rosa, mode="call", direction="outbound", result="wants a test ride")
    yield tell("PresentationDelivered", "02-07", rosa, product="TOURER")
    yield tell(
        "OpportunityOpened",
        "02-07 12:00",
        rosa,
        opportunity="deal-anna",
        product="TOURER",
        amount=pounds(1450),
        stage="test ride",
        lead_source="web",
    )
    yield tell("OpportunityStageChanged", "02-09", rosa, opportunity="deal-anna", from_="test ride", to="offer")
    yield tell(
        "QuoteIssued",
        "02-09 11:00",
        rosa,
        quote="quote-anna",
        opportunity="deal-anna",
        lines=bicycle(),
        total=pounds(1740),
        valid_until="2026-03-09",
    )
    yield tell("QuoteAccepted", "02-16", quote="quote-anna")
    yield tell("OpportunityWon", "02-16 10:30", rosa, opportunity="deal-anna", reason="test ride")
    yield tell("OrderPlaced", "02-16 10:31", web, order="5001", quote="quote-anna", lines=bicycle(), total=pounds(1740))
    yield tell("OrderConfirmed", "02-16 15:00", order="5001")
    yield tell("DeliveryPromised", "02-16 15:01", order="5001", promised_for="2026-03-06")
    yield tell("InvoiceIssued", "02-17", invoice="inv-5001", order="5001", amount=pounds(1740), due="2026-03-17")
    yield tell("PaymentReceived", "02-24", payment="pay-5001", invoice="inv-5001", amount=pounds(1740))
    yield tell("ShipmentDispatched", "03-04", shipment="s-5001", order="5001", lines=[{"sku": "TOURER", "quantity": 1}])
    yield tell("ShipmentDelivered", "03-05 14:20", shipment="s-5001")
    yield tell("TicketOpened", "04-11 08:50", {"channel": "phone"}, ticket="t-77", product="TOURER", severity="low")
    yield tell("TicketResolved", "04-13", {"actor": "sam"}, ticket="t-77", cause="loose spoke", fix="tightened")
    yield tell("TicketClosed", "04-14", ticket="t-77", how="resolved")
    yield tell("SurveyAnswered", "04-20", web, question="Would you recommend us?", metric="nps", score=9.0)
    lights = [{"sku": "LIGHTS", "category": "accessory", "quantity": 2, "net": pounds(58)}]
    yield tell("OrderPlaced", "05-02", web, order="5044", lines=lights, total=pounds("69.60"))
    yield tell("ReferralMade", "05-20", referred="customer-ben")


def neighbours() -> Iterator[Event]:
    """The other customers of that half-year, each as far round the circle as they came."""
    for number in range(1, 37):
        yield from _neighbour(number)


def _neighbour(number: int) -> Iterator[Event]:
    subject, deal = f"customer-{number:03}", f"deal-{number:03}"
    tell = Teller(subject).tell
    owner = {"actor": _OWNERS[number % 2]}
    source = _SOURCES[number % 4]
    month, day = 1 + number % 4, 1 + number * 7 % 27
    yield tell("CustomerRegistered", f"{month:02}-{day:02} 09:00", party="person")
    yield tell("SegmentAssigned", f"{month:02}-{day:02} 09:05", segment="touring" if number % 2 else "city")
    yield tell("InquiryReceived", f"{month:02}-{day:02} 09:30", {"channel": "web"}, inquiry=f"q-{number:03}")
    if number % 6 == 5:
        return
    yield tell("ContactMade", f"{month:02}-{day:02} 10:30", owner, mode="call", direction="outbound")
    opened = {"stage": "test ride", "lead_source": source, "amount": pounds(900 + 25 * number)}
    yield tell("OpportunityOpened", f"{month:02}-{day:02} 11:00", owner, opportunity=deal, **opened)
    if number % 3 == 0:
        stage, reason, competitor = _LOSSES[number // 3 % 3]
        lost = {"stage": stage, "reason": reason, "competitor": competitor}
        yield tell("OpportunityLost", f"{month + 1:02}-{day:02}", owner, opportunity=deal, **lost)
        return
    if number % 7 == 6:
        return
    yield tell("OpportunityWon", f"{month + 1:02}-{day:02}", owner, opportunity=deal)
    for nth in range(1 + number % 3):
        order, price = f"{6000 + 10 * number + nth}", 900 + 25 * number if nth == 0 else 60 * nth
        when = f"{month + 1 + nth:02}-{day:02} 1{nth}:00"
        yield tell("OrderPlaced", when, order=order, lines=bicycle(price=price), total=pounds(price))
        goods = [{"sku": "TOURER", "quantity": 1}]
        shipped = f"{month + 1 + nth:02}-{day + 1:02}"
        yield tell("ShipmentDispatched", shipped, shipment=f"s-{order}", order=order, lines=goods)
        yield tell("ShipmentDelivered", f"{shipped} 16:00", shipment=f"s-{order}")
    if number % 4 == 1:
        ticket = f"t-{number:03}"
        yield tell("TicketOpened", f"{month + 3:02}-{day:02}", ticket=ticket, product="TOURER", severity="low")
        yield tell("TicketResolved", f"{month + 3:02}-{day + 1:02}", {"actor": "sam"}, ticket=ticket)
    if number % 2:
        score = float(6 + number % 5)
        question = "Would you recommend us?"
        yield tell("SurveyAnswered", f"{month + 3:02}-{day:02} 18:00", question=question, metric="nps", score=score)


def late_correction() -> Event:
    """The accountant finds that Anna's first order was cheaper: the past changes, and nothing is deleted."""
    replacement = {"lines": bicycle(price=1305), "total": pounds(1566)}
    return Teller(f"{ANNA}-correction").tell(
        "TouchpointCorrected",
        "06-01",
        {"subject": ANNA, "actor": "accounts"},
        target=f"{ANNA}-13",
        replacement=replacement,
        reason="the exhibition discount had been forgotten",
    )


def shipment_before_its_order() -> tuple[Event, Event]:
    """The warehouse reports a shipment at once; the shop's order of that morning arrives only afterwards."""
    tell = Teller("customer-ben").tell
    goods = [{"sku": "LIGHTS", "quantity": 1}]
    shipment = tell("ShipmentDispatched", "06-03 15:00", shipment="s-5090", order="5090", lines=goods)
    lines = [{"sku": "LIGHTS", "category": "accessory", "quantity": 1, "net": pounds(29)}]
    order = tell("OrderPlaced", "06-03 09:00", order="5090", lines=lines, total=pounds("34.80"))
    return shipment, order


def refused() -> Event:
    """A touchpoint that no reader could understand: its amount is in a currency that does not exist."""
    return Teller(f"{ANNA}-refused").tell(
        "PaymentReceived", "06-04", {"subject": ANNA}, payment="pay-9", amount={"amount": "10.00", "currency": "GPB"}
    )
