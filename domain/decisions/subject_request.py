"""Subjects' requests falling due: an answer that the law wants by a day is somebody's task before it."""

from datetime import date
from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.identifiers import derived_id
from domain.kinds.circle import SubjectRequestReceived, TaskAssigned


class Unanswered(NamedTuple):
    """A subject's request without an answer."""

    subject: str
    request: str
    asked_for: str
    due_day: str
    days_left: int


def falls_due(company: Company, now: Now) -> Bounds:
    """Requests that must be answered soon, or should have been."""
    return {"days_left": (None, company.request_warning_days)}


def task(unanswered: Unanswered, company: Company, now: Now) -> Proposal:
    """The task to answer by the day that the request is due."""
    request = unanswered.request
    given = TaskAssigned(
        task=derived_id("subject request", request),
        concerns=f"answer request {request} for {unanswered.asked_for}",
        executor=company.privacy_officer or company.escalate_to,
        due=date.fromisoformat(unanswered.due_day),
    )
    return Proposal(unanswered.subject, (request,), (given,), because(SubjectRequestReceived, request=request))


SUBJECT_REQUEST = Decision(
    name="subject-request",
    rule="a subject's request must be answered within request_warning_days and was not: privacy_officer, or else "
    "escalate_to, gets the task",
    reads="open_requests",
    row=Unanswered,
    bounds=falls_due,
    proposes=task,
)
