"""Assets: the products that customers have in use, ours and competitors', from their beginning to their end."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.company import day_number
from domain.touchpoint import Fact
from projections.view import Question, Row, View, bounded

_STEPS = frozenset({"AssetRegistered", "AssetRetired", "DowntimeReported", "DowntimeEnded", "FieldVisitPerformed"})


class AssetRow(NamedTuple):
    """One product in use at one customer."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    asset: Annotated[str, "the asset's id"]
    status: Annotated[str, "in use or retired; in use where its registration is not known"]
    product: Annotated[str | None, "the product, as last registered; null where that is not known"]
    vendor: Annotated[str | None, "who made it, as last registered; null for us"]
    ours: Annotated[int | None, "1 for a product of ours, 0 for a competitor's; null where it was never registered"]
    order_id: Annotated[str | None, "the order it came with"]
    registered_at: Annotated[int | None, "when we first learnt of it, microseconds since 1970 UTC"]
    registered_day: Annotated[str | None, "the same as a day, in the company's zone"]
    in_use_since_day: Annotated[str | None, "day since which it is in use now; null when retired"]
    in_use_since_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    retired_at: Annotated[int | None, "when it was last retired, microseconds since 1970 UTC; null while in use"]
    retired_day: Annotated[str | None, "the same as a day, in the company's zone"]
    retired_reason: Annotated[str | None, "why it was retired; null while in use"]
    life_days: Annotated[int, "calendar days in use between each registration and the retirement that followed"]
    registrations: Annotated[int, "how often it was taken into use"]
    downtimes: Annotated[int, "how often it stopped working"]
    downtime_seconds: Annotated[int, "whole seconds that it did not work; a downtime that goes on not counted"]
    down_since_at: Annotated[int | None, "since when it does not work, microseconds since 1970 UTC; null when it does"]
    visits: Annotated[int, "field visits that looked after it"]
    last_visit_day: Annotated[str | None, "day of the last of them, in the company's zone"]


class Asset:
    """What is known of one asset; its times are facts."""

    __slots__ = (
        "down",
        "downtime_us",
        "downtimes",
        "life_days",
        "named",
        "registered",
        "registrations",
        "retired",
        "since",
        "visit",
        "visits",
    )

    def __init__(self) -> None:
        self.named: dict[str, str] = {}
        self.registered: Fact | None = None
        self.since: str | None = None
        self.retired: Fact | None = None
        self.down: Fact | None = None
        self.visit: Fact | None = None
        self.downtimes = self.downtime_us = self.visits = self.registrations = self.life_days = 0

    def take(self, fact: Fact, day: str) -> None:
        """Take the next step of its life."""
        match fact.kind:
            case "AssetRegistered":
                self.registered = self.registered or fact
                self.named = fact.data
                if self.since is None:
                    self.since, self.retired = day, None
                    self.registrations += 1
            case "AssetRetired":
                self.retired = fact
                if self.since:
                    self.life_days += day_number(day) - day_number(self.since)
                self.since = None
            case "DowntimeReported":
                if self.down is None:  # several people may report the same
                    self.down = fact
                    self.downtimes += 1
            case "DowntimeEnded":
                if self.down:
                    self.downtime_us += fact.at - self.down.at
                self.down = None
            case _:
                self.visits += 1
                self.visit = fact


class Assets(View[tuple[str, dict[Hashable, Asset]]]):
    """The products in use at every customer."""

    name = "assets"
    comment = "Assets: products in use, competitors' too, from registration to retirement, with downtime and visits."
    row_type = AssetRow
    key = ("subject", "asset")
    kinds = _STEPS
    questions = (
        Question(
            name="product_life_cycle",
            comment="The life of each product in customers' hands, ours and competitors'; downtime is per piece in use "
            "or retired.",
            columns={
                "product": "the product; null where it was never registered",
                "vendor": "who made it; null for us",
                "assets": "pieces of it that we know of",
                "customers": "number of customers who have or had one",
                "in_use": "of the pieces, those in use now",
                "retired": "of the pieces, those retired",
                "first_day": "day on which we learnt of the first",
                "last_day": "day on which we learnt of the last",
                "mean_days_in_use": "mean calendar days that those in use now have been so, up to the moment",
                "mean_life_days": "mean calendar days in use of those retired",
                "median_life_days": "median calendar days in use of those retired",
                "downtimes": "how often they stopped working, all together",
                "downtime_hours": "hours that they did not work, all together",
                "down_now": "of those in use, pieces that do not work now",
                "visits": "field visits to look after them",
            },
            sql="""
                WITH ranked AS (
                    SELECT assets.*,
                           ROW_NUMBER() OVER (PARTITION BY product, vendor, status ORDER BY life_days) AS place,
                           COUNT(*) OVER (PARTITION BY product, vendor, status) AS places
                    FROM assets
                )
                SELECT product, vendor, COUNT(*) AS assets, COUNT(DISTINCT subject) AS customers,
                       COUNT(*) FILTER (WHERE status = 'in use') AS in_use,
                       COUNT(*) FILTER (WHERE status = 'retired') AS retired,
                       MIN(registered_day) AS first_day, MAX(registered_day) AS last_day,
                       AVG(CAST(moment.dayno - in_use_since_dayno AS DOUBLE PRECISION)) AS mean_days_in_use,
                       AVG(CAST(life_days AS DOUBLE PRECISION)) FILTER (WHERE status = 'retired') AS mean_life_days,
                       AVG(CAST(life_days AS DOUBLE PRECISION))
                           FILTER (WHERE status = 'retired' AND place IN ((places + 1) / 2, (places + 2) / 2))
                           AS median_life_days,
                       CAST(SUM(downtimes) AS BIGINT) AS downtimes,
                       SUM(CAST(downtime_seconds AS DOUBLE PRECISION)) / 3600 AS downtime_hours,
                       COUNT(*) FILTER (WHERE status = 'in use' AND down_since_at IS NOT NULL) AS down_now,
                       CAST(SUM(visits) AS BIGINT) AS visits
                FROM ranked
                CROSS JOIN moment
                GROUP BY product, vendor
                ORDER BY assets DESC, product NULLS LAST, vendor NULLS FIRST
            """,
        ),
        Question(
            name="retirements",
            comment="Why customers stop using a product, and after how long.",
            columns={
                "product": "the product; null where it was never registered",
                "vendor": "who made it; null for us",
                "reason": "why; null where that was not said",
                "retired": "pieces retired for it",
                "mean_life_days": "mean calendar days that they were in use",
            },
            sql="""
                SELECT product, vendor, retired_reason AS reason, COUNT(*) AS retired,
                       AVG(CAST(life_days AS DOUBLE PRECISION)) AS mean_life_days
                FROM assets
                WHERE status = 'retired'
                GROUP BY product, vendor, retired_reason
                ORDER BY retired DESC, product NULLS LAST, vendor NULLS FIRST, reason NULLS LAST
            """,
        ),
        Question(
            name="product_development",
            comment="What development should know of each product of ours, in one row: how long it stays in use, how "
            "often it fails, what customers think of it and what they complain about.",
            columns={
                "product": "the product",
                "in_use": "pieces of it in use now",
                "retired": "pieces retired",
                "mean_life_days": "mean calendar days in use of those retired",
                "downtimes": "how often pieces stopped working",
                "downtime_hours": "hours that they did not work, all together",
                "tickets": "tickets about it",
                "praise": "opinions meant well",
                "blame": "opinions meant ill, complaints and grounds of lost deals among them",
                "complaints": "complaints about it",
                "answers": "answers to surveys about it that can be judged, repeated ones left out",
                "mean_share": "mean of where in its scale such an answer lies, 0 lowest to 1 highest",
            },
            sql="""
                WITH used AS (
                    SELECT product, COUNT(*) FILTER (WHERE status = 'in use') AS in_use,
                           COUNT(*) FILTER (WHERE status = 'retired') AS retired,
                           AVG(CAST(life_days AS DOUBLE PRECISION)) FILTER (WHERE status = 'retired')
                               AS mean_life_days,
                           CAST(SUM(downtimes) AS BIGINT) AS downtimes,
                           SUM(CAST(downtime_seconds AS DOUBLE PRECISION)) / 3600 AS downtime_hours
                    FROM assets
                    WHERE vendor IS NULL
                    GROUP BY product
                ),
                said AS (
                    SELECT product, COUNT(*) FILTER (WHERE sentiment = 'positive') AS praise,
                           COUNT(*) FILTER (WHERE sentiment = 'negative') AS blame,
                           COUNT(*) FILTER (WHERE form = 'complaint') AS complaints
                    FROM feedback
                    GROUP BY product
                ),
                asked AS (
                    SELECT product, COUNT(*) AS answers, AVG(share) AS mean_share
                    FROM surveys
                    WHERE repeated = 0 AND verdict IS NOT NULL
                    GROUP BY product
                ),
                served AS (
                    SELECT product, COUNT(*) AS tickets FROM tickets GROUP BY product
                ),
                named AS (
                    SELECT product FROM used
                    UNION SELECT product FROM said
                    UNION SELECT product FROM asked
                    UNION SELECT product FROM served
                )
                SELECT named.product, COALESCE(in_use, 0) AS in_use, COALESCE(retired, 0) AS retired, mean_life_days,
                       COALESCE(downtimes, 0) AS downtimes, COALESCE(downtime_hours, 0.0) AS downtime_hours,
                       COALESCE(tickets, 0) AS tickets, COALESCE(praise, 0) AS praise, COALESCE(blame, 0) AS blame,
                       COALESCE(complaints, 0) AS complaints, COALESCE(answers, 0) AS answers, mean_share
                FROM named
                LEFT JOIN used ON used.product = named.product
                LEFT JOIN said ON said.product = named.product
                LEFT JOIN asked ON asked.product = named.product
                LEFT JOIN served ON served.product = named.product
                WHERE named.product IS NOT NULL
                ORDER BY named.product
            """,
        ),
    )

    def initial(self, subject: str) -> tuple[str, dict[Hashable, Asset]]:
        """A customer of whom no product in use is known."""
        return subject, {}

    def evolve(
        self, state: tuple[str, dict[Hashable, Asset]], fact: Fact
    ) -> tuple[tuple[str, dict[Hashable, Asset]], Iterable[Hashable]]:
        """Take a step of an asset; one that was never registered is known from then on."""
        if fact.kind not in _STEPS or not (name := fact.data.get("asset")):
            return state, ()
        asset = state[1].get(name)
        if asset is None:
            asset = state[1][name] = Asset()
        asset.take(fact, self.company.day(fact))
        return state, (name,)

    def row(self, state: tuple[str, dict[Hashable, Asset]], key: Hashable) -> Row | None:
        """The asset of this id."""
        subject, assets = state
        asset = assets.get(key)
        if asset is None:
            return None
        day, known, retired = self.company.day, asset.registered, asset.retired
        vendor = asset.named.get("vendor")
        return AssetRow(
            subject,
            str(key),
            "retired" if retired else "in use",
            asset.named.get("product"),
            vendor,
            int(vendor is None) if known else None,
            asset.named.get("order"),
            known.at if known else None,
            day(known) if known else None,
            asset.since,
            day_number(asset.since) if asset.since else None,
            retired.at if retired else None,
            day(retired) if retired else None,
            retired.data.get("reason") if retired else None,
            asset.life_days,
            asset.registrations,
            asset.downtimes,
            bounded(asset.downtime_us // 1_000_000),
            asset.down.at if asset.down else None,
            asset.visits,
            day(asset.visit) if asset.visit else None,
        )
