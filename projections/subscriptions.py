"""Subscriptions: who pays for what again and again, what that comes to in a month, and how it went on."""

from collections import Counter
from collections.abc import Hashable, Iterable
from datetime import date, timedelta
from typing import Annotated, Any, NamedTuple

from domain.company import Company, day_number
from domain.touchpoint import Fact
from projections.view import Question, Row, View, bounded

SUBSCRIPTION_KINDS = frozenset(
    {"SubscriptionStarted", "SubscriptionChanged", "SubscriptionPaused", "SubscriptionRenewed", "SubscriptionEnded"}
)
# A month is a twelfth of 365.25 days.
_IN_A_MONTH = {"day": (487, 16), "week": (487, 112), "month": (1, 1), "quarter": (1, 3), "year": (1, 12)}


def month_micros(amount: int, interval: str, count: int) -> int:
    """What a recurring amount comes to in a month, in the same millionths, cut off below.

    A month is a twelfth of a year of 365.25 days; a count of 0 is taken for 1.
    """
    times, by = _IN_A_MONTH[interval]
    return amount * times // (by * max(count, 1))


class Movement(NamedTuple):
    """A day on which what a subscription brings in a month changed, perhaps one to come."""

    day: str
    cause: str
    plan: str
    currency: str
    before: int
    after: int


class Course:
    """How one subscription went on, and the movements that this comes to; `early` is what was told before its start."""

    __slots__ = (
        "early",
        "ended",
        "movements",
        "paused",
        "plan",
        "resumes",
        "started",
        "status",
        "terms",
        "told",
        "until",
    )

    def __init__(self) -> None:
        self.status = "unstarted"
        self.early: list[Fact] = []
        self.told = Counter[str]()
        self.started: Fact | None = None
        self.paused: Fact | None = None
        self.ended: Fact | None = None
        self.terms: dict[str, Any] = {}
        self.until: str | None = None
        self.plan: str | None = None
        self.movements: list[Movement] = []
        self.resumes: tuple[str, str] | None = None
        """The day on which it will be paid for, and why, unless something comes before."""

    def take(self, fact: Fact, company: Company) -> None:
        """Take the next fact; what was told before the start counts after it."""
        self.told[fact.kind] += 1
        if self.started is None and fact.kind != "SubscriptionStarted":
            self.plan = fact.data.get("plan", self.plan)
            self.early.append(fact)
            return
        early, self.early = self.early, []
        for each in (fact, *early):
            self._step(each, company.day(each))

    def known(self) -> list[Movement]:
        """The movements, with the one that will come of itself when a trial or a pause is over."""
        if not self.resumes:
            return [*self.movements]
        day, cause = self.resumes
        return [*self.movements, *self._moves(day, cause, self.full())]

    def full(self) -> int:
        """What it brings in a month when it is paid for, in millionths."""
        amount = self.terms["recurring_amount"]["micros"]
        return month_micros(amount, self.terms["interval"], self.terms.get("interval_count", 1))

    def _step(self, fact: Fact, day: str) -> None:
        data = fact.data
        self.plan = data.get("plan", self.plan)
        if self.resumes and self.resumes[0] <= day:
            (back, cause), self.resumes = self.resumes, None
            self.movements += self._moves(back, cause, self.full())
            self.status = "active"
        match fact.kind:
            case "SubscriptionStarted":
                self.started, again = self.started or fact, self.started is not None
                self.status, self.terms, self.ended, self.paused = "active", data, None, None
                trial = _day_after(data.get("trial_until"))
                self.resumes = (trial, "trial over") if trial and trial > day else None
                if self.resumes is None:
                    self._move(day, "started again" if again else "started", self.full())
            case "SubscriptionChanged":
                self.terms = {**self.terms, **data}
                if self.status == "active" and self.resumes is None:
                    self._move(day, "changed", self.full())
            case "SubscriptionPaused" if self.status != "ended":
                self.status, self.paused = "paused", fact
                over = _day_after(data.get("until"))
                self.resumes = (over, "pause over") if over else None
                self._move(day, "paused", 0)
            case "SubscriptionRenewed":
                self.until = data["until"]
                if self.status == "paused":
                    self.status, self.resumes = "active", None
                    self._move(day, "renewed", self.full())
            case "SubscriptionEnded":
                self.status, self.ended, self.resumes = "ended", fact, None
                self._move(day, "ended", 0)
            case _:
                pass

    def _move(self, day: str, cause: str, after: int) -> None:
        self.movements += self._moves(day, cause, after)

    def _moves(self, day: str, cause: str, after: int) -> list[Movement]:
        """The movement to another amount; to another currency it is two."""
        last = self.movements[-1] if self.movements else None
        plan, currency = str(self.plan), self.terms["recurring_amount"]["currency"]
        if last is None:
            return [Movement(day, cause, plan, currency, 0, after)] if after else []
        day = max(day, last.day)  # never before what it follows on, whatever the clocks said
        if last.currency == currency or not last.after:
            same = last.after if last.currency == currency else 0
            return [Movement(day, cause, plan, currency, same, after)] if same != after else []
        gone = Movement(day, cause, plan, last.currency, last.after, 0)
        return [gone, Movement(day, cause, plan, currency, 0, after)] if after else [gone]


def _day_after(day: str | None) -> str | None:
    """The day after; None where there is none, the calendar's last day among them."""
    if day is None or day == date.max.isoformat():
        return None
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


class SubscriptionRow(NamedTuple):
    """One subscription as it was told last."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    subscription: Annotated[str, "the subscription's id"]
    status: Annotated[str, "active, paused or ended, as told last; unstarted where its start is not known"]
    plan: Annotated[str | None, "the plan, as told last"]
    currency: Annotated[str | None, "the ISO 4217 currency of the amounts; null where its start is not known"]
    amount_micros: Annotated[int | None, "what is paid each interval, without tax, in millionths"]
    interval: Annotated[str | None, "the unit of time between two payments: day, week, month, quarter or year"]
    interval_count: Annotated[int | None, "how many such units"]
    month_micros: Annotated[int | None, "what that comes to in a month (a twelfth of 365.25 days), in millionths"]
    started_day: Annotated[str | None, "day it began, in the company's zone; null where that is not known"]
    started_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    trial_until: Annotated[str | None, "the last day of the free trial"]
    until: Annotated[str | None, "the last day that it was renewed to"]
    paused_day: Annotated[str | None, "day of the last pause, in the company's zone"]
    resumes_day: Annotated[str | None, "first day after the trial or pause that it is in; null in none, or without end"]
    ended_day: Annotated[str | None, "day it ended, in the company's zone; null unless ended"]
    ended_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    end_reason: Annotated[str | None, "why it ended"]
    days: Annotated[int | None, "calendar days from start to end; null unless ended"]
    changes: Annotated[int, "how often plan or price changed"]
    renewals: Annotated[int, "how often it was renewed"]
    pauses: Annotated[int, "how often it was paused"]
    channel: Annotated[str | None, "the channel that it was begun through"]
    owner: Annotated[str | None, "the actor of its start"]


class Subscribed:
    """The subscriptions of one subject by their ids."""

    __slots__ = ("courses", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.courses: dict[Hashable, Course] = {}

    def take(self, fact: Fact, company: Company) -> tuple[str, Course]:
        """Take a fact of a subscription; answer which."""
        name: str = fact.data["subscription"]
        course = self.courses.setdefault(name, Course())
        course.take(fact, company)
        return name, course


class Subscriptions(View[Subscribed]):
    """The subscriptions of every customer."""

    name = "subscriptions"
    comment = "Subscriptions: plan, recurring amount, changes, pauses and end, one row each, as told last."
    row_type = SubscriptionRow
    key = ("subject", "subscription")
    kinds = SUBSCRIPTION_KINDS
    questions = (
        Question(
            name="subscriptions_by_plan",
            comment="Which plans are held, and what they bring in a month, at the moment; currencies are kept apart.",
            columns={
                "plan": "the plan, as told last",
                "currency": "the ISO 4217 currency of the amount",
                "subscriptions": "number of subscriptions that began",
                "active": "of these paid for at the moment",
                "in_trial": "of these in a free trial",
                "paused": "of these paused",
                "ended": "of these ended",
                "month_micros": "what the active ones bring in a month, in millionths of the currency",
                "mean_days": "mean calendar days of those that ended",
            },
            sql="""
                WITH now AS (
                    SELECT plan, currency, month_micros, days,
                           CASE WHEN status = 'ended' THEN 'ended'
                                WHEN resumes_day > moment.day AND status = 'active' THEN 'in trial'
                                WHEN status = 'paused' AND (resumes_day IS NULL OR resumes_day > moment.day)
                                THEN 'paused' ELSE 'active' END AS status
                    FROM subscriptions
                    CROSS JOIN moment
                    WHERE status <> 'unstarted'
                )
                SELECT plan, currency, COUNT(*) AS subscriptions,
                       COUNT(*) FILTER (WHERE status = 'active') AS active,
                       COUNT(*) FILTER (WHERE status = 'in trial') AS in_trial,
                       COUNT(*) FILTER (WHERE status = 'paused') AS paused,
                       COUNT(*) FILTER (WHERE status = 'ended') AS ended,
                       CAST(COALESCE(SUM(month_micros) FILTER (WHERE status = 'active'), 0) AS BIGINT)
                           AS month_micros,
                       AVG(CAST(days AS DOUBLE PRECISION)) AS mean_days
                FROM now
                GROUP BY plan, currency
                ORDER BY month_micros DESC, plan, currency
            """,
        ),
        Question(
            name="subscription_ends",
            comment="Why subscriptions end: by the month of the end, plan and reason.",
            columns={
                "period": "month of the end, 2026-03",
                "plan": "the plan held last",
                "reason": "why; null where no reason was stated",
                "currency": "the ISO 4217 currency of the amount; null where the start is not known",
                "ended": "number of subscriptions that ended",
                "month_micros": "what they had brought in a month, in millionths of the currency",
                "mean_days": "mean calendar days that they had lasted",
            },
            sql="""
                SELECT substr(ended_day, 1, 7) AS period, plan, end_reason AS reason, currency, COUNT(*) AS ended,
                       CAST(SUM(month_micros) AS BIGINT) AS month_micros,
                       AVG(CAST(days AS DOUBLE PRECISION)) AS mean_days
                FROM subscriptions
                WHERE ended_day IS NOT NULL
                GROUP BY substr(ended_day, 1, 7), plan, end_reason, currency
                ORDER BY period, ended DESC, plan, reason NULLS LAST
            """,
        ),
    )

    def initial(self, subject: str) -> Subscribed:
        """A customer without subscriptions."""
        return Subscribed(subject)

    def evolve(self, state: Subscribed, fact: Fact) -> tuple[Subscribed, Iterable[Hashable]]:
        """Take a step of a subscription."""
        if fact.kind not in SUBSCRIPTION_KINDS:
            return state, ()
        return state, (state.take(fact, self.company)[0],)

    def row(self, state: Subscribed, key: Hashable) -> Row | None:
        """The subscription of this id."""
        course = state.courses.get(key)
        if course is None:
            return None
        day, terms, started, ended = self.company.day, course.terms, course.started, course.ended
        amount = terms.get("recurring_amount") if started else None
        started_day, ended_day = (day(fact) if fact else None for fact in (started, ended))
        first, last = (day_number(each) if each else None for each in (started_day, ended_day))
        return SubscriptionRow(
            state.subject,
            str(key),
            course.status,
            course.plan,
            amount["currency"] if amount else None,
            amount["micros"] if amount else None,
            terms.get("interval"),
            terms.get("interval_count", 1) if started else None,
            bounded(course.full()) if started else None,
            started_day,
            first,
            terms.get("trial_until"),
            course.until,
            day(course.paused) if course.paused else None,
            course.resumes[0] if course.resumes else None,
            ended_day,
            last,
            ended.data.get("reason") if ended else None,
            last - first if last is not None and first is not None else None,
            course.told["SubscriptionChanged"],
            course.told["SubscriptionRenewed"],
            course.told["SubscriptionPaused"],
            started.envelope.get("channel") if started else None,
            started.envelope.get("actor") if started else None,
        )
