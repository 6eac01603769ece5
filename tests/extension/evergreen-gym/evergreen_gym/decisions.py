"""A trial that runs for long: somebody is given the task to ask how it goes."""

from datetime import date
from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.identifiers import derived_id
from domain.kinds.circle import TaskAssigned

from .kinds import TrialStarted

LONG_DAYS = 21


class Running(NamedTuple):
    """What is read of a trial membership."""

    subject: str
    trial: str
    started_day: str | None
    outcome: str | None


def begun_long_ago(company: Company, now: Now) -> Bounds:
    """Trials that began so many days ago, or earlier."""
    return {"started_day": (None, now.ago(LONG_DAYS))}


def ask_how_it_goes(running: Running, company: Company, now: Now) -> Proposal | None:
    """The task to ask today; once for each trial."""
    if running.outcome is not None:
        return None
    task = TaskAssigned(
        task=derived_id("long trial", running.trial),
        concerns=f"ask how trial {running.trial} goes",
        executor=company.escalate_to,
        due=date.fromisoformat(now.day),
    )
    return Proposal(running.subject, (running.trial,), (task,), because(TrialStarted, trial=running.trial))


LONG_TRIAL = Decision(
    name="long-trial",
    rule="a trial began three weeks ago and is not over: escalate_to gets the task to ask how it goes",
    reads="trials",
    row=Running,
    bounds=begun_long_ago,
    proposes=ask_how_it_goes,
)
