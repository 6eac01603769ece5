"""Phase 4, sale: from a qualified lead to a decision. These names are the storage format."""

from typing import Annotated, Literal, Self

from pydantic import model_validator

from domain.fields import (
    Day,
    Lines,
    Person,
    PersonalText,
    Probability,
    Product,
    Reason,
    Score,
    Values,
    means,
    one_currency,
)
from domain.identifiers import CartId, OpportunityId, QuoteId
from domain.money import Amount
from domain.touchpoint import Label, Phase, Touchpoint

Stage = Annotated[Label, means("a stage of the company's own funnel")]
CloseDay = Annotated[Day, means("when the decision is expected")]
Owner = Annotated[Person, means("who of us is responsible for it, by id")]
DealAmount = Annotated[Amount, means("what it is worth, without tax")]
Total = Annotated[Amount, means("what the customer is to pay, tax and shipping included")]


class LeadQualified(Touchpoint, phase=Phase.SALE):
    """Someone who showed interest was found to be worth a salesperson's time."""

    score: Annotated[Score | None, means("the lead's score, in the company's own scale")] = None
    criteria: Annotated[Values | None, means("what it was judged by, and the findings")] = None
    lead_source: Annotated[Label | None, means("where the lead came from")] = None
    owner: Owner | None = None


class LeadDisqualified(Touchpoint, phase=Phase.SALE):
    """Someone who showed interest turned out not to be a possible customer for now."""

    reason: Reason


class OpportunityOpened(Touchpoint, phase=Phase.SALE):
    """A chance to sell something definite came up: the customer asked, or we saw the need."""

    opportunity: OpportunityId
    product: Product | None = None
    amount: DealAmount | None = None
    urgency: Annotated[Label | None, means("how pressing it is for the customer")] = None
    expected_close: CloseDay | None = None
    origin: Annotated[Literal["inbound", "mined"] | None, means("whether the customer came, or our data showed it")] = (
        None
    )
    lead_source: Annotated[Label | None, means("where the lead came from, such as paid_search")] = None
    stage: Stage | None = None
    owner: Owner | None = None


class OpportunityChanged(Touchpoint, phase=Phase.SALE):
    """What we know or expect of an opportunity changed; its stage did not. Fields left out stay as they were."""

    opportunity: OpportunityId
    amount: DealAmount | None = None
    expected_close: CloseDay | None = None
    probability: Annotated[Probability | None, means("how likely it is to be won, from 0 to 1")] = None
    owner: Owner | None = None


class OpportunityStageChanged(Touchpoint, phase=Phase.SALE):
    """The customer came a step nearer to a decision, or went a step back."""

    opportunity: OpportunityId
    from_stage: Annotated[Stage, means("the stage it left", stored_as="from")]
    to_stage: Annotated[Stage, means("the stage it reached", stored_as="to")]


class OpportunityWon(Touchpoint, phase=Phase.SALE):
    """The customer decided for us."""

    opportunity: OpportunityId
    reason: Reason | None = None
    amount: DealAmount | None = None


class OpportunityLost(Touchpoint, phase=Phase.SALE):
    """The customer decided against us, or stopped answering."""

    opportunity: OpportunityId
    stage: Annotated[Stage | None, means("the stage it was lost in")] = None
    reason: Reason | None = None
    competitor: Annotated[Label | None, means("who won it instead")] = None
    dissatisfaction: Annotated[Label | None, means("what the customer disliked about us or the product")] = None


class OpportunityReopened(Touchpoint, phase=Phase.SALE):
    """A customer whose decision seemed final began to talk again."""

    opportunity: OpportunityId
    reason: Reason | None = None


class QuoteRequested(Touchpoint, phase=Phase.SALE):
    """The customer asked what it would cost."""

    quote: QuoteId | None = None
    lines: Lines = ()


class QuoteIssued(Touchpoint, phase=Phase.SALE):
    """We made the customer a binding offer that holds until a day."""

    quote: QuoteId
    opportunity: OpportunityId | None = None
    lines: Lines = ()
    total: Total
    valid_until: Annotated[Day, means("the last day on which it can be accepted")]

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        one_currency(self.lines, self.total)
        return self


class QuoteAccepted(Touchpoint, phase=Phase.SALE):
    """The customer said yes to a quote."""

    quote: QuoteId


class QuoteDeclined(Touchpoint, phase=Phase.SALE):
    """The customer said no to a quote."""

    quote: QuoteId
    reason: Reason | None = None
    remark: Annotated[PersonalText | None, means("what the customer said, in their words")] = None


class CartUpdated(Touchpoint, phase=Phase.SALE):
    """The customer put something into a cart, took it out, or changed how many; lines are the cart as it is now."""

    cart: CartId
    lines: Lines = ()

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        one_currency(self.lines)
        return self


class CheckoutStarted(Touchpoint, phase=Phase.SALE):
    """The customer went to the till with a cart."""

    cart: CartId
    total: Total | None = None
