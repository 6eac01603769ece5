"""A customer about to be lost: one who has probably left unseen, or is silent for long by their own rhythm."""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Estimate, Now, Proposal, because
from domain.fields import SCORE_MAX
from domain.kinds.analysis import RecommendationIssued, RiskAssessed
from domain.kinds.order import OrderPlaced

CHANCE = "1 - P(alive)"
RHYTHM = "silence by own mean interval"
RHYTHM_PURCHASES_MIN = 2
"""Repeat purchases from which an interval is a rhythm."""


class Silent(NamedTuple):
    """A customer who bought on several days.

    `silence` is days since the last by the mean days between them; `alive` the chance that they have not left, by a
    model fitted to all customers.
    """

    subject: str
    last_day: str
    repeat_purchases: int
    silence: float | None
    status: str
    alive: Estimate


def bought_again(company: Company, now: Now) -> Bounds:
    """Customers of whose rhythm something can be told."""
    return {"repeat_purchases": (1, None)}


def risk(customer: Silent, company: Company, now: Now) -> Proposal | None:
    """The risk with its score, and a reminder for whoever looks after the customer; once for each silence."""
    if customer.status == "churned":
        return None
    chance, told = customer.alive
    if chance is not None:
        if chance >= company.alive_chance_min:
            return None
        score, source, basis = round(1 - chance, 4), CHANCE, f"P(alive) {chance:.4f} by {told}"
    else:
        silence = customer.silence
        if silence is None or silence < company.silence_ratio or customer.repeat_purchases < RHYTHM_PURCHASES_MIN:
            return None
        score, source = min(round(silence, 2), SCORE_MAX), RHYTHM
        basis = f"silent for {silence:.2f} times their mean interval; no P(alive): {told}"
    assessed = RiskAssessed(risk="churn", score=score, source=source)
    reminder = RecommendationIssued(recommendation="reminder", basis=basis)
    return Proposal(customer.subject, (customer.last_day,), (assessed, reminder), because(OrderPlaced))


CHURN_RISK = Decision(
    name="churn-risk",
    rule="a customer who bought again and has not left may be about to be lost: where BG/NBD can be fitted to the "
    "purchases of all, as of the cursor, one whose P(alive) is below alive_chance_min; where not, one who bought again "
    "at least twice and is silent for silence_ratio times the mean interval between their purchases. Assess the risk "
    "and remind whoever looks after them, once for each silence",
    reads="buying_rhythm",
    row=Silent,
    bounds=bought_again,
    proposes=risk,
    estimates=("alive",),
)
