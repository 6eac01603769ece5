"""Customers: who each one is to us: what party, at which stage, in which segment, of what benefit and at what risk."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.company import day_number
from domain.money import MICROS, quantity_micros
from domain.touchpoint import Fact
from projections.contacts import NO_CONTACT
from projections.view import Question, Row, View, bounded

STAGES = ("visitor", "prospect", "lead", "opportunity", "customer")
"""How far somebody has come, in this order; then there are disqualified and churned."""

_LEADS_TO = {
    **dict.fromkeys(("CustomerRegistered", "FormSubmitted", "InquiryReceived", "ContactMade", "IdentifierLinked"), 1),
    **dict.fromkeys(("CustomerIdentified", "EventAttended", "NeedRecorded"), 1),
    "LeadQualified": 2,
    **dict.fromkeys(("OpportunityOpened", "OpportunityReopened", "QuoteRequested", "QuoteIssued"), 3),
    **dict.fromkeys(("OpportunityWon", "QuoteAccepted", "OrderPlaced", "ContractSigned", "SubscriptionStarted"), 4),
}
_TURNS = frozenset({"LeadDisqualified", "CustomerChurned", "CustomerWonBack"})
_TOLD = frozenset(
    {
        "CustomerRegistered",
        "SegmentAssigned",
        "CustomerValueAssessed",
        "RiskAssessed",
        "ProcessingRestricted",
        "ProcessingRestrictionLifted",
        "LegalHoldPlaced",
        "LegalHoldLifted",
        "PersonalDataErased",
    }
)


class CustomerRow(NamedTuple):
    """One customer as they are known."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    party: Annotated[str | None, "person or organisation; null while unnamed"]
    name: Annotated[str | None, "the full name as registered last, sealed"]
    language: Annotated[str | None, "the language they want, as registered"]
    stage: Annotated[
        str,
        "the furthest reached of visitor, prospect (we know of each other), lead (qualified), opportunity, customer "
        "(agreed to something); disqualified after a lead was turned down; churned until won back",
    ]
    stage_day: Annotated[str, "day on which the stage was reached, in the company's zone"]
    segment: Annotated[str | None, "the group of customers they were last assigned to"]
    segment_day: Annotated[str | None, "day of that, in the company's zone"]
    segment_rule: Annotated[str | None, "the version of the rule that put them there"]
    value_model: Annotated[str | None, "the model by which their benefit was last assessed"]
    value_day: Annotated[str | None, "day of that, in the company's zone"]
    utility: Annotated[float | None, "u: the product's use to the customer, in the model's points"]
    brand: Annotated[float | None, "b: what the brand is worth to them, in the same points"]
    relation: Annotated[float | None, "r: what the relation to us is worth to them, in the same points"]
    product_cost: Annotated[float | None, "c: what the product costs them, in the same points"]
    time_cost: Annotated[float | None, "t: what time and effort cost them, in the same points"]
    benefit: Annotated[float | None, "u + b + r - c - t: what they gain from us, in the same points"]
    credit_risk: Annotated[float | None, "the last score of the risk that they do not pay, in its source's scale"]
    credit_risk_day: Annotated[str | None, "day of that, in the company's zone"]
    churn_risk: Annotated[float | None, "the last score of the risk that they leave, in its source's scale"]
    churn_risk_day: Annotated[str | None, "day of that, in the company's zone"]
    restricted: Annotated[int, "1 while the use of their data is restricted, else 0"]
    legal_holds: Annotated[int, "how many legal holds stand on their data"]
    erased_day: Annotated[str | None, "day on which their personal data were erased, in the company's zone"]
    first_at: Annotated[int, "their first touchpoint, microseconds since 1970 UTC"]
    first_day: Annotated[str, "the same as a day, in the company's zone"]
    last_at: Annotated[int, "their last touchpoint, microseconds since 1970 UTC"]
    last_day: Annotated[str, "the same as a day, in the company's zone"]
    last_dayno: Annotated[int, "the same as a day number (1 is 0001-01-01), to subtract"]
    touchpoints: Annotated[int, "number of touchpoints with them"]


class Profile:
    """What is known of one subject: the last fact of each sort, and how far they have come."""

    __slots__ = ("count", "first", "holds", "last", "reached", "restricted", "stage", "subject", "told")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.first: Fact | None = None
        self.last: Fact | None = None
        self.count = 0
        self.reached = 0
        self.stage: tuple[str, Fact] | None = None
        self.told: dict[str, Fact] = {}
        self.restricted = False
        self.holds: set[str] = set()


class Customers(View[Profile]):
    """What is known of every customer."""

    name = "customers"
    comment = "Customers: party, stage, segment, assessed benefit, risk and time of the last touchpoint, one row each."
    row_type = CustomerRow
    key = ("subject",)
    questions = (
        Question(
            name="customers_by_stage",
            comment="How many customers stand at which stage, by party and segment.",
            columns={
                "stage": "visitor, prospect, lead, opportunity, customer, disqualified or churned",
                "party": "person or organisation; null while unnamed",
                "segment": "the group they were last assigned to; null where none was",
                "customers": "number of customers",
                "mean_benefit": "mean of what they gain from us, in the points of the model; null where not assessed",
                "mean_days_since": "mean calendar days from their last touchpoint to the moment",
            },
            sql="""
                SELECT stage, party, segment, COUNT(*) AS customers, AVG(benefit) AS mean_benefit,
                       AVG(CAST(moment.dayno - last_dayno AS DOUBLE PRECISION)) AS mean_days_since
                FROM customers
                CROSS JOIN moment
                GROUP BY stage, party, segment
                ORDER BY customers DESC, stage, party, segment
            """,
        ),
        Question(
            name="sales_potential",
            comment="How much more leads, opportunities and customers could buy: the mean of what those of the same "
            "segment bought in the 365 days before the moment, less what this one did; and what is hoped for already.",
            columns={
                "subject": "the customer",
                "segment": "the group they were last assigned to; null for all who are in none",
                "currency": "the ISO 4217 currency of the amounts",
                "net_micros": "net value of the last 365 days, in millionths of the currency",
                "peers": "customers of the segment who bought in these days",
                "peers_mean_micros": "their mean net value, this customer's included, in millionths",
                "potential_micros": "what is missing to that mean; 0 for who buys more",
                "open_micros": "amount of the customer's open opportunities, in millionths",
                "weighted_micros": "the same, each times its probability, as far as one was stated",
            },
            sql="""
                WITH bought AS (
                    SELECT customers.subject, segment, purchases.currency, SUM(net_micros) AS net_micros
                    FROM customers
                    JOIN purchases ON purchases.subject = customers.subject
                    CROSS JOIN moment
                    WHERE purchases.dayno > moment.dayno - 365 AND purchases.dayno <= moment.dayno
                    GROUP BY customers.subject, segment, purchases.currency
                ),
                peers AS (
                    SELECT segment, currency, COUNT(*) AS peers,
                           CAST(SUM(net_micros) AS BIGINT) / COUNT(*) AS mean_micros
                    FROM bought
                    GROUP BY segment, currency
                ),
                hoped AS (
                    SELECT subject, currency, SUM(amount_micros) AS open_micros, SUM(weighted_micros) AS weighted_micros
                    FROM opportunities
                    WHERE status = 'open' AND currency IS NOT NULL
                    GROUP BY subject, currency
                ),
                told AS (
                    SELECT customers.subject, customers.segment, peers.currency, peers, mean_micros,
                           COALESCE(bought.net_micros, 0) AS net_micros
                    FROM customers
                    JOIN peers ON peers.segment = customers.segment
                         OR (peers.segment IS NULL AND customers.segment IS NULL)
                    LEFT JOIN bought ON bought.subject = customers.subject AND bought.currency = peers.currency
                    WHERE customers.stage IN ('lead', 'opportunity', 'customer')
                )
                SELECT told.subject, segment, told.currency, CAST(net_micros AS BIGINT) AS net_micros, peers,
                       CAST(mean_micros AS BIGINT) AS peers_mean_micros,
                       CAST(CASE WHEN mean_micros > net_micros THEN mean_micros - net_micros ELSE 0 END AS BIGINT)
                           AS potential_micros,
                       CAST(COALESCE(open_micros, 0) AS BIGINT) AS open_micros,
                       CAST(COALESCE(weighted_micros, 0) AS BIGINT) AS weighted_micros
                FROM told
                LEFT JOIN hoped ON hoped.subject = told.subject AND hoped.currency = told.currency
                ORDER BY potential_micros DESC, told.subject
            """,
        ),
        Question(
            name="best_customers",
            comment="What marks the most valuable customers: each characteristic's share among the fifth of greatest "
            "net value, against its share among all who bought; currencies are kept apart.",
            columns={
                "currency": "the ISO 4217 currency of the values",
                "characteristic": "party, segment, an order's channel or payment method, lead source, or a trait",
                "band": "what it is",
                "customers": "customers who bought and have it",
                "best": "of these in the fifth of greatest net value",
                "share_of_all": "customers by all who bought, 0 to 1",
                "share_of_best": "best by all in that fifth, 0 to 1",
                "times_as_often": "the second share by the first: above 1 it marks the best",
                "mean_net_micros": "mean net value of the customers who have it, in millionths, cut off",
            },
            sql="""
                WITH ranked AS (
                    SELECT subject, currency, net_micros,
                           CASE WHEN NTILE(5) OVER (PARTITION BY currency ORDER BY net_micros DESC, subject) = 1
                                THEN 1 ELSE 0 END AS best
                    FROM loyalty
                    WHERE orders > 0
                ),
                sizes AS (
                    SELECT currency, COUNT(*) AS customers, SUM(best) AS best FROM ranked GROUP BY currency
                ),
                told AS (
                    SELECT subject, 'party' AS characteristic, party AS band FROM customers
                    UNION SELECT subject, 'segment', segment FROM customers
                    UNION SELECT subject, 'channel', channel FROM orders
                    UNION SELECT subject, 'payment method', payment_method FROM orders
                    UNION SELECT subject, 'lead source', lead_source FROM opportunities
                    UNION SELECT subject, trait, band FROM traits WHERE band NOT LIKE 'sealed:%' AND band <> '[erased]'
                )
                SELECT ranked.currency, characteristic, band, COUNT(*) AS customers,
                       CAST(SUM(ranked.best) AS BIGINT) AS best,
                       CAST(COUNT(*) AS DOUBLE PRECISION) / sizes.customers AS share_of_all,
                       CAST(SUM(ranked.best) AS DOUBLE PRECISION) / sizes.best AS share_of_best,
                       CAST(SUM(ranked.best) AS DOUBLE PRECISION) * sizes.customers / sizes.best / COUNT(*)
                           AS times_as_often,
                       CAST(SUM(net_micros) AS BIGINT) / COUNT(*) AS mean_net_micros
                FROM ranked
                JOIN told ON told.subject = ranked.subject AND band IS NOT NULL
                JOIN sizes ON sizes.currency = ranked.currency
                GROUP BY ranked.currency, characteristic, band, sizes.customers, sizes.best
                ORDER BY ranked.currency, times_as_often DESC, best DESC, characteristic, band
            """,
        ),
    )

    def initial(self, subject: str) -> Profile:
        """Somebody of whom nothing is known."""
        return Profile(subject)

    def evolve(self, state: Profile, fact: Fact) -> tuple[Profile, Iterable[Hashable]]:
        """Take what tells of the customer; of all else only that it was."""
        kind = fact.kind
        if kind in NO_CONTACT:
            return state, ()
        state.first, state.last, state.count = state.first or fact, fact, state.count + 1
        if kind in _LEADS_TO:
            _come(state, _LEADS_TO[kind], fact)
        elif kind in _TURNS:
            _turn(state, fact)
        if state.stage is None:
            state.stage = (STAGES[0], fact)
        if kind in _TOLD:
            _tell(state, fact)
        return state, (state.subject,)

    def row(self, state: Profile, key: Hashable) -> Row | None:
        """The customer."""
        if state.first is None or state.last is None or state.stage is None or key != state.subject:
            return None
        subject, day, told = state.subject, self.company.day, state.told
        (stage, reached), restricted, legal_holds = state.stage, int(state.restricted), len(state.holds)
        stage_day, first_day, last_day = day(reached), day(state.first), day(state.last)
        first_at, last_at, last_dayno = state.first.at, state.last.at, day_number(last_day)
        touchpoints = bounded(state.count)
        party = name = language = segment = segment_day = segment_rule = value_model = value_day = None
        utility = brand = relation = product_cost = time_cost = benefit = None
        credit_risk = credit_risk_day = churn_risk = churn_risk_day = erased_day = None
        if told:
            if fact := told.get("party"):
                party, name, language = map(fact.data.get, ("party", "name", "language"))
            if fact := told.get("segment"):
                segment, segment_day, segment_rule = fact.data["segment"], day(fact), fact.data.get("rule_version")
            if fact := told.get("value"):
                value_model, value_day = fact.data["model"], day(fact)
                utility, brand, relation, product_cost, time_cost, benefit = _benefit(fact)
            if fact := told.get("credit"):
                credit_risk, credit_risk_day = fact.data["score"], day(fact)
            if fact := told.get("churn"):
                churn_risk, churn_risk_day = fact.data["score"], day(fact)
            if fact := told.get("erased"):
                erased_day = day(fact)
        return (
            subject, party, name, language, stage, stage_day, segment, segment_day, segment_rule, value_model,
            value_day, utility, brand, relation, product_cost, time_cost, benefit, credit_risk, credit_risk_day,
            churn_risk, churn_risk_day, restricted, legal_holds, erased_day, first_at, first_day, last_at, last_day,
            last_dayno, touchpoints,
        )  # fmt: skip


def _come(state: Profile, place: int, fact: Fact) -> None:
    """Come to a stage, unless further already; whoever left does not come back by it, a lead turned down does."""
    before = state.stage[0] if state.stage else ""
    if not before or (before == "disqualified" and place > 1) or (before != "churned" and place > state.reached):
        state.stage = (STAGES[place], fact)
    state.reached = max(state.reached, place)


def _turn(state: Profile, fact: Fact) -> None:
    match fact.kind:
        case "CustomerChurned":
            state.stage = ("churned", fact)
        case "CustomerWonBack":
            state.stage, state.reached = (STAGES[4], fact), 4
        case _ if state.reached <= 2:  # who has come further is turned down as a lead no more
            state.stage = ("disqualified", fact)


def _tell(state: Profile, fact: Fact) -> None:
    match fact.kind:
        case "CustomerRegistered":
            state.told["party"] = fact
        case "SegmentAssigned":
            state.told["segment"] = fact
        case "CustomerValueAssessed":
            state.told["value"] = fact
        case "RiskAssessed":
            state.told[fact.data["kind"]] = fact
        case "PersonalDataErased":
            state.told["erased"] = fact
        case "LegalHoldPlaced":
            state.holds.add(fact.data["hold"])
        case "LegalHoldLifted":
            state.holds.discard(fact.data["hold"])
        case _:
            state.restricted = fact.kind == "ProcessingRestricted"


def _benefit(assessed: Fact) -> tuple[float, ...]:
    """Its parts and what they come to, exact until it is shown."""
    given = ("utility", "brand", "relation", "product_cost", "time_cost")
    utility, brand, relation, product, time = parts = [quantity_micros(assessed.data[each]) for each in given]
    return tuple(micros / MICROS for micros in (*parts, utility + brand + relation - product - time))
