"""Subjects' requests: what each person asked of the data that we hold, and whether the answer came in time."""

from collections.abc import Hashable, Iterable
from datetime import date, timedelta
from typing import Annotated, NamedTuple

from domain.company import day_number
from domain.touchpoint import Fact
from projections.view import Question, Row, View

_STEPS = frozenset({"SubjectRequestReceived", "SubjectRequestAnswered"})


class SubjectRequestRow(NamedTuple):
    """One request as it stands."""

    subject: Annotated[str, "the person who asked; after a merge the survivor"]
    request: Annotated[str, "the request's id"]
    asked_for: Annotated[
        str | None, "access, erasure, rectification or portability; null where only the answer is known"
    ]
    status: Annotated[str, "open or answered"]
    received_day: Annotated[str | None, "day it came, in the company's zone"]
    due_day: Annotated[str | None, "day it must be answered by: as named, or request_days after it came"]
    due_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    answered_day: Annotated[str | None, "day of the answer, in the company's zone; null while open"]
    outcome: Annotated[str | None, "granted, partly granted or refused; null while open, or where not told"]
    in_time: Annotated[int | None, "1 when answered by its due day, 0 when later; null while open"]


class Request:
    """What is known of one request."""

    __slots__ = ("answered", "received")

    def __init__(self) -> None:
        self.received: Fact | None = None
        self.answered: Fact | None = None


class SubjectRequests(View[tuple[str, dict[Hashable, Request]]]):
    """The requests of every person."""

    name = "subject_requests"
    comment = "Subjects' requests: what each person asked of their data, until when and whether it was answered."
    row_type = SubjectRequestRow
    key = ("subject", "request")
    kinds = _STEPS
    questions = (
        Question(
            name="open_requests",
            comment="Subjects' requests without an answer, the next to fall due first.",
            columns={
                "subject": "the person who asked",
                "request": "the request's id",
                "asked_for": "access, erasure, rectification or portability",
                "received_day": "day it came, in the company's zone",
                "due_day": "day it must be answered by",
                "days_left": "calendar days from the moment to that day; below zero when it has passed",
            },
            sql="""
                SELECT subject, request, asked_for, received_day, due_day, due_dayno - moment.dayno AS days_left
                FROM subject_requests
                CROSS JOIN moment
                WHERE status = 'open'
                ORDER BY days_left, subject, request
            """,
        ),
    )

    def initial(self, subject: str) -> tuple[str, dict[Hashable, Request]]:
        """A person who asked nothing."""
        return subject, {}

    def evolve(
        self, state: tuple[str, dict[Hashable, Request]], fact: Fact
    ) -> tuple[tuple[str, dict[Hashable, Request]], Iterable[Hashable]]:
        """Take a request or its answer; of several the first counts, as the rule of their life has it."""
        if fact.kind not in _STEPS:
            return state, ()
        request = state[1].setdefault(fact.data["request"], Request())
        if fact.kind == "SubjectRequestReceived":
            request.received = request.received or fact
        else:
            request.answered = request.answered or fact
        return state, (fact.data["request"],)

    def row(self, state: tuple[str, dict[Hashable, Request]], key: Hashable) -> Row | None:
        """The request of this id."""
        subject, requests = state
        request = requests.get(key)
        if request is None:
            return None
        received, answered, day = request.received, request.answered, self.company.day
        came = day(received) if received else None
        due = self._due(received.data.get("due"), came) if received and came else None
        answered_day = day(answered) if answered else None
        return SubjectRequestRow(
            subject,
            str(key),
            received.data["kind"] if received else None,
            "answered" if answered else "open",
            came,
            due,
            day_number(due) if due else None,
            answered_day,
            answered.data.get("outcome") if answered else None,
            int(answered_day <= due) if answered_day and due else None,
        )

    def _due(self, named: str | None, came: str) -> str | None:
        try:
            return named or (date.fromisoformat(came) + timedelta(days=self.company.request_days)).isoformat()
        except OverflowError:  # the calendar ends before
            return None
