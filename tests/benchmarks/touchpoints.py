"""Seeded touchpoints such as a shop has them: about 350 bytes, lives of geometric length, several kinds.

They are made one by one, so that ten million need no more memory than ten.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from adapters.clock import clock_us
from adapters.codec import read_envelope
from domain.company import Company
from domain.touchpoint import Envelope

CUSTOMERS_MAX = 100_000
_LIFE_MEAN = 10
"""Touchpoints of a customer, on average, where there are fewer than a million."""

_KINDS = ("PageViewed", "MessageSent", "ContactMade", "OpportunityOpened", "OpportunityWon", "OrderPlaced")
_WEIGHTS = (30, 20, 15, 10, 8, 17)
_BEGAN_S = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
_YEAR_S = 365 * 86_400
_AT_ONCE = 1_000


def customers_of(count: int) -> int:
    """How many customers so many touchpoints are about."""
    return max(100, min(CUSTOMERS_MAX, count // _LIFE_MEAN))


def subjects(count: int, chance: random.Random) -> Iterator[int]:
    """Whose touchpoint comes next, so many times.

    A customer who is seen at a rate drawn from an exponential distribution has a life of geometric length: most are
    seen a few times, some very often.
    """
    customers = range(customers_of(count))
    upto = list(accumulate(chance.expovariate(1) for _ in customers))
    for at in range(0, count, _AT_ONCE):
        yield from chance.choices(customers, cum_weights=upto, k=min(_AT_ONCE, count - at))


def events(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """CloudEvents as a service sends them over a year, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    deals: dict[int, int] = {}
    """The open opportunity of each customer."""
    for number, customer in enumerate(subjects(count, chance)):
        kind = chance.choices(_KINDS, _WEIGHTS)[0]
        if kind == "OpportunityWon" and customer not in deals:
            kind = "OpportunityOpened"
        at = _BEGAN_S + number * _YEAR_S // count
        if chance.random() < 0.02:  # one in fifty comes up to three days late
            at -= chance.randrange(3 * 86_400)
        yield {
            "specversion": "1.0",
            "id": f"e-{seed}-{number}",
            "source": "shop/web",
            "type": kind,
            "subject": f"customer-{customer:07}",
            "time": datetime.fromtimestamp(at, UTC).isoformat(),
            "channel": chance.choice(("web", "shop", "phone", "email")),
            "data": _data(kind, number, customer, deals, chance),
        }


def _data(kind: str, number: int, customer: int, deals: dict[int, int], chance: random.Random) -> dict[str, Any]:
    price = chance.randrange(100, 90_000)
    amount = {"amount": f"{price // 100}.{price % 100:02}", "currency": "EUR"}
    match kind:
        case "PageViewed":
            return {"url": f"https://shop.example/products/{price}", "referrer": "https://search.example/?q=bicycle"}
        case "MessageSent":
            return {"message": f"m-{number}", "purpose": "newsletter", "template": "spring-offer-for-tourers"}
        case "ContactMade":
            return {"mode": "call", "direction": "outbound", "person": "rosa", "result": "wants to think about it"}
        case "OpportunityOpened":
            deals[customer] = number
            about = {"lead_source": "web", "amount": amount, "stage": "new", "owner": "rosa"}
            return {"opportunity": f"d-{number}", **about}
        case "OpportunityWon":
            return {"opportunity": f"d-{deals.pop(customer)}", "reason": "price"}
        case _:
            line = {"sku": f"SKU-{price % 500}", "category": "parts", "quantity": 1 + number % 3, "net": amount}
            return {"order": f"o-{number}", "lines": [line], "total": amount, "payment_method": "card"}


def envelopes(count: int, seed: int = 1) -> Iterator[Envelope]:
    """The same, validated."""
    clock, company = clock_us(), Company()
    return (read_envelope(event, clock, company) for event in events(count, seed))
