"""Subscriptions: what each customer pays in a month from which day on, told and true."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from tests.simulator.lives import Life

PLANS = {"basic": ("10", "month", 10), "plus": ("20", "month", 20), "pro": ("360", "year", 30)}
"""Each plan with its price, what it is the price of, and what that is in a month, in euros."""
CHANGES, SWAPS, PAUSES, ENDS = 0.06, 0.08, 0.11, 0.15
"""What happens in a month, each up to here: another plan, another subscription, a pause, an end; else nothing."""
EURO_MICROS = 1_000_000


@dataclass
class Revenue:
    """The movements of recurring revenue: euros by month and movement, and customers that came and went."""

    movements: dict[str, Counter[str]] = field(default_factory=dict)

    def note(self, course: dict[date, int]) -> None:
        """Take what one customer paid in a month from each day on; what goes and comes on one day is one movement."""
        before, ever = 0, False
        for day in sorted(course):
            after = course[day]
            if after == before:
                continue
            name = ("reactivation" if ever else "new") if not before else "churn" if not after else "expansion"
            if before and after and after < before:
                name = "contraction"
            month = self.movements.setdefault(day.isoformat()[:7], Counter())
            month[name] += (after - before) * EURO_MICROS
            if name in ("new", "churn"):
                month[f"customers_{name}"] += 1
            before, ever = after, True


def subscribe(life: Life, day: date, chance: Random, truth: Revenue) -> None:
    """Let a customer subscribe on a day, and change, pause, come back and end as chance has it."""
    number, course = 1, dict[date, int]()
    name, plan = f"u-{life.subject}-{number}", chance.choice([*PLANS])
    if not _start(life, name, plan, day):
        return
    course[day] = PLANS[plan][2]
    while True:
        day += timedelta(days=chance.randint(20, 40))
        draw = chance.random()
        if draw < CHANGES:
            # To another price of the same interval: a yearly plan stays one.
            other = {"basic": "plus", "plus": "basic"}.get(plan)
            if other is None:
                continue
            if not life.tell("SubscriptionChanged", day, subscription=name, plan=other, recurring_amount=_price(other)):
                break
            plan, course[day] = other, PLANS[other][2]
        elif draw < SWAPS:
            other, number = chance.choice([*PLANS]), number + 1
            if not life.tell("SubscriptionEnded", day, hour=10, subscription=name):
                break
            name = f"u-{life.subject}-{number}"
            _start(life, name, other, day)
            plan, course[day] = other, PLANS[other][2]
        elif draw < PAUSES:
            if not life.tell("SubscriptionPaused", day, subscription=name):
                break
            course[day] = 0
            day += timedelta(days=chance.randint(10, 60))
            until = (day + timedelta(days=365)).isoformat()
            if not life.tell("SubscriptionRenewed", day, subscription=name, until=until):
                break
            course[day] = PLANS[plan][2]
        elif draw < ENDS:
            if life.tell("SubscriptionEnded", day, subscription=name, reason="too dear"):
                course[day] = 0
            break
        if day > life.end:
            break
    truth.note(course)


def _start(life: Life, name: str, plan: str, day: date) -> bool:
    interval = PLANS[plan][1]
    return life.tell(
        "SubscriptionStarted",
        day,
        hour=11,
        subscription=name,
        plan=plan,
        recurring_amount=_price(plan),
        interval=interval,
    )


def _price(plan: str) -> str:
    return f"{PLANS[plan][0]} EUR"
