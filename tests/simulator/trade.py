"""What becomes of an order: a promise kept or not, an invoice paid, dunned or given up, and the truth of both."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from tests.simulator.lives import Life

PROMISE_DAYS, PAYMENT_DAYS, DUNNING_DAYS, LEVELS = 5, 14, 14, 3
CANCELLED, NEVER_SENT, LATE = 0.03, 0.10, 0.30
"""Orders that are cancelled before they leave; of the others, up to here never sent, up to here late."""
WARNED_BEFORE, WARNED_AFTER = 0.6, 0.7
"""Of the late ones and those never sent: up to here warned before the day, up to here after it, else never."""
PROMPT, SLOW, HALF = 0.70, 0.90, 0.95
"""Invoices paid by their day; up to here after it; up to here half of it only; the others never."""
GIVEN_UP = 0.3
"""Of what was dunned to the last level and stays open, what is written off."""
SKUS = (("mug", "cup", 900), ("pot", "cup", 2_400), ("oolong", "tea", 1_250), ("sencha", "tea", 1_100))
MICROS_OF_CENT = 10_000


class Debt(NamedTuple):
    """What is open of an invoice at the end: since which day it is due, and the last notice with its level."""

    subject: str
    due: date
    open_micros: int
    level: int
    noticed: date | None

    def next_level(self, today: date) -> int | None:
        """The level of the notice that is due, if one is."""
        from_day = self.due + timedelta(days=1)
        if self.noticed:
            from_day = max(from_day, self.noticed + timedelta(days=DUNNING_DAYS))
        return self.level + 1 if from_day <= today else None


@dataclass
class Trade:
    """What is true of promises and debts at the end.

    promises: by month of the day promised, warned by then, and reason: how many were kept, came late, are overdue;
    at_risk: orders that a dispatch on the last day could not keep, and whose customer knows nothing of it.
    """

    promises: dict[tuple[str, int, str | None], Counter[str]] = field(default_factory=dict)
    at_risk: set[str] = field(default_factory=set)
    debts: dict[str, Debt] = field(default_factory=dict)
    settled: int = 0
    days_late: int = 0
    written_off_micros: int = 0


def deliver(life: Life, order: str, day: date, chance: Random, truth: Trade) -> bool:
    """Let an order be placed on a day, and be delivered and paid as chance has it; false where it was taken back."""
    sku, category, cents = chance.choice(SKUS)
    amount = f"{cents / 100:.2f} EUR"
    goods = [{"line": "1", "sku": sku, "category": category, "quantity": 1, "net": amount}]
    life.tell("OrderPlaced", day, hour=10, order=order, lines=goods, total=amount)
    promised = day + timedelta(days=PROMISE_DAYS)
    life.tell("DeliveryPromised", day, hour=11, order=order, promised_for=promised.isoformat())
    if chance.random() < CANCELLED:
        cancelled = life.tell("OrderCancelled", day + timedelta(days=1), hour=10, order=order)
        if not cancelled:
            _note(life, order, promised, None, None, None, truth)
        return not cancelled
    fate = chance.random()
    arrives = None
    if fate >= LATE:
        arrives = day + timedelta(days=chance.randint(2, PROMISE_DAYS))
    elif fate >= NEVER_SENT:
        arrives = promised + timedelta(days=chance.randint(1, 4))
    warned, reason = None, None
    if fate < LATE and (draw := chance.random()) < WARNED_AFTER:
        warned = promised + timedelta(days=-1 if draw < WARNED_BEFORE else 1)
        reason = chance.choice(["stock", "carrier"])
        if not life.tell("DeliveryWarningIssued", warned, hour=12, order=order, expected_delay=2, reason=reason):
            warned = reason = None
    sent = None
    if arrives:
        leaves, shipment = arrives - timedelta(days=1), f"s-{order}"
        items = [{"line": "1", "sku": sku, "quantity": 1}]
        if life.tell("ShipmentDispatched", leaves, hour=9, shipment=shipment, order=order, lines=items):
            sent = leaves
            if not life.tell("ShipmentDelivered", arrives, hour=15, shipment=shipment):
                arrives = None
            _bill(life, order, leaves, cents, chance, truth)
        else:
            arrives = None
    _note(life, order, promised, arrives, warned, reason, truth, sent=sent)
    return True


def _note(
    life: Life,
    order: str,
    promised: date,
    arrived: date | None,
    warned: date | None,
    reason: str | None,
    truth: Trade,
    *,
    sent: date | None = None,
) -> None:
    today = life.end
    if sent is None and warned is None and promised - timedelta(days=1) <= today <= promised:
        truth.at_risk.add(order)
    if promised >= today and arrived is None:
        return
    key = (promised.isoformat()[:7], int(warned is not None and warned <= promised), reason)
    came = "overdue" if arrived is None else "kept" if arrived <= promised else "late"
    truth.promises.setdefault(key, Counter())[came] += 1


def _bill(life: Life, order: str, day: date, cents: int, chance: Random, truth: Trade) -> None:
    """Bill an order on a day; it is paid, or dunned until it is."""
    invoice, due = f"i-{order}", day + timedelta(days=PAYMENT_DAYS)
    amount = f"{cents / 100:.2f} EUR"
    life.tell("InvoiceIssued", day, hour=13, invoice=invoice, order=order, amount=amount, due=due.isoformat())
    fate, owed = chance.random(), cents
    pays, part = None, cents
    if fate < PROMPT:
        pays = due - timedelta(days=chance.randint(0, 10))
    elif fate < SLOW:
        pays = due + timedelta(days=chance.randint(1, 60))
    elif fate < HALF:
        pays, part = due, cents // 2
    if pays:
        paid = f"{part / 100:.2f} EUR"
        if life.tell("PaymentReceived", pays, hour=14, payment=f"p-{invoice}", invoice=invoice, amount=paid):
            owed -= part
        else:
            pays = None
    if pays and not owed:
        truth.settled += 1
        truth.days_late += (pays - due).days
    level, noticed = _dun(life, invoice, due, pays if not owed else None, chance)
    if owed and noticed and level == LEVELS and chance.random() < GIVEN_UP:
        given_up = noticed + timedelta(days=10)
        if life.tell("DebtWrittenOff", given_up, hour=16, invoice=invoice, amount=f"{owed / 100:.2f} EUR"):
            truth.written_off_micros += owed * MICROS_OF_CENT
            owed = 0
    if owed:
        truth.debts[invoice] = Debt(life.subject, due, owed * MICROS_OF_CENT, level, noticed)


def _dun(life: Life, invoice: str, due: date, settled: date | None, chance: Random) -> tuple[int, date | None]:
    """Send the notices that were sent, each some days after it was due; answer the last level and its day."""
    level, noticed = 0, None
    day = due + timedelta(days=1 + chance.randint(0, 6))
    while level < LEVELS and (settled is None or day < settled):
        if not life.tell("DunningNoticeSent", day, hour=17, invoice=invoice, level=level + 1):
            break
        level, noticed = level + 1, day
        day += timedelta(days=DUNNING_DAYS + chance.randint(0, 6))
    return level, noticed
