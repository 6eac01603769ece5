"""Dunning: remind the customer of an invoice that is overdue, level by level."""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.kinds.fulfilment import DunningNoticeSent, InvoiceIssued


class Due(NamedTuple):
    """An invoice for which a notice is due."""

    subject: str
    invoice: str
    level: int


def up_to_the_last_level(company: Company, now: Now) -> Bounds:
    """Levels that are left to the program; whoever owes on after the last is for a person to deal with."""
    return {"level": (1, company.dunning_levels_max)}


def notice(due: Due, company: Company, now: Now) -> Proposal:
    """The notice of the level that is due."""
    sent = DunningNoticeSent(invoice=due.invoice, level=due.level)
    return Proposal(due.subject, (due.invoice, str(due.level)), (sent,), because(InvoiceIssued, invoice=due.invoice))


DUNNING = Decision(
    name="dunning",
    rule="an invoice is open after its due day, days of grace and the interval since the last notice: send the next "
    "level, up to dunning_levels_max",
    reads="dunning_due",
    row=Due,
    bounds=up_to_the_last_level,
    proposes=notice,
)
