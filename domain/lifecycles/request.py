"""The life of a person's request to see, correct, take along or erase what we hold: answered once, and in time."""

from domain.company import days_between
from domain.kinds.circle import SubjectRequestAnswered, SubjectRequestReceived
from domain.lifecycle import Guard, Lifecycle, Step


def received(step: Step) -> tuple[str, str]:
    """The day it came, and the last day on which it may be answered, if one was named."""
    return step.world.company.day(step.fact), step.fact.data.get("due", "")


def answers_too_late(step: Step) -> bool:
    """The answer's day is after the due date, or after the company's own time to answer."""
    came, due = step.memo
    day, company = step.world.company.day(step.fact), step.world.company
    return day > due if due else days_between(came, day) > company.request_days


REQUEST = Lifecycle(
    "request",
    opens={SubjectRequestReceived: "received"},
    steps={"received": {SubjectRequestAnswered: "answered"}, "answered": {}},
    never="never received",
    twice="received twice",
    refuses={"answered": "already answered"},
    guards={
        SubjectRequestAnswered: [Guard("answered late", "the answer came after its due date", answers_too_late)],
    },
    keeps={SubjectRequestReceived: received},
)
