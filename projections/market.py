"""The market: what competitors offer at which price, what they are after, and what we could do about it."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View


class MarketRow(NamedTuple):
    """One observation of a competitor."""

    subject: Annotated[str, "the company or customer with whom it was made; after a merge the survivor"]
    stream: Annotated[str, "the subject that the observation is stored under"]
    version: Annotated[int, "its place in that stream, from 1"]
    at: Annotated[int, "when it was made, microseconds since 1970 UTC"]
    day: Annotated[str, "the same as a day, in the company's zone"]
    observer: Annotated[str | None, "who made it, as claimed"]
    vendor: Annotated[str, "the competitor"]
    product: Annotated[str | None, "the competitor's product; null for the competitor as a whole"]
    price_micros: Annotated[int | None, "what the product costs there, in millionths of the currency"]
    currency: Annotated[str | None, "the ISO 4217 currency of the price"]
    functions: Annotated[str | None, "what the product can do"]
    strengths: Annotated[str | None, "what is better there"]
    weaknesses: Annotated[str | None, "what is worse there"]
    strategy: Annotated[str | None, "what the competitor seems to be after"]
    countermeasure: Annotated[str | None, "what we could do about it"]


class Market(View[tuple[str, dict[Hashable, Fact]]]):
    """All observations of competitors."""

    name = "market"
    comment = "Market: observations of competitors, their products and prices, and countermeasures, one row each."
    row_type = MarketRow
    key = ("stream", "version")
    kinds = frozenset({"MarketObservationReported"})
    questions = (
        Question(
            name="market_prices",
            comment="What competitors' products cost, now and before; currencies are kept apart.",
            columns={
                "vendor": "the competitor",
                "product": "the competitor's product; null where none was named",
                "currency": "the ISO 4217 currency of the prices",
                "observations": "number of observations with a price",
                "first_day": "day of the first of them",
                "first_price_micros": "price on that day, in millionths of the currency",
                "last_day": "day of the last of them",
                "last_price_micros": "price on that day, in millionths of the currency",
                "lowest_price_micros": "lowest price seen, in millionths of the currency",
                "highest_price_micros": "highest price seen, in millionths of the currency",
                "change": "change from the first price to the last, as a share of the first; null where that is 0",
            },
            sql="""
                WITH priced AS (
                    SELECT vendor, product, currency, day, price_micros,
                           ROW_NUMBER() OVER (PARTITION BY vendor, product, currency
                                              ORDER BY at, stream, version) AS place,
                           COUNT(*) OVER (PARTITION BY vendor, product, currency) AS places
                    FROM market
                    WHERE price_micros IS NOT NULL
                ),
                ends AS (
                    SELECT vendor, product, currency, COUNT(*) AS observations,
                           MAX(CASE WHEN place = 1 THEN day END) AS first_day,
                           MAX(CASE WHEN place = 1 THEN price_micros END) AS first_price_micros,
                           MAX(CASE WHEN place = places THEN day END) AS last_day,
                           MAX(CASE WHEN place = places THEN price_micros END) AS last_price_micros,
                           MIN(price_micros) AS lowest_price_micros, MAX(price_micros) AS highest_price_micros
                    FROM priced
                    GROUP BY vendor, product, currency
                )
                SELECT ends.*, CAST(last_price_micros - first_price_micros AS DOUBLE PRECISION)
                               / NULLIF(first_price_micros, 0) AS change
                FROM ends
                ORDER BY vendor, product NULLS FIRST, currency
            """,
        ),
        Question(
            name="countermeasures",
            comment="What we could do about competitors, and why, the latest observation first.",
            columns={
                "vendor": "the competitor",
                "product": "the competitor's product; null for the competitor as a whole",
                "day": "day of the observation, in the company's zone",
                "observer": "who made it",
                "strategy": "what the competitor seems to be after",
                "strengths": "what is better there",
                "weaknesses": "what is worse there",
                "countermeasure": "what we could do about it",
            },
            sql="""
                SELECT vendor, product, day, observer, strategy, strengths, weaknesses, countermeasure
                FROM market
                WHERE countermeasure IS NOT NULL
                ORDER BY at DESC, vendor, product NULLS FIRST
            """,
        ),
        Question(
            name="competitors",
            comment="Each competitor from all sides: what was observed of it, which deals it won from us, and which of "
            "its products our customers use.",
            columns={
                "vendor": "the competitor",
                "observations": "number of observations of it",
                "products": "number of its products that were observed",
                "last_day": "day of the last observation; null without any",
                "countermeasures": "observations that say what we could do about it",
                "deals_lost": "number of deals that it won from us",
                "share_of_losses": "share of these among all deals that we lost to somebody named, 0 to 1",
                "in_use": "pieces of its products in use at our customers",
                "customers": "number of customers who use one of them",
            },
            sql="""
                WITH seen AS (
                    SELECT vendor, COUNT(*) AS observations, COUNT(DISTINCT product) AS products,
                           MAX(day) AS last_day, COUNT(countermeasure) AS countermeasures
                    FROM market
                    GROUP BY vendor
                ),
                lost AS (
                    SELECT lost_competitor AS vendor, COUNT(*) AS deals,
                           CAST(COUNT(*) AS DOUBLE PRECISION) / SUM(COUNT(*)) OVER () AS share
                    FROM opportunities
                    WHERE lost_competitor IS NOT NULL
                    GROUP BY lost_competitor
                ),
                used AS (
                    SELECT vendor, COUNT(*) AS pieces, COUNT(DISTINCT subject) AS customers
                    FROM assets
                    WHERE ours = 0 AND status = 'in use'
                    GROUP BY vendor
                ),
                named AS (
                    SELECT vendor FROM seen
                    UNION SELECT vendor FROM lost
                    UNION SELECT vendor FROM used
                )
                SELECT named.vendor, COALESCE(observations, 0) AS observations, COALESCE(products, 0) AS products,
                       last_day, COALESCE(countermeasures, 0) AS countermeasures, COALESCE(deals, 0) AS deals_lost,
                       COALESCE(share, 0.0) AS share_of_losses, COALESCE(pieces, 0) AS in_use,
                       COALESCE(used.customers, 0) AS customers
                FROM named
                LEFT JOIN seen ON seen.vendor = named.vendor
                LEFT JOIN lost ON lost.vendor = named.vendor
                LEFT JOIN used ON used.vendor = named.vendor
                ORDER BY deals_lost DESC, named.vendor
            """,
        ),
    )

    def initial(self, subject: str) -> tuple[str, dict[Hashable, Fact]]:
        """Nothing was observed."""
        return subject, {}

    def evolve(
        self, state: tuple[str, dict[Hashable, Fact]], fact: Fact
    ) -> tuple[tuple[str, dict[Hashable, Fact]], Iterable[Hashable]]:
        """Add an observation."""
        if fact.kind != "MarketObservationReported":
            return state, ()
        key = (fact.stream, fact.version)
        state[1][key] = fact
        return state, (key,)

    def row(self, state: tuple[str, dict[Hashable, Fact]], key: Hashable) -> Row | None:
        """The observation of this stream and version."""
        subject, seen = state
        fact = seen.get(key)
        if fact is None:
            return None
        data = fact.data
        price = data.get("price")
        return MarketRow(
            subject,
            fact.stream,
            fact.version,
            fact.at,
            self.company.day(fact),
            fact.envelope.get("actor"),
            data["vendor"],
            data.get("product"),
            price["micros"] if price else None,
            price["currency"] if price else None,
            *map(data.get, ("functions", "strengths", "weaknesses", "strategy", "countermeasure")),
        )
