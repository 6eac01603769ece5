"""Customers who live round the whole circle, by chances that stand here, and the truth of each.

The same seed makes the same market. Every customer walks over channels until they buy or lose interest, buys again as
the BG/NBD model has it until they leave unseen, and is delivered to, billed, subscribed and served on the way.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any, Final

import numpy as np

from domain.touchpoint import Envelope
from tests.simulator.lives import Life
from tests.simulator.revenue import Revenue, subscribe
from tests.simulator.trade import Trade, deliver

BEGIN, END = date(2024, 1, 1), date(2025, 12, 31)
ENTRY_DAYS = 300
"""In how many days all customers come to the market: time enough for every walk to end, and for what follows."""

STARTS: Final = {"search": 0.40, "social": 0.30, "fair": 0.10, "visit": 0.05, "form": 0.15}
"""How often each channel is the first."""
WINS: Final = {"search": 0.20, "social": 0.05, "fair": 0.35, "visit": 0.50, "form": 0.25}
"""The chance that a touch on a channel makes a customer of them: its true effect."""
GOES_ON: Final = 0.70
"""The chance that who did not buy comes by another touch."""
NEXT: Final = {"search": 0.25, "social": 0.20, "fair": 0.15, "visit": 0.20, "form": 0.20}
"""Which channel that is."""

PACE_R, PACE_ALPHA_WEEKS = 0.9, 8.0
"""Purchases a week are gamma distributed over customers."""
LEAVING_A, LEAVING_B = 0.8, 2.5
"""The chance to leave after a repeat purchase is beta distributed over customers."""
TELLS_OF_LEAVING = 0.3
"""How many of those who left we come to know of."""
ANONYMOUS = 0.05
"""How many touched us under an id of a browser before we knew them; it is merged into theirs."""
LATE = 0.02
"""How many touchpoints arrive after everything else."""

_TOUCHES: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "search": ("AdClicked", {"ad": "a-1", "network": "findit"}),
    "social": ("PageViewed", {"url": "https://shop.example/news"}),
    "fair": ("EventAttended", {"event": "fair"}),
    "visit": ("PresentationDelivered", {"product": "tea"}),
    "form": ("FormSubmitted", {"form": "contact"}),
}


@dataclass
class Truth:
    """What is true of a market at its end."""

    conversions: int = 0
    first: Counter[str] = field(default_factory=Counter)
    last: Counter[str] = field(default_factory=Counter)
    paths: Counter[tuple[int, bool]] = field(default_factory=Counter)
    """Walks by their number of touches and whether they won."""
    purchase_days: dict[str, list[date]] = field(default_factory=dict)
    alive: dict[str, bool] = field(default_factory=dict)
    told_of_leaving: int = 0
    trade: Trade = field(default_factory=Trade)
    revenue: Revenue = field(default_factory=Revenue)
    unanswered: set[str] = field(default_factory=set)
    """Tickets that nobody answered."""


@dataclass
class Market:
    """What happened, by customer, what of it arrives late, and what is true."""

    lives: list[list[Envelope]]
    late: list[Envelope]
    truth: Truth

    @property
    def touchpoints(self) -> int:
        return sum(map(len, self.lives)) + len(self.late)

    def batches(self, size: int = 50) -> Iterator[list[list[Envelope]]]:
        """What is appended, customer by customer, and at last what arrives late, with a second telling of some."""
        for begin in range(0, len(self.lives), size):
            yield self.lives[begin : begin + size]
        yield [[each] for each in self.late]
        yield [life[:1] for life in self.lives[::10]]


def market(customers: int, seed: int) -> Market:
    """Let so many customers live."""
    chance, truth = Random(seed), Truth()  # noqa: S311 - chance that can be had again
    pace = np.random.default_rng(seed)
    lives, late = list[list[Envelope]](), list[Envelope]()
    for number in range(customers):
        told = list(_life(f"c{number}", chance, pace, truth))
        lives.append([each for each in told if each.type == "CustomersMerged" or chance.random() >= LATE])
        kept = {each.id for each in lives[-1]}
        late += [each for each in told if each.id not in kept]
    return Market(_by_stream(lives), late, truth)


def _by_stream(lives: list[list[Envelope]]) -> list[list[Envelope]]:
    """Each life cut where its touchpoints are of another subject: a group is of one."""
    cut = list[list[Envelope]]()
    for life in lives:
        for each in life:
            if not cut or cut[-1][-1].subject != each.subject:
                cut.append([])
            cut[-1].append(each)
    return cut


def _life(subject: str, chance: Random, pace: np.random.Generator, truth: Truth) -> Iterator[Envelope]:
    life = Life(subject, chance, END)
    life.anonymous = chance.random() < ANONYMOUS
    path, won = _walk(life, chance)
    # Who takes back every order was not won in the end.
    converted = won is not None and _buy(life, won, chance, pace, truth)
    truth.paths[len(path), converted] += 1
    if converted:
        truth.conversions += 1
        truth.first[path[0]] += 1
        truth.last[path[-1]] += 1
    yield from life.told()


def _walk(life: Life, chance: Random) -> tuple[list[str], date | None]:
    """Let a customer come by touches until they buy or lose interest; answer the channels and the day they buy on."""
    day = BEGIN + timedelta(days=chance.randrange(ENTRY_DAYS))
    channel, path = _drawn(STARTS, chance), list[str]()
    while True:
        kind, fields = _TOUCHES[channel]
        life.tell(kind, day, channel=channel, touch=True, **fields)
        path.append(channel)
        won = chance.random() < WINS[channel]
        if won or chance.random() >= GOES_ON:
            break
        channel, day = _drawn(NEXT, chance), day + timedelta(days=chance.randint(1, 10))
    return path, day + timedelta(days=1) if won else None


def _drawn(weights: Mapping[str, float], chance: Random) -> str:
    return chance.choices([*weights], [*weights.values()])[0]


def _buy(life: Life, first: date, chance: Random, pace: np.random.Generator, truth: Truth) -> bool:
    """Let a customer buy as BG/NBD has it: at a pace of their own, until they leave after a repeat purchase.

    Answers whether any order stands.
    """
    weekly = pace.gamma(PACE_R, 1 / PACE_ALPHA_WEEKS)
    leaves = pace.beta(LEAVING_A, LEAVING_B)
    life.tell("CustomerRegistered", first, party="person", attributes={"income": chance.choice("ABC")})
    life.merge(first)
    moment, left = float(first.toordinal()), False
    days = [first]
    while True:
        moment += pace.exponential(7 / weekly)
        if moment >= END.toordinal() + 1:
            break
        if (day := date.fromordinal(int(moment))) != days[-1]:
            days.append(day)
        if left := bool(pace.random() < leaves):
            break
    stand = [
        day for number, day in enumerate(days) if deliver(life, f"{life.subject}-{number}", day, chance, truth.trade)
    ]
    if stand:
        truth.alive[life.subject], truth.purchase_days[life.subject] = not left, stand
    if chance.random() < 0.35:
        subscribe(life, first + timedelta(days=10), chance, truth.revenue)
    _after_sales(life, days, chance, truth)
    knows = days[-1] + timedelta(days=chance.randint(30, 90))
    if left and chance.random() < TELLS_OF_LEAVING and knows <= END:
        truth.told_of_leaving += 1
        life.tell("CustomerChurned", knows, how="in silence")
    return bool(stand)


def _after_sales(life: Life, days: list[date], chance: Random, truth: Truth) -> None:
    if chance.random() < 0.3:
        ticket, day = f"t-{life.subject}", days[-1] + timedelta(days=3)
        if life.tell("TicketOpened", day, ticket=ticket):
            if chance.random() < 0.8 and life.tell("FirstResponseGiven", day + timedelta(days=1), ticket=ticket):
                life.tell("TicketResolved", day + timedelta(days=2), ticket=ticket)
            elif day < END:
                truth.unanswered.add(ticket)
    if chance.random() < 0.3:
        life.tell("SurveyAnswered", days[0] + timedelta(days=20), question="again?", metric="nps", score=9.0)
    if chance.random() < 0.2:
        life.tell("LoyaltyPointsPosted", days[0] + timedelta(days=1), delta=10, reason="earn")
    if chance.random() < 0.3:
        life.tell("SegmentAssigned", days[-1] + timedelta(days=1), segment="A" if len(days) > 2 else "B")


def removal_effects() -> dict[str, float]:
    """Which share of conversions would be lost without each channel, by the chances above and no data."""
    names = [*STARTS]
    share = _won_share(names)
    return {name: 1 - _won_share([other for other in names if other != name]) / share for name in names}


def _won_share(left: list[str]) -> float:
    """The share of walks that win where only some channels are left, and whoever comes to another is lost."""
    stay = {name: (1 - WINS[name]) * GOES_ON for name in left}
    moves = np.array([[stay[one] * NEXT[other] for other in left] for one in left])
    wins = np.linalg.solve(np.eye(len(left)) - moves, np.array([WINS[name] for name in left]))
    return float(np.array([STARTS[name] for name in left]) @ wins)
