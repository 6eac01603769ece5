"""Contracts: what was agreed, what it comes to, how it is to be paid, and what was done of that."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.company import day_number
from domain.judging import lived
from domain.lifecycle import RuleState
from domain.lifecycles.contract import CONTRACT, Terms
from domain.touchpoint import Fact
from projections.view import Question, Row, View, bounded


class ContractRow(NamedTuple):
    """One contract as it stands."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    contract: Annotated[str, "the contract's id"]
    status: Annotated[str, "running or terminated; unsigned where its signing is not known"]
    product: Annotated[str | None, "what it is about"]
    quote: Annotated[str | None, "the quote that it rests on"]
    payment_schedule: Annotated[str | None, "how it is to be paid, in words"]
    signed_day: Annotated[str | None, "day it was signed, in the company's zone; null where that is not known"]
    signed_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    until: Annotated[str | None, "the last day it runs to, as renewed last; null where it is open-ended"]
    currency: Annotated[str | None, "the ISO 4217 currency of the amounts; null where none is known"]
    total_micros: Annotated[int | None, "what the whole of it comes to, tax included, as amended last, in millionths"]
    scheduled_micros: Annotated[
        int | None, "what its instalments sum up to, in millionths; null without any, or in more than one currency"
    ]
    instalments: Annotated[int, "number of instalments agreed"]
    amendments: Annotated[int, "how often it was amended"]
    renewals: Annotated[int, "how often it was prolonged"]
    terminated_day: Annotated[str | None, "day it was ended by one side, in the company's zone"]
    terminated_by: Annotated[str | None, "by which side: customer or company"]
    terminated_reason: Annotated[str | None, "why"]
    owner: Annotated[str | None, "the actor of its signing"]


class _Contract:
    __slots__ = ("amendments", "renewals", "signed", "terminated", "until")

    def __init__(self) -> None:
        self.signed: Fact | None = None
        self.terminated: Fact | None = None
        self.until: str | None = None
        self.amendments = self.renewals = 0


class Cabinet:
    """The contracts of one subject by their ids, and what the rules remember of them."""

    __slots__ = ("contracts", "rules", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.rules = RuleState()
        self.contracts: dict[str, _Contract] = {}


class Contracts(View[Cabinet]):
    """The contracts of every customer."""

    name = "contracts"
    comment = "Contracts: what was agreed, its total and payment plan, renewals and end, one row each."
    row_type = ContractRow
    key = ("subject", "contract")
    kinds = CONTRACT.kinds
    questions = (
        Question(
            name="contract_plans",
            comment="Contracts against what was done of them at the moment: planned, fallen due, invoiced, paid.",
            columns={
                "subject": "the customer",
                "contract": "the contract",
                "status": "running or terminated",
                "currency": "the ISO 4217 currency of the amounts; null where none is known",
                "total_micros": "what the whole of it comes to, in millionths; null where that is not known",
                "scheduled_micros": "what its instalments sum up to, in millionths; null without any",
                "fallen_due_micros": "of the instalments due at the moment, in millionths",
                "invoiced_micros": "what invoices for it ask, less credit notes, in millionths",
                "paid_micros": "what came in by these invoices and, without one, for the instalments, in millionths",
                "left_micros": "total less paid, in millionths; null where the total is not known",
            },
            sql="""
                WITH done AS (
                    SELECT receivables.subject, contract, currency,
                           SUM(CASE WHEN form = 'instalment' AND due_dayno <= moment.dayno THEN amount_micros
                                    ELSE 0 END) AS fallen_due_micros,
                           SUM(CASE WHEN form = 'invoice' THEN amount_micros - credited_micros ELSE 0 END)
                               AS invoiced_micros,
                           SUM(CASE WHEN form = 'invoice' THEN paid_micros ELSE paid_apart_micros END) AS paid_micros
                    FROM receivables
                    CROSS JOIN moment
                    WHERE contract IS NOT NULL AND status <> 'unissued'
                    GROUP BY receivables.subject, contract, currency
                )
                SELECT contracts.subject, contracts.contract, status, contracts.currency, total_micros,
                       scheduled_micros, CAST(COALESCE(fallen_due_micros, 0) AS BIGINT) AS fallen_due_micros,
                       CAST(COALESCE(invoiced_micros, 0) AS BIGINT) AS invoiced_micros,
                       CAST(COALESCE(paid_micros, 0) AS BIGINT) AS paid_micros,
                       CAST(total_micros - COALESCE(paid_micros, 0) AS BIGINT) AS left_micros
                FROM contracts
                LEFT JOIN done ON done.subject = contracts.subject AND done.contract = contracts.contract
                     AND done.currency = contracts.currency
                WHERE status <> 'unsigned'
                ORDER BY left_micros DESC NULLS LAST, contracts.subject, contracts.contract
            """,
        ),
    )

    def initial(self, subject: str) -> Cabinet:
        """A customer without contracts."""
        return Cabinet(subject)

    def evolve(self, state: Cabinet, fact: Fact) -> tuple[Cabinet, Iterable[Hashable]]:
        """Take a step of a contract."""
        if fact.kind not in CONTRACT.kinds or not (name := fact.data.get("contract")):
            return state, ()
        state.rules = lived(state.rules, fact, self.company, (CONTRACT,))
        contract = state.contracts.setdefault(name, _Contract())
        contract.until = fact.data.get("until", contract.until)
        match fact.kind:
            case "ContractSigned":
                contract.signed = fact
            case "ContractAmended":
                contract.amendments += 1
            case "ContractRenewed":
                contract.renewals += 1
            case "ContractTerminated":
                contract.terminated = fact
            case _:
                pass
        return state, (name,)

    def row(self, state: Cabinet, key: Hashable) -> Row | None:
        """The contract of this id."""
        contract = state.contracts.get(str(key))
        if contract is None:
            return None
        day, life = self.company.day, state.rules.get(("contract", str(key)))
        terms: Terms = life.memo if life and life.state else Terms()
        signed, ended = contract.signed, contract.terminated
        told, said = signed.data if signed else {}, ended.data if ended else {}
        signed_day = day(signed) if signed else None
        scheduled = None if terms.scheduled is None or terms.foreign else bounded(terms.scheduled)
        return ContractRow(
            state.subject,
            str(key),
            life.state if life and life.state else "unsigned",
            told.get("product"),
            told.get("quote"),
            told.get("payment_schedule"),
            signed_day,
            day_number(signed_day) if signed_day else None,
            contract.until,
            terms.currency or None,
            terms.total,
            scheduled,
            sum(1 for _ in terms.instalments.items()),
            contract.amendments,
            contract.renewals,
            day(ended) if ended else None,
            said.get("by"),
            said.get("reason"),
            signed.envelope.get("actor") if signed else None,
        )
