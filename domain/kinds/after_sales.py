"""Phase 8, after-sales: opinions, returns, loyalty, leaving and coming back. These names are the storage format."""

from typing import Annotated, Literal

from domain.fields import Items, Person, PersonalText, Product, Reason, Score, Whole, means
from domain.identifiers import AssetId, Id, OrderId
from domain.money import Amount
from domain.touchpoint import Label, Phase, Touchpoint


class SurveyAnswered(Touchpoint, phase=Phase.AFTER_SALES):
    """The customer told us how satisfied they are, in answer to a question."""

    survey: Annotated[Id | None, means("the survey, if it was part of one")] = None
    question: Annotated[Label, means("the question answered")]
    metric: Annotated[Literal["nps", "csat", "ces"] | None, means("the measure that the answer counts for")] = None
    score: Annotated[Score | None, means("the answer as a number, within the scale")] = None
    scale: Annotated[Label | None, means("the lowest and highest answer, such as 0-10")] = None
    text: Annotated[PersonalText | None, means("the answer in the customer's words")] = None
    product: Product | None = None
    manager: Annotated[Person | None, means("who of us served the customer, by id")] = None


class FeedbackGiven(Touchpoint, phase=Phase.AFTER_SALES):
    """The customer said, unasked, what is good or bad about a product; development should hear it."""

    product: Product | None = None
    topic: Annotated[Label | None, means("what it is about, in a word that can be counted")] = None
    opinion: Annotated[PersonalText, means("what the customer thinks, in their words")]
    sentiment: Annotated[Literal["positive", "neutral", "negative"] | None, means("how it was meant")] = None


class ReferralMade(Touchpoint, phase=Phase.AFTER_SALES):
    """The customer brought someone else to us."""

    referred: Annotated[Id, means("the one who was brought, by subject id")]


class ReturnReceived(Touchpoint, phase=Phase.AFTER_SALES):
    """Goods came back from the customer."""

    order: OrderId | None = None
    lines: Items
    reason: Reason | None = None
    value: Annotated[Amount | None, means("their monetary value, without tax and shipping")] = None


class RefundIssued(Touchpoint, phase=Phase.AFTER_SALES):
    """We gave the customer money back."""

    order: OrderId | None = None
    amount: Annotated[Amount, means("what was given back, tax included")]
    reason: Reason | None = None


class LoyaltyPointsPosted(Touchpoint, phase=Phase.AFTER_SALES):
    """The customer earned or spent points, or lost them."""

    delta: Annotated[Whole, means("by how many points the balance rose, or fell where negative")]
    reason: Annotated[Literal["earn", "redeem", "reverse", "expire"], means("what moved the balance")]
    cause: Annotated[Id | None, means("the id of the touchpoint, or of the order, that it rests on")] = None


class AssetRegistered(Touchpoint, phase=Phase.AFTER_SALES):
    """We learnt of a product that the customer has in use, ours or a competitor's."""

    asset: AssetId
    product: Product
    vendor: Annotated[Label | None, means("who made it; us where unset")] = None
    order: OrderId | None = None
    serial_number: Annotated[Label | None, means("its serial number")] = None


class AssetRetired(Touchpoint, phase=Phase.AFTER_SALES):
    """The customer stopped using a product."""

    asset: AssetId
    reason: Reason | None = None


class PartnerRegistered(Touchpoint, phase=Phase.AFTER_SALES):
    """Someone began to sell for us, or to bring us together with customers."""

    partner: Annotated[Id, means("the partner, by subject id")]
    role: Annotated[Literal["agent", "reseller", "intermediary"], means("what the partner does")]


class CommissionBooked(Touchpoint, phase=Phase.AFTER_SALES):
    """A partner earned a share of what they helped to sell."""

    partner: Annotated[Id, means("the partner, by subject id")]
    amount: Annotated[Amount, means("what was earned")]
    cause: Annotated[Id | None, means("the order or contract it was earned with")] = None


class CustomerChurned(Touchpoint, phase=Phase.AFTER_SALES):
    """We came to know that the customer had left us."""

    where: Annotated[Label | None, means("where they went, or where in the circle we lost them")] = None
    how: Annotated[Label | None, means("how they left: in silence, by notice, after a quarrel")] = None
    why: Annotated[Label | None, means("what drove them away")] = None


class CustomerWonBack(Touchpoint, phase=Phase.AFTER_SALES):
    """A customer who had left came back."""

    campaign: Annotated[Id | None, means("the campaign that brought them back")] = None
    reason: Reason | None = None
