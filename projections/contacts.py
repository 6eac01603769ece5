"""Contact history: every touchpoint between a customer and us, one row each, as it stands after corrections."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

import domain.kinds  # noqa: F401 - registers the kinds that are looked up by name
from domain.company import Company
from domain.touchpoint import KINDS, Fact
from projections.view import Question, Row, View

NO_CONTACT = frozenset(
    {
        # Book-keeping about other touchpoints.
        "TouchpointCorrected",
        "CustomersMerged",
        "CustomerMergeReverted",
        # The log's own evidence.
        "TouchpointRefused",
        "RowQuarantined",
        "RowReleased",
        "PersonalDataOpened",
        "AccessDenied",
        "KeyRotated",
        "KeyDestroyed",
        # The company, its campaigns, partners and markets: no customer is the subject.
        "GoalSet",
        "MarketObservationReported",
        "FxRateSet",
        "CampaignLaunched",
        "CampaignCostBooked",
        "PartnerRegistered",
        "CommissionBooked",
    }
)
"""Kinds that are no contact with a customer; every other kind, a company's own among them, is one."""

_CUSTOMER_DOES = """
    ConsentGranted ConsentWithdrawn ObjectionRaised PreferenceStated SubjectRequestReceived MessageEngaged AdClicked
    PageViewed ProductViewed FormSubmitted EventAttended InquiryReceived QuoteRequested QuoteAccepted QuoteDeclined
    CartUpdated CheckoutStarted OrderPlaced PaymentReceived TicketOpened TicketReopened ComplaintReceived
    DowntimeReported SurveyAnswered FeedbackGiven ReferralMade ReturnReceived
"""
_WE_DO = """
    SubjectRequestAnswered MessageSent FirstResponseGiven PresentationDelivered QuoteIssued OrderConfirmed
    DeliveryPromised DeliveryWarningIssued ShipmentDispatched ShipmentDelivered InvoiceIssued CreditNoteIssued
    DunningNoticeSent TicketResolved FieldVisitPerformed RefundIssued
"""
_FROM_CUSTOMER = frozenset(_CUSTOMER_DOES.split())
_FROM_US = frozenset(_WE_DO.split())
_STATED_DIRECTIONS = {"inbound": "in", "outbound": "out"}


class Contact(NamedTuple):
    """One touchpoint of a customer's contact history."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    touchpoint: Annotated[str, "the touchpoint's id, as its producer gave it"]
    source: Annotated[str, "the producing system"]
    stream: Annotated[str, "the subject it is stored under; differs from subject after a merge"]
    version: Annotated[int, "its place in that stream, from 1"]
    occurred: Annotated[str, "when it occurred, ISO 8601 with the producer's offset"]
    at: Annotated[int, "when it occurred, microseconds since 1970 UTC"]
    day: Annotated[str, "the calendar day it occurred on, in the company's zone"]
    phase: Annotated[str | None, "the phase of the CRM circle; null for kinds across the circle"]
    kind: Annotated[str, "what happened"]
    channel: Annotated[str | None, "the channel it went through, or the mode of contact, where stated"]
    actor: Annotated[str | None, "the responsible person or system, as claimed"]
    campaign: Annotated[str | None, "the campaign it belongs to"]
    direction: Annotated[str | None, "in: from the customer; out: from us; null where neither is known"]
    entity: Annotated[str | None, "what it concerns, such as order/123"]


class _Kind(NamedTuple):
    """What all contacts of a kind have in common; `entities` are its entity fields, each with the entity's type."""

    phase: str | None
    direction: str | None
    entities: tuple[tuple[str, str], ...]


class History:
    """The facts of one subject's contact history; a row's key is the place of its fact."""

    __slots__ = ("facts", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.facts: list[Fact] = []


class Contacts(View[History]):
    """The contact history of every customer."""

    name = "contacts"
    comment = "Contact history: one row per touchpoint with a customer, as it stands after corrections and merges."
    row_type = Contact
    key = ("stream", "version")
    questions = (
        Question(
            name="contacts_by_channel",
            comment="How customers and we meet: contacts per kind, channel and direction.",
            columns={
                "kind": "what happened",
                "channel": "the channel; null where none was stated",
                "direction": "in: from the customer; out: from us; null where neither is known",
                "contacts": "number of contacts",
                "customers": "number of customers who had one",
                "first_day": "day of the first, in the company's zone",
                "last_day": "day of the last, in the company's zone",
            },
            sql="""
                SELECT kind, channel, direction, COUNT(*) AS contacts, COUNT(DISTINCT subject) AS customers,
                       MIN(day) AS first_day, MAX(day) AS last_day
                FROM contacts
                GROUP BY kind, channel, direction
            """,
        ),
        Question(
            name="awaiting_response",
            comment="Who asked something of us and has not heard from us yet: inquiries, and tickets that are neither "
            "resolved nor closed; the longest wait first.",
            columns={
                "subject": "the customer",
                "entity": "what they asked, such as inquiry/7 or ticket/12",
                "agent": "who is to see to it; null where nobody is",
                "asked_at": "when they asked, microseconds since 1970 UTC",
                "waiting_seconds": "whole seconds from then to the moment",
            },
            sql="""
                WITH asked AS (
                    SELECT subject, entity, NULL AS agent, MIN(at) AS asked_at
                    FROM contacts
                    WHERE kind = 'InquiryReceived'
                          AND NOT EXISTS (SELECT 1 FROM contacts AS answer
                                          WHERE answer.subject = contacts.subject AND answer.entity = contacts.entity
                                                AND answer.kind = 'FirstResponseGiven')
                    GROUP BY subject, entity
                    UNION ALL
                    SELECT subject, 'ticket/' || ticket, agent, opened_at
                    FROM tickets
                    WHERE responded_at IS NULL AND opened_at IS NOT NULL AND status IN ('open', 'pending')
                )
                SELECT subject, entity, agent, asked_at, (moment.at - asked_at) / 1000000 AS waiting_seconds
                FROM asked
                CROSS JOIN moment
                ORDER BY waiting_seconds DESC, subject, entity
            """,
        ),
    )

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self._kinds: dict[str, _Kind] = {}

    def initial(self, subject: str) -> History:
        """A customer whom we never met."""
        return History(subject)

    def evolve(self, state: History, fact: Fact) -> tuple[History, Iterable[Hashable]]:
        """Add a contact."""
        if fact.kind in NO_CONTACT:
            return state, ()
        facts = state.facts
        facts.append(fact)
        return state, (len(facts) - 1,)

    def row(self, state: History, key: Hashable) -> Row | None:
        """The contact of this place."""
        if not isinstance(key, int) or not 0 <= key < len(state.facts):
            return None
        # Of the longest table, a row is made for every touchpoint.
        subject, fact = state.subject, state.facts[key]
        at, _, stream, version, kind, touchpoint, source, data, given, _, _, _ = fact
        try:
            phase, direction, entities = self._kinds[kind]
        except KeyError:
            phase, direction, entities = self._kinds[kind] = _about(kind)
        entity = None
        if "direction" in data:
            direction = _STATED_DIRECTIONS.get(data["direction"], direction)
        for field, of in entities:
            if field in data:
                entity = f"{of}/{data[field]}"
                break
        occurred, day, channel = given["time"], self.company.day(fact), given.get("channel") or data.get("mode")
        actor, campaign = given.get("actor"), given.get("campaign")
        return (
            subject, touchpoint, source, stream, version, occurred, at, day, phase, kind, channel, actor, campaign,
            direction, entity,
        )  # fmt: skip


def _about(kind: str) -> _Kind:
    direction = "in" if kind in _FROM_CUSTOMER else "out" if kind in _FROM_US else None
    touchpoint = KINDS.get(kind)
    if touchpoint is None:
        return _Kind(None, direction, ())
    phase = touchpoint.phase.value if touchpoint.phase else None
    return _Kind(phase, direction, tuple(touchpoint.entity_fields().items()))
