"""Touches: each step by which a customer came nearer to us, with where it came from, what it cost, and its answer."""

from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Annotated, Any, NamedTuple

import domain.kinds  # noqa: F401 - registers the kinds that are looked up by name
from domain.company import DAY_US, Company, day_number
from domain.touchpoint import KINDS, Fact, Phase, Touchpoint
from projections.view import Question, Row, View

VISIT_GAP_US = 30 * 60 * 1_000_000
"""Page and product views with no longer pause between them are one visit, and a visit is one touch."""
DECAY_SCALE = 1 << 20

_VIEWS = frozenset({"PageViewed", "ProductViewed"})
_NO_TOUCH = frozenset({"CampaignLaunched", "CampaignCostBooked", "ContactPlanned", "NeedRecorded"})
_ANSWERS = frozenset(
    {"AdClicked", "PageViewed", "ProductViewed", "FormSubmitted", "EventAttended", "InquiryReceived", "MessageEngaged"}
)
"""What the customer does of their own accord: a response to what we did."""


class TouchRow(NamedTuple):
    """One touch of a customer."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    place: Annotated[int, "its number among the customer's touches, from 1"]
    touchpoint: Annotated[str, "the id of the touchpoint, the first of a visit"]
    kind: Annotated[str, "what happened"]
    at: Annotated[int, "when, microseconds since 1970 UTC"]
    day: Annotated[str, "the same as a day, in the company's zone"]
    dayno: Annotated[int, "the same as a day number (1 is 0001-01-01), to subtract"]
    response: Annotated[int, "1 where the customer acted (clicked, looked, asked, came, answered), 0 where we did"]
    steps: Annotated[int, "touchpoints in it: 1, or the page and product views of a visit"]
    channel: Annotated[str | None, "the channel, the mode of contact, or the medium of the address's tags"]
    source: Annotated[str | None, "where it came from: lead source, ad network, or the source of the address's tags"]
    campaign: Annotated[str | None, "the campaign it belongs to, as told with it or with the message it answers"]
    partner: Annotated[str | None, "the partner that had part in it"]
    actor: Annotated[str | None, "the responsible person or system, as claimed"]
    cost_micros: Annotated[int | None, "what it cost us, in millionths of its currency; null where untold"]
    cost_currency: Annotated[str | None, "the ISO 4217 currency of the cost"]
    inquiry: Annotated[str | None, "of an inquiry, its id"]
    answered_at: Annotated[int | None, "of an inquiry, when we first answered, microseconds since 1970 UTC"]
    answered_by: Annotated[str | None, "of an inquiry, the person who first answered"]
    response_seconds: Annotated[int | None, "of an inquiry, whole seconds until we first answered"]
    decay_era: Annotated[int, "whole half-lives (setting attribution_half_life_days) from 1970 to it"]
    decay_weight: Annotated[int, "2^20 times two to the power of the rest of a half-life; halves with each later era"]


class Names(NamedTuple):
    """What a touch says of where it came from."""

    channel: str | None
    source: str | None
    campaign: str | None
    partner: str | None


_NAMELESS = Names(None, None, None, None)
_names = partial(tuple.__new__, Names)  # without going through Python


class Walk:
    """The touches of one subject as they are counted; every view that speaks of places counts them by it."""

    __slots__ = ("_messages", "_seen_at", "_told", "_visit", "count")

    def __init__(self) -> None:
        self.count = 0
        self._messages: dict[str, Fact] = {}
        self._visit: tuple[int, Names] | None = None
        self._seen_at = 0
        self._told: Names | None = None

    def step(self, fact: Fact) -> int | None:
        """Count a touchpoint, if it is a touch or goes on with one: answer its place, which is new above `count`."""
        kind, names = fact.kind, None
        counts = _COUNTS[kind]
        if counts is None:
            return None
        if not counts:
            if _tells_channel_alone(fact.data, fact.envelope):
                return None
            names = _told(fact)
            if not (names.source or names.campaign or names.partner):
                return None
        elif kind in _VIEWS:
            names, at = _told(fact), fact.at
            visit, seen_at, self._seen_at = self._visit, self._seen_at, at
            if visit and 0 <= at - seen_at <= VISIT_GAP_US and _agree(visit[1], names, fact):
                return visit[0]
            self._visit = (self.count + 1, names)
        elif kind == "MessageSent":
            self._messages[fact.data["message"]] = fact
        elif (kind == "MessageEngaged" and fact.data["how"] not in ("clicked", "answered")) or (
            kind == "FirstResponseGiven" and "inquiry" not in fact.data
        ):
            return None
        self._told = names
        self.count = place = self.count + 1
        return place

    def names(self, fact: Fact) -> Names:
        """Where the touch that was counted last came from; the answer to a message also from where the message did."""
        names = self._told or _told(fact)
        if fact.kind == "MessageEngaged" and (sent := self._messages.get(fact.data["message"])):
            return Names(*(mine or theirs for mine, theirs in zip(names, _told(sent), strict=True)))
        return names


class _Counts(dict[str, bool | None]):
    """Whether a kind is a touch: always, where it names a source, campaign or partner (False), or never (None)."""

    def __missing__(self, kind: str) -> bool | None:
        touchpoint = KINDS.get(kind)
        if touchpoint is None:
            return None
        self[kind] = counts = self._of(touchpoint)
        return counts

    @staticmethod
    def _of(touchpoint: type[Touchpoint]) -> bool | None:
        if touchpoint.kind in _NO_TOUCH:
            return None
        if touchpoint.phase in (Phase.ATTRACTION, Phase.PRESENTATION):
            return True
        return False if touchpoint.phase in (Phase.SALE, Phase.ORDER) or touchpoint.kind == "CustomerWonBack" else None


_COUNTS = _Counts()
_ORIGINS = frozenset({"lead_source", "network", "source", "campaign", "utm"})
"""The fields in which a touchpoint may say where it came from."""


def _tells_channel_alone(data: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether a touchpoint says nothing else of where it came from, as most do."""
    return "campaign" not in given and "partner" not in given and _ORIGINS.isdisjoint(data)


def _told(fact: Fact) -> Names:
    data, given = fact.data, fact.envelope
    channel = given.get("channel") or data.get("mode")
    if _tells_channel_alone(data, given):
        return _by_channel(channel) if type(channel) is str else _NAMELESS
    source, campaign, partner = (
        data.get("lead_source") or data.get("network"),
        given.get("campaign"),
        given.get("partner"),
    )
    if fact.kind == "InquiryReceived":
        source = data.get("source")
    elif fact.kind == "CustomerWonBack":
        campaign = campaign or data.get("campaign")
    if "utm" in data and (tags := data["utm"]):
        channel, source = channel or tags.get("medium"), source or tags.get("source")
        campaign = campaign or tags.get("campaign")
    if not (source or campaign or partner):
        return _by_channel(channel) if type(channel) is str else _NAMELESS
    return _names((_text(channel), _text(source), _text(campaign), _text(partner)))


@lru_cache(maxsize=1_000)
def _by_channel(channel: str) -> Names:
    """What most touches say, and all that they say."""
    return Names(channel or None, None, None, None)


def _text(value: Any) -> str | None:
    return str(value) if value and isinstance(value, str) else None


def _agree(visit: Names, view: Names, fact: Fact) -> bool:
    """Whether a view may belong to a visit: it names nothing else, and no cost of its own."""
    if "cost" in fact.envelope:
        return False
    return view is visit or all(each in (None, had) for had, each in zip(visit, view, strict=True))


class Journey:
    """The touches of one subject in their order, by their places: where they came from, and what came of them.

    `steps` counts the touchpoints of visits that have more than one, `answers` are the first to inquiries, and
    `inquiries` the places of these by their ids.
    """

    __slots__ = ("answers", "inquiries", "steps", "subject", "touches", "walk")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.walk = Walk()
        self.touches: list[tuple[Fact, Names]] = []
        self.steps: dict[int, int] = {}
        self.answers: dict[int, Fact] = {}
        self.inquiries: dict[str, int] = {}


class Touches(View[Journey]):
    """The touches of every customer."""

    name = "touches"
    comment = "Touches: what brought customers nearer to us, one row each; a touch is what attribution gives credit to."
    row_type = TouchRow
    key = ("subject", "place")
    questions = (
        Question(
            name="reach",
            comment="Whom each channel, source, campaign, partner and intermediary reached, and how many responded.",
            columns={
                "dimension": "channel, source, campaign, partner, or intermediary: a partner registered as one",
                "name": "which; null for touches that name none",
                "touches": "number of touches",
                "customers": "number of customers touched",
                "responses": "touches in which the customer acted",
                "responders": "number of customers who acted",
                "response_share": "responders as a share of customers, 0 to 1",
                "first_day": "day of the first touch, in the company's zone",
                "last_day": "day of the last touch, in the company's zone",
            },
            sql="""
                WITH dimensions (dimension) AS (
                    VALUES ('channel'), ('source'), ('campaign'), ('partner'), ('intermediary')
                ),
                roles AS (
                    SELECT DISTINCT partner FROM partners WHERE role = 'intermediary'
                ),
                named AS (
                    SELECT dimension, touches.subject, response, day,
                           CASE dimension WHEN 'channel' THEN channel WHEN 'source' THEN source
                                WHEN 'campaign' THEN campaign WHEN 'partner' THEN touches.partner
                                ELSE roles.partner END AS name
                    FROM touches
                    LEFT JOIN roles ON roles.partner = touches.partner
                    CROSS JOIN dimensions
                )
                SELECT dimension, name, COUNT(*) AS touches, COUNT(DISTINCT subject) AS customers,
                       CAST(SUM(response) AS BIGINT) AS responses,
                       COUNT(DISTINCT CASE WHEN response = 1 THEN subject END) AS responders,
                       CAST(COUNT(DISTINCT CASE WHEN response = 1 THEN subject END) AS DOUBLE PRECISION)
                           / COUNT(DISTINCT subject) AS response_share,
                       MIN(day) AS first_day, MAX(day) AS last_day
                FROM named
                GROUP BY dimension, name
                ORDER BY dimension, touches DESC, name NULLS LAST
            """,
        ),
        Question(
            name="campaign_response",
            comment="How customers responded to each campaign that was launched or touched anybody.",
            columns={
                "campaign": "the campaign",
                "name": "what people call it; null where it was never told",
                "channel": "the channel it runs on; null where it was never told",
                "launched_day": "day it was launched, in the company's zone; null where that was never told",
                "touches": "touches that name it",
                "customers": "number of customers with such a touch",
                "responders": "of these, customers who acted in one",
                "response_share": "responders as a share of customers, 0 to 1; null without customers",
            },
            sql="""
                WITH told AS (
                    SELECT campaign, MAX(name) AS name, MAX(channel) AS channel, MIN(launched_day) AS launched_day
                    FROM campaigns
                    GROUP BY campaign
                ),
                reached AS (
                    SELECT name AS campaign, touches, customers, responders, response_share
                    FROM reach
                    WHERE dimension = 'campaign' AND name IS NOT NULL
                ),
                known AS (
                    SELECT campaign FROM told UNION SELECT campaign FROM reached
                )
                SELECT known.campaign, told.name, told.channel, told.launched_day,
                       COALESCE(reached.touches, 0) AS touches, COALESCE(reached.customers, 0) AS customers,
                       COALESCE(reached.responders, 0) AS responders, reached.response_share
                FROM known
                LEFT JOIN told ON told.campaign = known.campaign
                LEFT JOIN reached ON reached.campaign = known.campaign
                ORDER BY customers DESC, known.campaign
            """,
        ),
        Question(
            name="first_responses",
            comment="How soon the person in charge first answers an inquiry.",
            columns={
                "person": "who answered first; null for inquiries that wait",
                "inquiries": "number of inquiries",
                "mean_hours": "mean hours until the first answer; null while they wait",
                "median_hours": "median hours until the first answer",
                "longest_hours": "hours until the latest first answer; of those that wait, until the moment",
            },
            sql="""
                WITH ranked AS (
                    SELECT answered_by, answered_at, CAST(response_seconds AS DOUBLE PRECISION) / 3600 AS hours,
                           CAST(moment.at - touches.at AS DOUBLE PRECISION) / 3600000000 AS waiting_hours,
                           ROW_NUMBER() OVER (PARTITION BY answered_by ORDER BY response_seconds NULLS LAST) AS place,
                           COUNT(response_seconds) OVER (PARTITION BY answered_by) AS places
                    FROM touches
                    CROSS JOIN moment
                    WHERE inquiry IS NOT NULL
                )
                SELECT answered_by AS person, COUNT(*) AS inquiries, AVG(hours) AS mean_hours,
                       AVG(hours) FILTER (WHERE place IN ((places + 1) / 2, (places + 2) / 2)) AS median_hours,
                       MAX(COALESCE(hours, waiting_hours)) AS longest_hours
                FROM ranked
                GROUP BY answered_by, answered_at IS NULL
                ORDER BY inquiries DESC, person NULLS LAST
            """,
        ),
    )

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self._half_life_us = company.attribution_half_life_days * DAY_US

    def initial(self, subject: str) -> Journey:
        """Someone whom nothing has touched."""
        return Journey(subject)

    def evolve(self, state: Journey, fact: Fact) -> tuple[Journey, Iterable[Hashable]]:
        """Add a touch, or go on with a visit; a first answer also shows with its inquiry."""
        walk, touches = state.walk, state.touches
        place = walk.step(fact)
        if place is None:
            return state, ()
        if place <= len(touches):
            state.steps[place] = state.steps.get(place, 1) + 1
            return state, (place,)
        touches.append((fact, walk.names(fact)))
        if fact.kind == "InquiryReceived":
            state.inquiries.setdefault(fact.data["inquiry"], place)
        elif fact.kind == "FirstResponseGiven" and (inquiry := state.inquiries.get(fact.data["inquiry"])):
            state.answers.setdefault(inquiry, fact)
            return state, (place, inquiry)
        return state, (place,)

    def row(self, state: Journey, key: Hashable) -> Row | None:
        """The touch of this place."""
        if not isinstance(key, int) or not 0 < key <= len(state.touches):
            return None
        subject, place = state.subject, key
        fact, (channel, source, campaign, partner) = state.touches[place - 1]
        at, _, _, _, kind, touchpoint, _, data, given, _, _, _ = fact
        day, steps = self.company.day(fact), state.steps.get(place, 1)
        response = 1 if kind in _ANSWERS or data.get("direction") == "inbound" else 0
        dayno, actor, cost_micros, cost_currency = day_number(day), given.get("actor"), None, None
        if cost := given.get("cost"):
            cost_micros, cost_currency = cost["micros"], cost["currency"]
        inquiry = answered_at = answered_by = response_seconds = None
        if kind == "InquiryReceived":
            inquiry = data["inquiry"]
            if answer := state.answers.get(place):
                answered_at, answered_by = answer.at, answer.data.get("by") or answer.envelope.get("actor")
                response_seconds = (answer.at - at) // 1_000_000
        decay_era, rest = divmod(at, self._half_life_us)
        decay_weight = int(DECAY_SCALE * 2 ** (rest / self._half_life_us))
        return (
            subject, place, touchpoint, kind, at, day, dayno, response, steps, channel, source, campaign, partner,
            actor, cost_micros, cost_currency, inquiry, answered_at, answered_by, response_seconds, decay_era,
            decay_weight,
        )  # fmt: skip
