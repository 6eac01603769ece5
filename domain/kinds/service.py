"""Phase 7, service: questions, faults and complaints, and what became of them. These names are the storage format."""

from typing import Annotated, Literal

from domain.fields import Person, PersonalText, Product, Reason, Severity, means
from domain.identifiers import AssetId, ComplaintId, TicketId
from domain.touchpoint import Label, Moment, Phase, Touchpoint

Activity = Annotated[Label, means("the activity's name in the system it comes from")]


class TicketOpened(Touchpoint, phase=Phase.SERVICE):
    """The customer had a question or a trouble, and we took it up."""

    ticket: TicketId
    subject_line: Annotated[PersonalText | None, means("what it is about, in a sentence")] = None
    product: Product | None = None
    severity: Severity | None = None
    sla: Annotated[Label | None, means("the service level promised for it")] = None
    due: Annotated[Moment | None, means("when it is to be resolved by")] = None
    activity: Activity | None = None


class TicketAssigned(Touchpoint, phase=Phase.SERVICE):
    """A ticket was handed to somebody who is to see to it."""

    ticket: TicketId
    queue: Annotated[Label | None, means("the team or list it went to")] = None
    agent: Annotated[Person | None, means("who of us is to see to it, by id")] = None
    activity: Activity | None = None


class TicketClassified(Touchpoint, phase=Phase.SERVICE):
    """It was judged how serious a ticket is, or what it belongs to."""

    ticket: TicketId
    severity: Severity | None = None
    category: Annotated[Label | None, means("what sort of trouble it is")] = None
    activity: Activity | None = None


class TicketProgressed(Touchpoint, phase=Phase.SERVICE):
    """Somebody worked on a ticket."""

    ticket: TicketId
    activity: Annotated[Label, means("what was done")]


class TicketPended(Touchpoint, phase=Phase.SERVICE):
    """Work on a ticket stopped until something comes."""

    ticket: TicketId
    awaiting: Annotated[Label | None, means("what or whom it waits for")] = None
    activity: Activity | None = None


class TicketResumed(Touchpoint, phase=Phase.SERVICE):
    """What a ticket waited for came, and work went on."""

    ticket: TicketId
    activity: Activity | None = None


class TicketResolved(Touchpoint, phase=Phase.SERVICE):
    """The customer's question was answered, or their trouble mended."""

    ticket: TicketId
    cause: Annotated[Label | None, means("what it came from")] = None
    fix: Annotated[PersonalText | None, means("what helped")] = None
    activity: Activity | None = None


class TicketClosed(Touchpoint, phase=Phase.SERVICE):
    """A ticket was laid aside for good."""

    ticket: TicketId
    how: Annotated[Literal["resolved", "duplicate", "spam", "silent"], means("on what ground")]
    activity: Activity | None = None


class TicketReopened(Touchpoint, phase=Phase.SERVICE):
    """The trouble of a closed ticket was not over, or came back."""

    ticket: TicketId
    reason: Reason | None = None
    activity: Activity | None = None


class ComplaintReceived(Touchpoint, phase=Phase.SERVICE):
    """The customer told us that they are not content."""

    complaint: ComplaintId
    about: Annotated[Label, means("what it is about, in a word or two that can be counted")]
    text: Annotated[PersonalText | None, means("the complaint in the customer's words")] = None
    product: Product | None = None
    ticket: TicketId | None = None


class FieldVisitPerformed(Touchpoint, phase=Phase.SERVICE):
    """One of us went to the customer to look after a product."""

    site: Annotated[PersonalText, means("where it was")]
    asset: AssetId | None = None
    engineer: Annotated[Person | None, means("who of us went, by id")] = None
    result: Annotated[Label | None, means("what came of it")] = None
    ticket: TicketId | None = None


class DowntimeReported(Touchpoint, phase=Phase.SERVICE):
    """A product that the customer relies on stopped working."""

    asset: AssetId
    reason: Reason | None = None
    ticket: TicketId | None = None


class DowntimeEnded(Touchpoint, phase=Phase.SERVICE):
    """A product that had stopped works again."""

    asset: AssetId
