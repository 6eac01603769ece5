"""Payments: what came in, for what, what failed, and what was taken back."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.company import day_number
from domain.judging import lived
from domain.lifecycle import RuleState
from domain.lifecycles.payment import PAYMENT, held
from domain.touchpoint import Fact
from projections.view import Question, Row, View, bounded


class PaymentRow(NamedTuple):
    """One payment as it stands."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    payment: Annotated[str, "the payment's id"]
    status: Annotated[
        str, "received, failed, reversed (all of it was taken back), or unknown: only its reversal was told"
    ]
    invoice: Annotated[str | None, "the invoice it names"]
    order_id: Annotated[str | None, "the order it names"]
    instalment: Annotated[str | None, "the instalment it names"]
    assigned: Annotated[int, "1 where it names one of these, else 0: money that nobody knows the purpose of"]
    method: Annotated[str | None, "how it was paid"]
    currency: Annotated[str | None, "the ISO 4217 currency of the amounts; null where none was told"]
    amount_micros: Annotated[int | None, "what came in, or was to, in millionths; null where that was not told"]
    kept_micros: Annotated[int, "what is left of it after what was taken back, in millionths"]
    day: Annotated[str, "day it came in, else of its last failure or reversal, in the company's zone"]
    dayno: Annotated[int, "the same as a day number (1 is 0001-01-01), to subtract"]
    failures: Annotated[int, "how often it was tried and did not go through"]
    reversed_day: Annotated[str | None, "day on which it, or a part of it, was last taken back, in the company's zone"]
    reason: Annotated[str | None, "why it failed or was taken back, as told last"]


class _Payment:
    __slots__ = ("failures", "last", "received", "reversed")

    def __init__(self, fact: Fact) -> None:
        self.last = fact
        self.failures = 0
        self.received: Fact | None = None
        self.reversed: Fact | None = None


class Purse:
    """The payments of one subject by their ids, and what the rules remember of them."""

    __slots__ = ("payments", "rules", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.rules = RuleState()
        self.payments: dict[str, _Payment] = {}


class Payments(View[Purse]):
    """The payments of every customer."""

    name = "payments"
    comment = "Payments: what came in, for what, what failed and what was taken back, one row each."
    row_type = PaymentRow
    key = ("subject", "payment")
    kinds = PAYMENT.kinds
    questions = (
        Question(
            name="payments_by_month",
            comment="What came in by month and method, and what did not; currencies are kept apart.",
            columns={
                "period": "month of the payment, 2026-03",
                "method": "how it was paid; null where that was not told",
                "currency": "the ISO 4217 currency of the amounts; null where none was told",
                "payments": "number of payments that came in or were tried",
                "failed": "of these that did not go through",
                "reversed": "of these that were wholly taken back",
                "retried": "of these that came in after a failure",
                "kept_micros": "what came in and was not taken back, in millionths of the currency",
            },
            sql="""
                SELECT substr(day, 1, 7) AS period, method, currency, COUNT(*) AS payments,
                       COUNT(*) FILTER (WHERE status = 'failed') AS failed,
                       COUNT(*) FILTER (WHERE status = 'reversed') AS reversed,
                       COUNT(*) FILTER (WHERE status = 'received' AND failures > 0) AS retried,
                       CAST(SUM(kept_micros) AS BIGINT) AS kept_micros
                FROM payments
                GROUP BY substr(day, 1, 7), method, currency
                ORDER BY period, kept_micros DESC, method NULLS LAST
            """,
        ),
        Question(
            name="payments_unassigned",
            comment="Money that came in and names neither invoice nor order nor instalment, the oldest first.",
            columns={
                "subject": "the customer",
                "payment": "the payment's id",
                "day": "day it came in",
                "days": "calendar days that it has lain there at the moment",
                "currency": "the ISO 4217 currency of the amount",
                "kept_micros": "what is left of it, in millionths of the currency",
            },
            sql="""
                SELECT subject, payment, payments.day, moment.dayno - payments.dayno AS days, currency, kept_micros
                FROM payments
                CROSS JOIN moment
                WHERE assigned = 0 AND kept_micros > 0
                ORDER BY payments.day, subject, payment
            """,
        ),
    )

    def initial(self, subject: str) -> Purse:
        """A customer who paid nothing."""
        return Purse(subject)

    def evolve(self, state: Purse, fact: Fact) -> tuple[Purse, Iterable[Hashable]]:
        """Take a payment, or what became of it."""
        if fact.kind not in PAYMENT.kinds:
            return state, ()
        state.rules = lived(state.rules, fact, self.company, (PAYMENT,))
        name: str = fact.data["payment"]
        payment = state.payments.setdefault(name, _Payment(fact))
        payment.last = fact
        match fact.kind:
            case "PaymentReceived":
                payment.received = fact
            case "PaymentFailed":
                payment.failures += 1
            case _:
                payment.reversed = fact
        return state, (name,)

    def row(self, state: Purse, key: Hashable) -> Row | None:
        """The payment of this id."""
        payment = state.payments.get(str(key))
        if payment is None:
            return None
        life, told, day = state.rules.get(("payment", str(key))), payment.received or payment.last, self.company.day
        money, amount = held(life), told.data.get("amount")
        invoice, order, instalment = (told.data.get(name) for name in ("invoice", "order", "instalment"))
        told_day = day(told)
        return PaymentRow(
            state.subject,
            str(key),
            life.state if life and life.state else "unknown",
            invoice,
            order,
            instalment,
            int(any((invoice, order, instalment))),
            told.data.get("method"),
            amount["currency"] if amount else None,
            amount["micros"] if amount else None,
            bounded(money.micros) if money else 0,
            told_day,
            day_number(told_day),
            payment.failures,
            day(payment.reversed) if payment.reversed else None,
            payment.last.data.get("reason"),
        )
