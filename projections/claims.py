"""Claims: what one customer owes by invoices and instalments, and the payments for them, as the rules reckon them."""

from collections.abc import Iterable
from typing import Any

from domain.company import Company
from domain.judging import lived
from domain.lifecycle import RuleState
from domain.lifecycles.invoice import INVOICE, Bill
from domain.lifecycles.payment import PAYMENT, Money, held
from domain.touchpoint import Fact

CLAIM_KINDS = PAYMENT.kinds | INVOICE.kinds | {"PaymentScheduled"}
_BOOKS = (PAYMENT, INVOICE)

UNNAMED_PLAN = "unnamed"
"""The plan of instalments that name neither a contract nor an order."""

Entry = tuple[str, str]
"""An invoice, as ("", its id), or an instalment, as (its plan, its number)."""


class Claim:
    """What is told of one invoice: its issuing, what lessened it, its notices, and the payments that name it."""

    __slots__ = ("credited", "issued", "notice", "paid", "payments", "settled", "written_off")

    def __init__(self) -> None:
        self.issued: Fact | None = None
        self.settled: Fact | None = None
        self.notice: Fact | None = None
        self.paid: Fact | None = None
        self.payments: dict[str, None] = {}
        self.credited: list[dict[str, Any]] = []
        self.written_off: list[dict[str, Any]] = []


class Debtor:
    """The books of one subject, its claims by invoice, its instalments by (plan, number), its payments by id.

    `parts` are the ids of payments by the number of the instalment that they name, `invoiced` the plans that an
    invoice is for.
    """

    __slots__ = ("_numbered", "_planned", "claims", "instalments", "invoiced", "parts", "payments", "rules", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.rules = RuleState()
        self.claims: dict[str, Claim] = {}
        self.instalments: dict[Entry, Fact] = {}
        self.payments: dict[str, Fact] = {}
        self.parts: dict[str, dict[str, None]] = {}
        self.invoiced: set[str] = set()
        self._numbered: dict[str, dict[Entry, None]] = {}
        self._planned: dict[str, dict[Entry, None]] = {}

    def take(self, fact: Fact, company: Company) -> Iterable[Entry]:
        """Take a fact of an invoice, an instalment or a payment; answer what it may have changed.

        An invoice is ("", its id), an instalment (its plan, its number).
        """
        if fact.kind == "PaymentScheduled":
            number, plans = fact.data["instalment"], plans_of(fact)
            entry = (plans[0] if plans else UNNAMED_PLAN, number)
            self.instalments[entry] = fact
            self._numbered.setdefault(number, {})[entry] = None
            for plan in plans:
                self._planned.setdefault(plan, {})[entry] = None
            return self._numbered[number]
        self.rules = lived(self.rules, fact, company, _BOOKS)
        changed = dict[Entry, None]()
        if payment := fact.data.get("payment"):
            before = self.payments.get(payment)
            if fact.kind == "PaymentReceived":
                self.payments[payment] = fact
                if "instalment" in fact.data:
                    self.parts.setdefault(fact.data["instalment"], {})[payment] = None
            for told in (before, self.payments.get(payment)):
                changed |= self._concerned(told) if told else {}
        if invoice := fact.data.get("invoice"):
            changed["", invoice] = None
        for _, name in [key for key in changed if not key[0]]:
            self._note(name, fact)
        if fact.kind == "InvoiceIssued":
            for plan in plans_of(fact):
                changed |= self._planned.get(plan, {})
            for name in self.claims[fact.data["invoice"]].payments:
                changed |= self._concerned(self.payments[name])
        return changed

    def bill(self, invoice: str) -> Bill | None:
        """What the rules remember of an invoice; None until it is issued."""
        life = self.rules.get(("invoice", invoice))
        return life.memo if life and life.state else None

    def held(self, payment: str) -> Money:
        """What is left of a payment."""
        return held(self.rules.get(("payment", payment))) or Money()

    def plan_of(self, payment: Fact) -> str | None:
        """The plan that a payment's instalment belongs to: as it or its invoice says, else the only one it can be."""
        claim = self.claims.get(payment.data.get("invoice", ""))
        stated = {*plans_of(payment), *(plans_of(claim.issued) if claim and claim.issued else ())}
        plans = [
            entry[0]
            for entry in self._numbered.get(payment.data.get("instalment", ""), ())
            if not stated or stated & {*plans_of(self.instalments[entry])}
        ]
        return plans[0] if len(plans) == 1 else None

    def _note(self, invoice: str, fact: Fact) -> None:
        """Note a fact of an invoice, after the rules took it."""
        claim = self.claims.setdefault(invoice, Claim())
        match fact.kind:
            case "InvoiceIssued":
                claim.issued = fact
                self.invoiced.update(plans_of(fact))
            case "CreditNoteIssued":
                claim.credited.append(fact.data["amount"])
            case "DebtWrittenOff":
                claim.written_off.append(fact.data["amount"])
            case "DunningNoticeSent":
                claim.notice = fact
            case "PaymentReceived" if fact.data.get("invoice") == invoice:
                claim.paid = fact
                claim.payments[fact.data["payment"]] = None
            case _:
                pass
        life = self.rules.get(("invoice", invoice))
        claim.settled = (claim.settled or fact) if life and life.state == "settled" else None

    def _concerned(self, payment: Fact) -> dict[Entry, None]:
        """The invoice and the instalments that a payment may be for."""
        keys = {**self._numbered.get(payment.data.get("instalment", ""), {})}
        if "invoice" in payment.data:
            keys["", payment.data["invoice"]] = None
        return keys


def plans_of(fact: Fact) -> list[str]:
    """The plans that an instalment or invoice is of: contract/…, order/…."""
    return [f"{of}/{fact.data[of]}" for of in ("contract", "order") if of in fact.data]
