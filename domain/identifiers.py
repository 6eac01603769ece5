"""Ids: what names a subject, a thing that lives (an order, a ticket), a producer's touchpoint.

An id stands in keys, logs and proofs for ever, so it is never personal: an e-mail address or a phone number is refused,
and importers derive a keyed id from it instead.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from domain.shortcuts import Shortcut, text

ID_LENGTH_MAX = 200

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# Only forms that no order number takes: +49 30 1234567 and (030) 123-4567.
_PHONE = re.compile(r"(?:tel:)?\+\d[\d ().\-/]{6,20}|\(\d{2,5}\)[\d ().\-/]{5,20}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _not_personal(value: str) -> str:
    if (not value.isprintable() and _CONTROL.search(value)) or value != value.strip():
        raise ValueError("must not hold control characters or begin or end with a blank")
    if ("@" in value and _EMAIL.fullmatch(value)) or _PHONE.fullmatch(value):
        raise ValueError("is an e-mail address or a phone number; an id must not be personal")
    return value


def may_be_id(text: str) -> bool:
    """Whether a text could be an id, and so is no e-mail address or phone number."""
    if not 0 < len(text) <= ID_LENGTH_MAX:
        return False  # before its form is looked at, which takes the square of the length
    try:
        _not_personal(text)
    except ValueError:
        return False
    return True


Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=ID_LENGTH_MAX),
    AfterValidator(_not_personal),
    Shortcut(text(r"^[A-Za-z0-9_][A-Za-z0-9_./:#-]{0,199}$"), written="str"),
]
"""An id of a subject, an entity or a touchpoint: 1 to 200 characters, never personal."""


@dataclass(frozen=True)
class Entity:
    """Marks a field that names an entity with a life of its own; `of` is its type, such as `order`."""

    of: str


InquiryId = Annotated[Id, Entity("inquiry"), Field(description="the inquiry")]
ContactPlanId = Annotated[Id, Entity("plan"), Field(description="the planned contact")]
OpportunityId = Annotated[Id, Entity("opportunity"), Field(description="the opportunity")]
QuoteId = Annotated[Id, Entity("quote"), Field(description="the quote")]
CartId = Annotated[Id, Entity("cart"), Field(description="the cart")]
ContractId = Annotated[Id, Entity("contract"), Field(description="the contract")]
SubscriptionId = Annotated[Id, Entity("subscription"), Field(description="the subscription")]
OrderId = Annotated[Id, Entity("order"), Field(description="the order")]
ShipmentId = Annotated[Id, Entity("shipment"), Field(description="the shipment")]
InvoiceId = Annotated[Id, Entity("invoice"), Field(description="the invoice")]
PaymentId = Annotated[Id, Entity("payment"), Field(description="the payment")]
TicketId = Annotated[Id, Entity("ticket"), Field(description="the ticket")]
ComplaintId = Annotated[Id, Entity("complaint"), Field(description="the complaint")]
AssetId = Annotated[Id, Entity("asset"), Field(description="the product in use")]
TaskId = Annotated[Id, Entity("task"), Field(description="the task")]
GoalId = Annotated[Id, Entity("goal"), Field(description="the goal")]
SubjectRequestId = Annotated[Id, Entity("request"), Field(description="the subject's request")]
LegalHoldId = Annotated[Id, Entity("hold"), Field(description="the legal hold")]


def derived_id(*parts: str | int) -> str:
    """An id that is always the same for the same cause, so that what follows from it is recorded once."""
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]
