"""A customer about to be lost: one who is silent for long, measured by their own rhythm."""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.fields import SCORE_MAX
from domain.kinds.analysis import RecommendationIssued, RiskAssessed
from domain.kinds.order import OrderPlaced

SOURCE = "silence by own mean interval"


class Silent(NamedTuple):
    """A customer who bought on several days; `silence` is days since the last by the mean days between them."""

    subject: str
    last_day: str
    repeat_purchases: int
    silence: float | None
    status: str


def silent_too_long(company: Company, now: Now) -> Bounds:
    """Customers whose interval can be told from two at least, and has passed several times."""
    return {"repeat_purchases": (2, None), "silence": (company.silence_ratio, None)}


def risk(customer: Silent, company: Company, now: Now) -> Proposal | None:
    """The risk with its score, and a reminder for whoever looks after the customer; once for each silence."""
    if customer.silence is None or customer.status == "churned":
        return None
    score = min(round(customer.silence, 2), SCORE_MAX)
    assessed = RiskAssessed(risk="churn", score=score, source=SOURCE)
    reminder = RecommendationIssued(recommendation="reminder", basis=SOURCE)
    return Proposal(customer.subject, (customer.last_day,), (assessed, reminder), because(OrderPlaced))


CHURN_RISK = Decision(
    name="churn-risk",
    rule="a customer who bought again at least twice and has not left is silent for silence_ratio times the mean "
    "interval between their purchases: assess the risk and remind whoever looks after them, once for each silence",
    reads="buying_rhythm",
    row=Silent,
    bounds=silent_too_long,
    proposes=risk,
)
