"""Campaigns: what each was meant for, was planned to cost and has cost. How customers responded, touches tell."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Row, View, bounded


class CampaignRow(NamedTuple):
    """What one subject, mostly the campaign itself, tells of a campaign in one currency."""

    subject: Annotated[str, "the subject under which it was recorded, mostly the campaign itself"]
    campaign: Annotated[str, "the campaign, by subject id"]
    currency: Annotated[str, "the ISO 4217 currency of the amounts; empty in the row of all that has none"]
    name: Annotated[str | None, "what people call it; in the row without currency"]
    channel: Annotated[str | None, "the channel it runs on; in the row without currency"]
    audience: Annotated[str | None, "whom it is meant for; in the row without currency"]
    launched_day: Annotated[str | None, "day it was launched, in the company's zone; in the row without currency"]
    until: Annotated[str | None, "the last day it is to run; in the row without currency"]
    planned_micros: Annotated[int, "what it is to cost, in millionths of the currency"]
    cost_micros: Annotated[int, "what it has cost, as booked, in millionths of the currency"]
    bookings: Annotated[int, "how often a cost was booked in this currency"]


class Campaign:
    """What is known of one campaign: its launch, and its costs by currency."""

    __slots__ = ("bookings", "costs", "launched", "planned")

    def __init__(self) -> None:
        self.launched: Fact | None = None
        self.planned: dict[str, int] = {}
        self.costs: dict[str, int] = {}
        self.bookings: dict[str, int] = {}


class Book:
    """The campaigns recorded under one subject, by id."""

    __slots__ = ("campaigns", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.campaigns: dict[str, Campaign] = {}


class Campaigns(View[Book]):
    """All campaigns."""

    name = "campaigns"
    comment = "Campaigns: launch, planned and booked cost, one row per campaign and currency."
    row_type = CampaignRow
    key = ("subject", "campaign", "currency")
    kinds = frozenset({"CampaignLaunched", "CampaignCostBooked"})

    def initial(self, subject: str) -> Book:
        """No campaign."""
        return Book(subject)

    def evolve(self, state: Book, fact: Fact) -> tuple[Book, Iterable[Hashable]]:
        """Note a launch or a cost."""
        if fact.kind not in ("CampaignLaunched", "CampaignCostBooked"):
            return state, ()
        name, data = fact.data["campaign"], fact.data
        campaign = state.campaigns.setdefault(name, Campaign())
        if fact.kind == "CampaignCostBooked":
            currency, micros = data["amount"]["currency"], data["amount"]["micros"]
            campaign.costs[currency] = campaign.costs.get(currency, 0) + micros
            campaign.bookings[currency] = campaign.bookings.get(currency, 0) + 1
            return state, ((name, ""), (name, currency))
        # Launched again: what is told last counts.
        before, campaign.launched, campaign.planned = campaign.planned, fact, {}
        if planned := data.get("planned_cost"):
            campaign.planned[planned["currency"]] = planned["micros"]
        return state, ((name, ""), *((name, currency) for currency in {*before, *campaign.planned}))

    def row(self, state: Book, key: Hashable) -> Row | None:
        """The campaign of this id in this currency."""
        match key:
            case (str() as name, str() as currency) if campaign := state.campaigns.get(name):
                if currency:
                    if currency not in campaign.costs and currency not in campaign.planned:
                        return None
                    planned, cost = (bounded(each.get(currency, 0)) for each in (campaign.planned, campaign.costs))
                    bookings = campaign.bookings.get(currency, 0)
                    return CampaignRow(
                        state.subject, name, currency, None, None, None, None, None, planned, cost, bookings
                    )
                launched = campaign.launched
                told = launched.data if launched else {}
                day = self.company.day(launched) if launched else None
                words = (told.get("name"), told.get("channel"), told.get("audience"), day, told.get("until"))
                return CampaignRow(state.subject, name, "", *words, 0, 0, 0)
        return None
