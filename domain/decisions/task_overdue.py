"""Tasks overdue: what nobody did by its day goes to whom tasks are escalated to."""

from datetime import date
from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.kinds.circle import TaskAssigned


class Open(NamedTuple):
    """A task that is still to be done."""

    subject: str
    task: str
    concerns: str | None
    executor: str | None
    due_day: str | None
    days_overdue: int | None


def overdue(company: Company, now: Now) -> Bounds:
    """Tasks whose due day is over."""
    return {"days_overdue": (1, None)}


def escalated(task: Open, company: Company, now: Now) -> Proposal | None:
    """The same task, its day unchanged, in other hands; once for each day that it was due."""
    if task.due_day is None or (task.executor is not None and task.executor == company.escalate_to):
        return None
    given = TaskAssigned(
        task=task.task,
        concerns=task.concerns or "not told",
        executor=company.escalate_to,
        due=date.fromisoformat(task.due_day),
    )
    return Proposal(task.subject, (task.task, task.due_day), (given,), because(TaskAssigned, task=task.task))


TASK_OVERDUE = Decision(
    name="task-overdue",
    rule="a task is open after its due day: it goes to escalate_to, once for each day that it was due",
    reads="open_tasks",
    row=Open,
    bounds=overdue,
    proposes=escalated,
)
