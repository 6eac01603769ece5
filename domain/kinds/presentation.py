"""Phase 3, presentation: talking with the customer and showing what we have. These names are the storage format."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, model_validator

from domain.fields import Count, Mode, Person, PersonalText, Product, means
from domain.identifiers import ContactPlanId, Id, InquiryId, TicketId
from domain.money import Amount
from domain.touchpoint import Label, Moment, Phase, Text, Touchpoint

Contact = Annotated[Id, means("the person on the customer's side, by subject id")]


class ContactPlanned(Touchpoint, phase=Phase.PRESENTATION):
    """A meeting, a call or a letter was put into the diary."""

    plan: ContactPlanId
    when: Annotated[Moment | None, means("when it is to be")] = None
    place: Annotated[PersonalText | None, means("where it is to be")] = None
    mode: Mode | None = None
    person: Contact | None = None
    goal: Annotated[Label | None, means("what is to be reached")] = None
    script: Annotated[Label | None, means("the guide it is to follow")] = None


class ContactMade(Touchpoint, phase=Phase.PRESENTATION):
    """We and the customer talked, wrote or met."""

    plan: ContactPlanId | None = None
    mode: Mode
    direction: Annotated[Literal["inbound", "outbound"] | None, means("whether the customer began it, or we")] = None
    person: Contact | None = None
    content: Annotated[PersonalText | None, means("what was said")] = None
    result: Annotated[Label | None, means("what came of it, in a word or two that can be counted")] = None
    duration: Annotated[Count | None, means("how long it took, in seconds")] = None


class FirstResponseGiven(Touchpoint, phase=Phase.PRESENTATION):
    """Somebody who had asked something of us heard from us for the first time."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ticket": "ticket-1"}]})

    inquiry: InquiryId | None = None
    ticket: TicketId | None = None
    by: Annotated[Person | None, means("who of us answered, by id")] = None

    @model_validator(mode="after")
    def _answers_something(self) -> Self:
        if (self.inquiry is None) == (self.ticket is None):
            raise ValueError("must name either an inquiry or a ticket")
        return self


class NeedRecorded(Touchpoint, phase=Phase.PRESENTATION):
    """We understood what the customer needs, how badly, and what they can spend."""

    need: Annotated[PersonalText, means("what the customer needs")]
    urgency: Annotated[Label | None, means("how pressing it is for the customer")] = None
    budget: Annotated[Amount | None, means("what the customer can spend")] = None
    preference: Annotated[PersonalText | None, means("what the customer would like best")] = None


class PresentationDelivered(Touchpoint, phase=Phase.PRESENTATION):
    """We showed the customer what we have to offer."""

    product: Product
    format: Annotated[Label | None, means("how it was shown, such as demonstration, trial or brochure")] = None
    personalised_for: Annotated[Text | None, means("the need or group it was made for")] = None
