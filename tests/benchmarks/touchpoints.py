"""Seeded touchpoints such as a shop has them: about 350 bytes, lives of geometric length, several kinds."""

import random
from collections.abc import Iterator
from typing import Any

from adapters.codec import read_envelope
from adapters.engine import clock_us
from domain.company import Company
from domain.touchpoint import Envelope

_KINDS = ("PageViewed", "MessageSent", "ContactMade", "OpportunityOpened", "OpportunityWon", "OrderPlaced")
_WEIGHTS = (30, 20, 15, 10, 8, 17)


def events(count: int, customers: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """CloudEvents as a service sends them, for that many customers in turn, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    for number in range(count):
        # A customer's life is geometric in length: most are seen once or twice, some very often.
        customer = int(chance.expovariate(1 / customers))
        kind = chance.choices(_KINDS, _WEIGHTS)[0]
        yield {
            "specversion": "1.0",
            "id": f"e-{seed}-{number}",
            "source": "shop/web",
            "type": kind,
            "subject": f"customer-{customer:07}",
            "time": f"2026-{1 + number % 9:02}-{1 + number // 9 % 28:02}T{number % 24:02}:{number % 60:02}:00+00:00",
            "channel": chance.choice(("web", "shop", "phone", "email")),
            "data": _data(kind, number, chance),
        }


def _data(kind: str, number: int, chance: random.Random) -> dict[str, Any]:
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
            return {
                "opportunity": f"d-{number}",
                "lead_source": "web",
                "amount": amount,
                "stage": "new",
                "owner": "rosa",
            }
        case "OpportunityWon":
            return {"opportunity": f"d-{max(0, number - chance.randrange(40))}", "reason": "price"}
        case _:
            line = {"sku": f"SKU-{price % 500}", "category": "parts", "quantity": 1 + number % 3, "net": amount}
            return {"order": f"o-{number}", "lines": [line], "total": amount, "payment_method": "card"}


def envelopes(count: int, customers: int, seed: int = 1) -> list[Envelope]:
    """The same, validated."""
    clock, company = clock_us(), Company()
    return [read_envelope(event, clock, company) for event in events(count, customers, seed)]
