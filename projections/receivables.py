"""Receivables: what customers owe by invoices and agreed instalments, what they paid of it, and how they are dunned."""

from collections.abc import Hashable, Iterable
from datetime import date, timedelta
from typing import Annotated, Any, NamedTuple

from domain.company import day_number
from domain.touchpoint import Fact
from projections.claims import CLAIM_KINDS, Claim, Debtor, plans_of
from projections.view import Question, Row, View, bounded


class Receivable(NamedTuple):
    """One invoice, or one instalment of an agreed plan."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    plan: Annotated[
        str, "what it is an instalment of, such as contract/c-1 or order/o-1, or unnamed; empty for an invoice"
    ]
    number: Annotated[str, "the invoice's or instalment's id"]
    form: Annotated[str, "invoice or instalment"]
    status: Annotated[str, "open, settled, written off, or unissued: only what came of the invoice is known"]
    counted: Annotated[
        int,
        "1: part of what is owed; 0: an instalment of what is invoiced as well, so that it is owed by its invoices",
    ]
    order_id: Annotated[str | None, "the order it is for"]
    contract: Annotated[str | None, "the contract it is for"]
    subscription: Annotated[str | None, "the subscription it is for"]
    issued_day: Annotated[str | None, "day it was issued or agreed, in the company's zone"]
    due_day: Annotated[str | None, "the day to pay by; null where none was stated"]
    due_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    currency: Annotated[str | None, "the ISO 4217 currency of the amounts; null where none is known"]
    amount_micros: Annotated[int | None, "what was asked or agreed, tax included, in millionths; null while unissued"]
    paid_micros: Annotated[int, "what came in for it and was not taken back, in millionths"]
    paid_apart_micros: Annotated[int, "of the paid, by payments that name no invoice, in millionths"]
    credited_micros: Annotated[int, "what was taken back of it by credit notes, in millionths"]
    written_off_micros: Annotated[int, "what was given up of it, in millionths"]
    open_micros: Annotated[
        int | None, "what is left to pay, in millionths; null while unissued, or where another currency was paid"
    ]
    credit_micros: Annotated[int, "what was paid beyond what was open, in millionths: the customer's"]
    payments: Annotated[int, "number of payments that name it"]
    paid_day: Annotated[str | None, "day of the last payment, in the company's zone"]
    settled_day: Annotated[str | None, "day on which nothing was left to pay, in the company's zone; null until then"]
    days_late: Annotated[int | None, "calendar days from the due day to that day; below zero when early"]
    dunning_level: Annotated[int, "the highest dunning notice sent; 0 where none was"]
    dunned_day: Annotated[str | None, "day of the last dunning notice, in the company's zone"]
    dunning_from_day: Annotated[
        str | None,
        "first day on which the next dunning notice is due: after the due day and the days of grace, and so many days "
        "after the last notice as the company leaves between two (settings); null unless an invoice is open and due",
    ]


class Receivables(View[Debtor]):
    """The receivables of every customer."""

    name = "receivables"
    comment = "Receivables: invoices and agreed instalments, what was paid, credited and dunned, one row each."
    row_type = Receivable
    key = ("subject", "plan", "number")
    kinds = CLAIM_KINDS
    questions = (
        Question(
            name="receivables_due",
            comment="What customers owe at the moment, by its age since the due day; currencies are kept apart.",
            columns={
                "currency": "the ISO 4217 currency of the amounts",
                "age": "not due, 1-30 days, 31-60 days, 61-90 days, over 90 days, or no due day",
                "place": "the place of this age, from 1, to sort by",
                "receivables": "number of invoices and instalments",
                "customers": "number of customers who owe them",
                "open_micros": "what is left to pay, in millionths of the currency",
                "reported_micros": "the same in the company's currency, at the rate of the moment; null without one",
                "oldest_due_day": "the earliest due day among them",
            },
            sql="""
                WITH aged AS (
                    SELECT subject, currency, open_micros, due_day,
                           CASE WHEN due_dayno IS NULL THEN 6 WHEN due_dayno >= moment.dayno THEN 1
                                WHEN moment.dayno - due_dayno <= 30 THEN 2 WHEN moment.dayno - due_dayno <= 60 THEN 3
                                WHEN moment.dayno - due_dayno <= 90 THEN 4 ELSE 5 END AS place
                    FROM receivables
                    CROSS JOIN moment
                    WHERE status = 'open' AND counted = 1 AND open_micros > 0
                ),
                summed AS (
                    SELECT currency, place, COUNT(*) AS receivables, COUNT(DISTINCT subject) AS customers,
                           CAST(SUM(open_micros) AS BIGINT) AS open_micros, MIN(due_day) AS oldest_due_day
                    FROM aged
                    GROUP BY currency, place
                )
                SELECT summed.currency,
                       CASE place WHEN 1 THEN 'not due' WHEN 2 THEN '1-30 days' WHEN 3 THEN '31-60 days'
                            WHEN 4 THEN '61-90 days' WHEN 5 THEN 'over 90 days' ELSE 'no due day' END AS age,
                       place, receivables, customers, open_micros,
                       open_micros / 1000000 * fx.rate_micros + open_micros % 1000000 * fx.rate_micros / 1000000
                           AS reported_micros,
                       oldest_due_day
                FROM summed
                CROSS JOIN moment
                LEFT JOIN fx_in_force AS fx ON fx.from_currency = summed.currency
                     AND fx.since_day <= moment.day AND moment.day < fx.until_day
                ORDER BY summed.currency, place
            """,
        ),
        Question(
            name="receivables_by_customer",
            comment="What each customer owes at the moment, how long overdue, and how they pay.",
            columns={
                "subject": "the customer",
                "currency": "the ISO 4217 currency of the amounts",
                "open_micros": "what is left to pay, in millionths of the currency",
                "overdue_micros": "of it overdue",
                "overdue_days": "calendar days that the oldest of it is overdue; null where nothing is",
                "dunning_level": "the highest dunning level of what is open",
                "written_off_micros": "what was ever given up, in millionths of the currency",
                "settled": "number of receivables settled",
                "mean_days_late": "mean calendar days from due day to settlement; below zero when early",
            },
            sql="""
                SELECT subject, currency,
                       CAST(COALESCE(SUM(open_micros) FILTER (WHERE status = 'open'), 0) AS BIGINT) AS open_micros,
                       CAST(COALESCE(SUM(open_micros) FILTER (WHERE status = 'open' AND due_dayno < moment.dayno), 0)
                            AS BIGINT) AS overdue_micros,
                       MAX(CASE WHEN status = 'open' AND due_dayno < moment.dayno
                                THEN moment.dayno - due_dayno END) AS overdue_days,
                       MAX(CASE WHEN status = 'open' THEN dunning_level ELSE 0 END) AS dunning_level,
                       CAST(SUM(written_off_micros) AS BIGINT) AS written_off_micros,
                       COUNT(*) FILTER (WHERE status = 'settled') AS settled,
                       AVG(CAST(days_late AS DOUBLE PRECISION)) AS mean_days_late
                FROM receivables
                CROSS JOIN moment
                WHERE counted = 1 AND status <> 'unissued'
                GROUP BY subject, currency
                ORDER BY overdue_micros DESC, open_micros DESC, subject
            """,
        ),
        Question(
            name="dunning_due",
            comment="Invoices for which a dunning notice is due at the moment, the longest overdue first.",
            columns={
                "subject": "the customer",
                "invoice": "the invoice's id",
                "level": "the level of the notice that is due",
                "due_day": "the day it was to be paid by",
                "overdue_days": "calendar days since",
                "dunned_day": "day of the notice before; null where none was sent",
                "currency": "the ISO 4217 currency of the amount",
                "open_micros": "what is left to pay, in millionths of the currency",
            },
            sql="""
                SELECT subject, number AS invoice, dunning_level + 1 AS level, due_day,
                       moment.dayno - due_dayno AS overdue_days, dunned_day, currency, open_micros
                FROM receivables
                CROSS JOIN moment
                WHERE form = 'invoice' AND status = 'open' AND open_micros > 0 AND dunning_from_day <= moment.day
                ORDER BY overdue_days DESC, subject, invoice
            """,
        ),
        Question(
            name="payment_plans",
            comment="Agreed payment plans against what was done: planned, fallen due, invoiced and paid at the moment.",
            columns={
                "subject": "the customer",
                "plan": "what the instalments are of, such as contract/c-1 or order/o-1",
                "currency": "the ISO 4217 currency of the amounts",
                "instalments": "number of instalments agreed",
                "planned_micros": "what they come to, in millionths of the currency",
                "fallen_due_micros": "of it due at the moment",
                "invoiced_micros": "what invoices for the same ask, less credit notes",
                "paid_micros": "what came in by those invoices and, without one, for the instalments",
                "behind_micros": "what fell due less what was paid; below zero where the customer is ahead",
            },
            sql="""
                WITH planned AS (
                    SELECT subject, plan, currency, COUNT(*) AS instalments, SUM(amount_micros) AS planned_micros,
                           COALESCE(SUM(amount_micros) FILTER (WHERE due_dayno <= moment.dayno), 0)
                               AS fallen_due_micros,
                           SUM(paid_apart_micros) AS paid_apart_micros
                    FROM receivables
                    CROSS JOIN moment
                    WHERE form = 'instalment'
                    GROUP BY subject, plan, currency
                ),
                billed AS (
                    SELECT subject, currency,
                           CASE WHEN contract IS NOT NULL THEN 'contract/' || contract ELSE 'order/' || order_id END
                               AS plan,
                           SUM(amount_micros - credited_micros) AS invoiced_micros, SUM(paid_micros) AS paid_micros
                    FROM receivables
                    WHERE form = 'invoice' AND status <> 'unissued'
                    GROUP BY subject, currency,
                             CASE WHEN contract IS NOT NULL THEN 'contract/' || contract ELSE 'order/' || order_id END
                )
                SELECT planned.subject, planned.plan, planned.currency, instalments,
                       CAST(planned_micros AS BIGINT) AS planned_micros,
                       CAST(fallen_due_micros AS BIGINT) AS fallen_due_micros,
                       CAST(COALESCE(invoiced_micros, 0) AS BIGINT) AS invoiced_micros,
                       CAST(COALESCE(paid_micros, 0) + paid_apart_micros AS BIGINT) AS paid_micros,
                       CAST(fallen_due_micros - COALESCE(paid_micros, 0) - paid_apart_micros AS BIGINT)
                           AS behind_micros
                FROM planned
                LEFT JOIN billed ON billed.subject = planned.subject AND billed.plan = planned.plan
                     AND billed.currency = planned.currency
                ORDER BY behind_micros DESC, planned.subject, planned.plan
            """,
        ),
    )

    def initial(self, subject: str) -> Debtor:
        """A customer who owes nothing."""
        return Debtor(subject)

    def evolve(self, state: Debtor, fact: Fact) -> tuple[Debtor, Iterable[Hashable]]:
        """Ask for money, agree on it, take it, give it up, or remind of it."""
        return state, state.take(fact, self.company) if fact.kind in CLAIM_KINDS else ()

    def row(self, state: Debtor, key: Hashable) -> Row | None:
        """The invoice of this ("", id), or the instalment of this (plan, number)."""
        match key:
            case ("", str() as invoice) if claim := state.claims.get(invoice):
                return self._invoice(state, invoice, claim)
            case (str() as plan, str() as number) if fact := state.instalments.get((plan, number)):
                return self._instalment(state, plan, number, fact)
        return None

    def _invoice(self, state: Debtor, invoice: str, claim: Claim) -> Row:
        bill, day = state.bill(invoice), self.company.day
        told = claim.issued.data if claim.issued else {}
        paid = [state.held(name) for name in claim.payments if state.payments[name].data.get("invoice") == invoice]
        currency = bill.currency if bill else paid[0].currency if paid else None
        due = bill.due or None if bill else None
        life = state.rules.get(("invoice", invoice))
        status = life.state if life and life.state else "unissued"
        settled = day(claim.settled) if claim.settled and status == "settled" else None
        if status == "settled" and claim.written_off:
            status = "written off"
        left = bill.open if bill else None
        due_no = day_number(due) if due else None
        return Receivable(
            state.subject,
            "",
            invoice,
            "invoice",
            status,
            1,
            told.get("order"),
            told.get("contract"),
            told.get("subscription"),
            day(claim.issued) if claim.issued else None,
            due,
            due_no,
            currency,
            bounded(bill.asked) if bill else None,
            bounded(sum(money.micros for money in paid if money.currency == currency)),
            0,
            _sum(claim.credited, currency),
            _sum(claim.written_off, currency),
            None if left is None else bounded(max(left, 0)),
            bounded(max(-left, 0)) if left is not None else 0,
            len(paid),
            day(claim.paid) if claim.paid else None,
            settled,
            day_number(settled) - due_no if settled and due_no is not None else None,
            bill.level if bill else 0,
            day(claim.notice) if claim.notice else None,
            self._dunning_from(due, claim) if status == "open" else None,
        )

    def _dunning_from(self, due: str | None, claim: Claim) -> str | None:
        if due is None:
            return None
        try:
            first = date.fromisoformat(due) + timedelta(days=max(self.company.dunning_grace_days, 1))
            if claim.notice:
                noticed = date.fromisoformat(self.company.day(claim.notice))
                first = max(first, noticed + timedelta(days=self.company.dunning_interval_days))
        except OverflowError:  # the calendar ends before
            return None
        return first.isoformat()

    def _instalment(self, state: Debtor, plan: str, number: str, fact: Fact) -> Row:
        day, amount, due = self.company.day, fact.data["amount"], date.fromisoformat(fact.data["due"])
        naming = [
            (payment, state.held(name))
            for name, payment in ((each, state.payments[each]) for each in state.parts.get(number, ()))
            if payment.data.get("instalment") == number and state.plan_of(payment) == plan
        ]
        foreign = any(money.currency != amount["currency"] for _, money in naming if money.micros)
        ours = [(payment, money.micros) for payment, money in naming if money.currency == amount["currency"]]
        paid = sum(micros for _, micros in ours)
        left = amount["micros"] - paid
        done = not foreign and not self.company.missed(left)
        last = max((payment for payment, _ in ours), default=None)
        settled = day(last) if last and done else None
        return Receivable(
            state.subject,
            plan,
            number,
            "instalment",
            "settled" if done else "open",
            int(state.invoiced.isdisjoint(plans_of(fact))),
            fact.data.get("order"),
            fact.data.get("contract"),
            None,
            day(fact),
            fact.data["due"],
            due.toordinal(),
            amount["currency"],
            amount["micros"],
            bounded(paid),
            bounded(sum(micros for payment, micros in ours if "invoice" not in payment.data)),
            0,
            0,
            None if foreign else bounded(max(left, 0)),
            0 if foreign else bounded(max(-left, 0)),
            len(naming),
            day(last) if last else None,
            settled,
            day_number(settled) - due.toordinal() if settled else None,
            0,
            None,
            None,
        )


def _sum(amounts: Iterable[dict[str, Any]], currency: str | None) -> int:
    return bounded(sum(amount["micros"] for amount in amounts if amount["currency"] == currency))
