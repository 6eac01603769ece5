"""Phase 1, analysis: what we know of customers, goals and the market. These names are the storage format."""

from typing import Annotated, Literal

from domain.fields import Day, Person, Product, Score, means
from domain.identifiers import GoalId
from domain.money import Amount, Currency, Rate
from domain.touchpoint import Label, Phase, Text, Touchpoint


class SegmentAssigned(Touchpoint, phase=Phase.ANALYSIS):
    """The customer was found to belong to a group of customers who are alike."""

    segment: Annotated[Label, means("the group")]
    rule_version: Annotated[Label | None, means("the version of the rule that put them there")] = None


class CustomerValueAssessed(Touchpoint, phase=Phase.ANALYSIS):
    """What the customer gains from us was estimated: utility, brand and relation, less what it costs them."""

    model: Annotated[Label, means("the model used, with its version")]
    utility: Annotated[Rate, means("the product's use to the customer, in the model's points")]
    brand: Annotated[Rate, means("what the brand is worth to the customer, in the same points")]
    relation: Annotated[Rate, means("what the relation to us is worth to the customer, in the same points")]
    product_cost: Annotated[Rate, means("what the product costs the customer, in the same points")]
    time_cost: Annotated[Rate, means("what time and effort cost the customer, in the same points")]


class RiskAssessed(Touchpoint, phase=Phase.ANALYSIS):
    """It was estimated how likely the customer is not to pay, or to leave."""

    risk: Annotated[Literal["credit", "churn"], means("the risk of what", stored_as="kind")]
    score: Annotated[Score, means("the score, in the scale of its source")]
    source: Annotated[Label | None, means("who or what assessed it")] = None


class RecommendationIssued(Touchpoint, phase=Phase.ANALYSIS):
    """It was worked out what to offer the customer next."""

    recommendation: Annotated[
        Literal["cross-sell", "up-sell", "repeat", "discount", "reminder"], means("what is advised", stored_as="kind")
    ]
    product: Product | None = None
    basis: Annotated[Label | None, means("what it rests on")] = None


class GoalSet(Touchpoint, phase=Phase.ANALYSIS):
    """We resolved to reach something by a day, such as a quarter less churn by June."""

    goal: GoalId
    indicator: Annotated[
        Label | None, means("what it is measured by: a column of a view or question, such as funnel_total.rate")
    ] = None
    baseline: Annotated[Rate | None, means("where the indicator stood at the beginning; measured where unset")] = None
    since: Annotated[Day | None, means("the day whose end is the beginning; the day it was set where unset")] = None
    target: Annotated[Rate | None, means("where it is to be")] = None
    change: Annotated[
        Rate | None, means("by which share of the baseline it is to change, such as -0.25, where no target is stated")
    ] = None
    due: Annotated[Day | None, means("the day it is to be reached by")] = None
    owner: Annotated[Person | None, means("who of us is responsible for it, by id")] = None


class MarketObservationReported(Touchpoint, phase=Phase.ANALYSIS):
    """One of us noticed what a competitor does."""

    vendor: Annotated[Label, means("the competitor")]
    product: Annotated[Product | None, means("the competitor's product")] = None
    price: Annotated[Amount | None, means("what it costs there")] = None
    functions: Annotated[Text | None, means("what the product can do")] = None
    strengths: Annotated[Text | None, means("what is better there")] = None
    weaknesses: Annotated[Text | None, means("what is worse there")] = None
    strategy: Annotated[Text | None, means("what the competitor seems to be after")] = None
    countermeasure: Annotated[Text | None, means("what we could do about it")] = None


class FxRateSet(Touchpoint, phase=Phase.ANALYSIS):
    """The rate was set at which one currency counts as another on a day."""

    from_currency: Annotated[Currency, means("the currency converted", stored_as="from")]
    to_currency: Annotated[Currency, means("the currency it becomes", stored_as="to")]
    rate: Annotated[Rate, means("how many units of the second one unit of the first is")]
    day: Annotated[Day, means("the day it holds for")]
