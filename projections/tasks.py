"""Tasks: who is to do what for a customer until when, what became of it, and whether it was in time."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.company import day_number
from domain.touchpoint import Fact
from projections.view import Question, Row, View

_STEPS = frozenset({"TaskAssigned", "TaskRescheduled", "TaskClosed"})


class TaskRow(NamedTuple):
    """One task as it stands."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    task: Annotated[str, "the task's id"]
    concerns: Annotated[str | None, "what is to be done, or about what, as last assigned"]
    executor: Annotated[str | None, "who of us is to do it, as last assigned; null where nobody is"]
    status: Annotated[str, "open, done, cancelled or failed"]
    start_day: Annotated[str | None, "day to begin on, as last assigned"]
    due_day: Annotated[str | None, "day to be done by, as last set; null where none was"]
    due_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    first_due_day: Annotated[str | None, "day to be done by, as first set"]
    assigned_at: Annotated[int | None, "when it was first given to somebody, microseconds since 1970 UTC"]
    assigned_day: Annotated[str | None, "the same as a day, in the company's zone"]
    closed_at: Annotated[int | None, "when it ended, microseconds since 1970 UTC; null while open"]
    closed_day: Annotated[str | None, "the same as a day, in the company's zone"]
    days_late: Annotated[int | None, "calendar days from due day to end; below zero when early; null while open"]
    on_time: Annotated[int | None, "1 when done by its due day, 0 when later or failed; null where neither can be told"]
    on_first_time: Annotated[int | None, "the same against the day first set, before it was rescheduled"]
    assignments: Annotated[int, "how often it was given to somebody"]
    reschedules: Annotated[int, "how often it got another day"]


class Task:
    """What is known of one task."""

    __slots__ = ("assigned", "assignments", "closed", "concerns", "due", "executor", "first_due", "moves", "start")

    def __init__(self) -> None:
        self.concerns: str | None = None
        self.executor: str | None = None
        self.start: str | None = None
        self.due: str | None = None
        self.first_due: str | None = None
        self.assigned: Fact | None = None
        self.closed: Fact | None = None
        self.assignments = self.moves = 0

    def take(self, fact: Fact) -> None:
        """Take the next step of its life."""
        data = fact.data
        match fact.kind:
            case "TaskClosed":
                self.closed = self.closed or fact  # closing it again is a breach; the first counts
                return
            case "TaskAssigned":
                self.assigned = self.assigned or fact
                self.assignments += 1
                self.concerns, self.executor = data["concerns"], data.get("executor")
                self.start = data.get("start", self.start)
            case _:
                self.moves += 1
        self.due = data.get("due", self.due)
        self.first_due = self.first_due or self.due


class Tasks(View[tuple[str, dict[Hashable, Task]]]):
    """The tasks about every customer."""

    name = "tasks"
    comment = "Tasks: who is to do what until when, whether it was done and in time, one row each."
    row_type = TaskRow
    key = ("subject", "task")
    kinds = _STEPS
    questions = (
        Question(
            name="open_tasks",
            comment="What is still to be done, the longest overdue first.",
            columns={
                "subject": "the customer it is about",
                "task": "the task's id",
                "concerns": "what is to be done, or about what",
                "executor": "who is to do it; null where nobody is",
                "due_day": "day to be done by; null where none was set",
                "days_overdue": "calendar days since the due day; below zero while there is time; null without one",
                "overdue": "1 when the due day is over at the moment, else 0",
            },
            sql="""
                SELECT subject, task, concerns, executor, due_day, moment.dayno - due_dayno AS days_overdue,
                       CASE WHEN due_dayno < moment.dayno THEN 1 ELSE 0 END AS overdue
                FROM tasks
                CROSS JOIN moment
                WHERE status = 'open'
                ORDER BY days_overdue DESC NULLS LAST, subject, task
            """,
        ),
        Question(
            name="task_punctuality",
            comment="Who does what they took on, and in time. Without a due day a task is neither in time nor late.",
            columns={
                "executor": "who was to do it; null where nobody was",
                "tasks": "number of tasks",
                "open": "of these still open",
                "overdue": "of the open ones, those whose due day is over at the moment",
                "done": "number of tasks done",
                "failed": "number of tasks that failed",
                "on_time": "number of tasks done by the day last set",
                "on_time_share": "share of these among all with a due day that are done, failed or overdue, 0 to 1",
                "on_first_time": "number of tasks done by the day first set",
                "rescheduled": "number of tasks that got another day",
                "mean_days_late": "mean calendar days from due day to end of those done; below zero when early",
            },
            sql="""
                SELECT executor, COUNT(*) AS tasks,
                       COUNT(*) FILTER (WHERE status = 'open') AS open,
                       COUNT(*) FILTER (WHERE status = 'open' AND due_dayno < moment.dayno) AS overdue,
                       COUNT(*) FILTER (WHERE status = 'done') AS done,
                       COUNT(*) FILTER (WHERE status = 'failed') AS failed,
                       COUNT(*) FILTER (WHERE on_time = 1) AS on_time,
                       AVG(CAST(CASE WHEN status = 'open' AND due_dayno < moment.dayno THEN 0 ELSE on_time END
                                AS DOUBLE PRECISION)) AS on_time_share,
                       COUNT(*) FILTER (WHERE on_first_time = 1) AS on_first_time,
                       COUNT(*) FILTER (WHERE reschedules > 0) AS rescheduled,
                       AVG(CAST(days_late AS DOUBLE PRECISION)) FILTER (WHERE status = 'done') AS mean_days_late
                FROM tasks
                CROSS JOIN moment
                GROUP BY executor
                ORDER BY tasks DESC, executor NULLS LAST
            """,
        ),
    )

    def initial(self, subject: str) -> tuple[str, dict[Hashable, Task]]:
        """A customer for whom nothing is to be done."""
        return subject, {}

    def evolve(
        self, state: tuple[str, dict[Hashable, Task]], fact: Fact
    ) -> tuple[tuple[str, dict[Hashable, Task]], Iterable[Hashable]]:
        """Take a step of a task; one that nobody was given is known from then on."""
        if fact.kind not in _STEPS:
            return state, ()
        name, tasks = fact.data["task"], state[1]
        task = tasks.get(name)
        if task is None:
            task = tasks[name] = Task()
        task.take(fact)
        return state, (name,)

    def row(self, state: tuple[str, dict[Hashable, Task]], key: Hashable) -> Row | None:
        """The task of this id."""
        subject, tasks = state
        task = tasks.get(key)
        if task is None:
            return None
        day, closed = self.company.day, task.closed
        outcome = closed.data["outcome"] if closed else "open"
        closed_day = day(closed) if closed else None
        return TaskRow(
            subject,
            str(key),
            task.concerns,
            task.executor,
            outcome,
            task.start,
            task.due,
            day_number(task.due) if task.due else None,
            task.first_due,
            task.assigned.at if task.assigned else None,
            day(task.assigned) if task.assigned else None,
            closed.at if closed else None,
            closed_day,
            _days_late(task.due, closed_day),
            _in_time(outcome, task.due, closed_day),
            _in_time(outcome, task.first_due, closed_day),
            task.assignments,
            task.moves,
        )


def _days_late(due: str | None, closed: str | None) -> int | None:
    return day_number(closed) - day_number(due) if due and closed else None


def _in_time(outcome: str, due: str | None, closed: str | None) -> int | None:
    if due is None or closed is None or outcome == "cancelled":
        return None
    return int(outcome == "done" and closed <= due)
