"""Recommendations: what was advised to offer a customer next, what we did about it, and whether it was taken up."""

from collections.abc import Hashable, Iterable
from typing import Annotated, Any, NamedTuple

from domain.company import days_between
from domain.touchpoint import Fact
from projections.view import Question, Row, View

_OFFERS = frozenset({"MessageSent", "ContactMade", "PresentationDelivered", "QuoteIssued", "DiscountApplied"})
"""What we do about a recommendation."""
_WOOING = frozenset({"promotion", "gift", "reminder"})
"""The purposes of messages that carry an offer."""
_ABOUT_ANYTHING = frozenset({"MessageSent", "ContactMade"})
_KINDS = _OFFERS | {"RecommendationIssued", "OrderPlaced", "OrderCancelled"}


class RecommendationRow(NamedTuple):
    """One recommendation, and what followed it."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    stream: Annotated[str, "the subject that the recommendation is stored under"]
    version: Annotated[int, "its place in that stream, from 1"]
    advice: Annotated[str, "cross-sell, up-sell, repeat, discount or reminder"]
    product: Annotated[str | None, "the product to offer; null for any"]
    basis: Annotated[str | None, "what it rests on"]
    actor: Annotated[str | None, "who or what worked it out, as claimed"]
    at: Annotated[int, "when it was issued, microseconds since 1970 UTC"]
    day: Annotated[str, "the same as a day, in the company's zone"]
    status: Annotated[str, "open, taken up, or replaced by a newer one of the same advice and product"]
    acted_at: Annotated[
        int | None,
        "when we first acted on it, microseconds since 1970 UTC: a discount given where one was due, else a promotion, "
        "gift, reminder or contact, or a presentation or quote of its product",
    ]
    acted_by: Annotated[str | None, "the kind of touchpoint by which we did"]
    taken_up_at: Annotated[
        int | None,
        "when the customer first ordered its product (its sku or category), or anything where it names none, "
        "microseconds since 1970 UTC; an order that is wholly cancelled before the next one takes up nothing",
    ]
    taken_up_day: Annotated[str | None, "the same as a day, in the company's zone"]
    order_id: Annotated[str | None, "the order that took it up"]
    days_to_take_up: Annotated[int | None, "calendar days from the recommendation to that order"]


class Recommendation:
    """What is known of one recommendation."""

    __slots__ = ("acted", "issued", "ordered", "replaced")

    def __init__(self, issued: Fact) -> None:
        self.issued = issued
        self.acted: Fact | None = None
        self.ordered: Fact | None = None
        self.replaced = False


class Advice:
    """The recommendations of one subject by (stream, version).

    `standing` are those that neither were taken up nor replaced, by advice and product; `taken` those that an order
    took up, by its id.
    """

    __slots__ = ("given", "standing", "subject", "taken")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.given: dict[Hashable, Recommendation] = {}
        self.standing: dict[tuple[str, str | None], Hashable] = {}
        self.taken: dict[str, list[Hashable]] = {}


class Recommendations(View[Advice]):
    """The recommendations for every customer."""

    name = "recommendations"
    comment = "Recommendations: discount due, reminder or next offer, and whether it was taken up, one row each."
    row_type = RecommendationRow
    key = ("stream", "version")
    kinds = _KINDS
    questions = (
        Question(
            name="open_recommendations",
            comment="What to offer whom: discounts due, reminders and next offers that wait, the oldest first.",
            columns={
                "subject": "the customer",
                "advice": "cross-sell, up-sell, repeat, discount or reminder",
                "product": "the product to offer; null for any",
                "basis": "what it rests on",
                "day": "day on which it was issued, in the company's zone",
                "acted": "1 when we acted on it since, else 0",
            },
            sql="""
                SELECT subject, advice, product, basis, day, CASE WHEN acted_at IS NULL THEN 0 ELSE 1 END AS acted
                FROM recommendations
                WHERE status = 'open'
                ORDER BY at, subject, stream, version
            """,
        ),
        Question(
            name="recommendation_uptake",
            comment="What came of recommendations, by advice, product and basis.",
            columns={
                "advice": "cross-sell, up-sell, repeat, discount or reminder",
                "product": "the product to offer; null for any",
                "basis": "what they rest on; null where nothing was said",
                "issued": "number of recommendations",
                "open": "of these still open",
                "replaced": "of these replaced by newer ones",
                "acted": "of these acted on by us",
                "taken_up": "of these taken up by the customer",
                "uptake": "share of those not replaced that were taken up, 0 to 1; null where all were replaced",
                "mean_days": "mean calendar days from recommendation to order",
            },
            sql="""
                SELECT advice, product, basis, COUNT(*) AS issued,
                       COUNT(*) FILTER (WHERE status = 'open') AS open,
                       COUNT(*) FILTER (WHERE status = 'replaced') AS replaced,
                       COUNT(acted_at) AS acted,
                       COUNT(*) FILTER (WHERE status = 'taken up') AS taken_up,
                       CAST(COUNT(*) FILTER (WHERE status = 'taken up') AS DOUBLE PRECISION)
                           / NULLIF(COUNT(*) FILTER (WHERE status <> 'replaced'), 0) AS uptake,
                       AVG(CAST(days_to_take_up AS DOUBLE PRECISION)) AS mean_days
                FROM recommendations
                GROUP BY advice, product, basis
                ORDER BY issued DESC, advice, product NULLS LAST, basis NULLS LAST
            """,
        ),
        Question(
            name="next_offers",
            comment="What each customer might buy next: products that they never ordered and that go with one they "
            "bought (see product_affinity; of each product the 10 that go with it most often beyond chance), each with "
            "the product that speaks for it most.",
            columns={
                "subject": "the customer",
                "offer_sku": "the product to offer",
                "sku": "the product they bought that it goes with",
                "order_id": "their last order of that",
                "upsell": "1 where the offer is a dearer product of the same category, else 0",
                "customers_both": "customers who bought both",
                "support": "these, by all customers who bought anything, 0 to 1",
                "confidence": "these, by the customers of the product bought, 0 to 1",
                "lift": "confidence, by the share of all who bought the offer; only above 1",
            },
            sql="""
                WITH paired AS (
                    SELECT sku, other_sku, CASE WHEN same_category = 1 AND dearer > 1 THEN 1 ELSE 0 END AS upsell,
                           customers_both, support, confidence, lift,
                           ROW_NUMBER() OVER (PARTITION BY sku ORDER BY support * (1 - 1 / lift) DESC, other_sku)
                               AS place
                    FROM product_affinity
                    WHERE lift > 1
                ),
                ranked AS MATERIALIZED (
                    SELECT paired.*,
                           ROW_NUMBER() OVER (ORDER BY lift DESC, customers_both DESC, sku, other_sku) AS strength
                    FROM paired
                    WHERE place <= 10
                ),
                concerned AS MATERIALIZED (
                    SELECT sku, ROW_NUMBER() OVER (ORDER BY sku) AS number
                    FROM (SELECT sku FROM ranked UNION SELECT other_sku FROM ranked) AS named
                ),
                offers AS MATERIALIZED (
                    SELECT ranked.*, this.number, other.number AS other_number
                    FROM ranked
                    JOIN concerned AS this ON this.sku = ranked.sku
                    JOIN concerned AS other ON other.sku = ranked.other_sku
                ),
                had AS MATERIALIZED (
                    SELECT subject, number, DENSE_RANK() OVER (ORDER BY subject) AS customer,
                           MAX(CASE WHEN order_id IS NOT NULL AND quantity_micros > cancelled_quantity_micros
                                    THEN day || order_id END) AS last
                    FROM order_lines
                    JOIN concerned ON concerned.sku = order_lines.sku
                    GROUP BY subject, number
                ),
                strongest AS MATERIALIZED (
                    SELECT place, MIN(strength) AS strength
                    FROM (
                        SELECT customer * 1000 + other_number AS place, strength
                        FROM offers
                        CROSS JOIN had
                        WHERE had.number = offers.number AND last IS NOT NULL
                        UNION ALL
                        SELECT customer * 1000 + number, 0 FROM had
                    ) AS possible
                    GROUP BY place
                    HAVING MIN(strength) > 0
                )
                SELECT subject, other_sku AS offer_sku, sku, substr(last, 11) AS order_id,
                       upsell, customers_both, support, confidence, lift
                FROM strongest
                CROSS JOIN offers
                CROSS JOIN had
                WHERE offers.strength = strongest.strength
                      AND had.customer = strongest.place / 1000 AND had.number = offers.number
                ORDER BY customer, offers.strength
            """,
        ),
    )

    def initial(self, subject: str) -> Advice:
        """A customer to whom nothing is to be offered."""
        return Advice(subject)

    def evolve(self, state: Advice, fact: Fact) -> tuple[Advice, Iterable[Hashable]]:
        """Issue a recommendation, act on one, or take one up."""
        if fact.kind not in _KINDS:
            return state, ()
        if fact.kind == "RecommendationIssued":
            return state, _issue(state, fact)
        if fact.kind == "OrderCancelled":
            return state, () if fact.data.get("lines") else _reopen(state, fact.data["order"])
        if not state.standing:
            return state, ()
        goods = _goods(fact.data)
        return state, (_take_up if fact.kind == "OrderPlaced" else _act)(state, fact, goods)

    def row(self, state: Advice, key: Hashable) -> Row | None:
        """The recommendation of this stream and version."""
        given = state.given.get(key)
        if given is None:
            return None
        issued, acted, ordered, day = given.issued, given.acted, given.ordered, self.company.day
        ordered_day = day(ordered) if ordered else None
        return RecommendationRow(
            state.subject,
            issued.stream,
            issued.version,
            issued.data["kind"],
            issued.data.get("product"),
            issued.data.get("basis"),
            issued.envelope.get("actor"),
            issued.at,
            day(issued),
            "taken up" if ordered else "replaced" if given.replaced else "open",
            acted.at if acted else None,
            acted.kind if acted else None,
            ordered.at if ordered else None,
            ordered_day,
            ordered.data["order"] if ordered else None,
            days_between(day(issued), ordered_day) if ordered_day else None,
        )


def _issue(state: Advice, fact: Fact) -> tuple[Hashable, ...]:
    key, offer = (fact.stream, fact.version), (fact.data["kind"], fact.data.get("product"))
    before = state.standing.get(offer)
    state.given[key], state.standing[offer] = Recommendation(fact), key
    if before is None:
        return (key,)
    state.given[before].replaced = True
    return before, key


def _act(state: Advice, fact: Fact, goods: set[str]) -> list[Hashable]:
    """Note that we acted on what stands, unless this is about something else."""
    if fact.kind == "MessageSent" and fact.data["purpose"] not in _WOOING:
        return []
    changed: list[Hashable] = []
    for (advice, product), key in state.standing.items():
        given = state.given[key]
        fits = (
            advice == "discount"
            if fact.kind == "DiscountApplied"
            else fact.kind in _ABOUT_ANYTHING or product is None or product in goods
        )
        if given.acted is None and fits:
            given.acted = fact
            changed.append(key)
    return changed


def _take_up(state: Advice, fact: Fact, goods: set[str]) -> list[Hashable]:
    """Let an order take up all that it is about."""
    taken = [offer for offer in state.standing if offer[1] is None or offer[1] in goods]
    keys = [state.standing.pop(offer) for offer in taken]
    for key in keys:
        state.given[key].ordered = fact
    if keys:
        state.taken.setdefault(fact.data["order"], []).extend(keys)
    return keys


def _reopen(state: Advice, order: str) -> list[Hashable]:
    """Let what an order took up stand again, for it was called off; what was advised anew meanwhile replaces it."""
    keys = state.taken.pop(order, [])
    for key in keys:
        given = state.given[key]
        given.ordered = None
        offer = (given.issued.data["kind"], given.issued.data.get("product"))
        given.replaced = state.standing.setdefault(offer, key) != key
    return keys


def _goods(data: dict[str, Any]) -> set[str]:
    """What an order, quote or presentation is about: products, stock keeping units and categories."""
    named = {data["product"]} if "product" in data else set[str]()
    for line in data.get("lines", ()):
        named.update(line[field] for field in ("sku", "category") if field in line)
    return named
