"""Entries: what each of us records, and how soon after it happened: how a new way of working takes hold.

This view alone shows when touchpoints were recorded, so it alone depends on when they arrive.
"""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View, bounded


class EntriesRow(NamedTuple):
    """What one actor recorded of one customer in one month, as it stands after corrections."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    actor: Annotated[str, "the person or system, as claimed"]
    source: Annotated[str, "the system it was entered in"]
    period: Annotated[str, "month in which it was recorded, 2026-03, in the company's zone"]
    entries: Annotated[int, "touchpoints recorded"]
    same_day: Annotated[int, "of these recorded on the day they occurred"]
    delay_seconds: Annotated[
        int, "whole seconds from occurring to being recorded, of all entries together; of a date from the day's start"
    ]
    delay_max_seconds: Annotated[int, "the longest of these times"]
    last_at: Annotated[int, "when the last of them was recorded, microseconds since 1970 UTC"]


class Sum:
    """The entries of one actor in one source and month."""

    __slots__ = ("delay_max_us", "delay_us", "entries", "last", "same_day")

    def __init__(self) -> None:
        self.entries = self.same_day = self.delay_us = self.last = 0
        self.delay_max_us = 0


class Entries(View[tuple[str, dict[Hashable, Sum]]]):
    """What was entered of every customer."""

    name = "entries"
    comment = "Entries: how much each actor records and how soon after it happened, by customer, source and month."
    row_type = EntriesRow
    key = ("subject", "actor", "source", "period")
    kinds = frozenset[str]()
    attributes = frozenset({"actor"})
    questions = (
        Question(
            name="adoption",
            comment="Who records what happens, and how soon: whether a new way of working takes hold.",
            columns={
                "actor": "the person or system, as claimed",
                "period": "month in which it was recorded, 2026-03, in the company's zone",
                "entries": "touchpoints recorded",
                "customers": "number of customers that they are about",
                "same_day_share": "share of them recorded on the day they occurred, 0 to 1",
                "mean_hours": "mean hours from occurring to being recorded",
                "longest_hours": "longest time from occurring to being recorded, in hours",
                "change": "entries less those of the actor's month before that has any; null in the first",
            },
            sql="""
                SELECT actor, period, CAST(SUM(entries) AS BIGINT) AS entries, COUNT(DISTINCT subject) AS customers,
                       CAST(SUM(same_day) AS DOUBLE PRECISION) / SUM(entries) AS same_day_share,
                       CAST(SUM(delay_seconds) AS DOUBLE PRECISION) / SUM(entries) / 3600 AS mean_hours,
                       CAST(MAX(delay_max_seconds) AS DOUBLE PRECISION) / 3600 AS longest_hours,
                       CAST(SUM(entries) - LAG(SUM(entries)) OVER (PARTITION BY actor ORDER BY period) AS BIGINT)
                           AS change
                FROM entries
                GROUP BY actor, period
                ORDER BY actor, period
            """,
        ),
        Question(
            name="agents",
            comment="Each of us in one row: contacts, first responses, workload, punctuality, deals, what customers "
            "say, and how soon things are recorded.",
            columns={
                "agent": "the person or system, by the id or name under which it acts",
                "touches": "contacts with customers by them",
                "customers": "number of customers they had contact with",
                "last_day": "day of the last contact, in the company's zone",
                "tickets": "tickets that they were last to see to",
                "open_tickets": "of these neither resolved nor closed",
                "mean_response_hours": "mean hours until the customers of these tickets first heard from us",
                "inquiries": "inquiries that they were first to answer",
                "mean_inquiry_hours": "mean hours until these were answered",
                "open_tasks": "tasks they are still to do",
                "overdue_tasks": "of these, tasks whose due day is over at the moment",
                "on_time_share": "share of their tasks with a due day, done, failed or overdue, that are done in time, "
                "0 to 1",
                "open_deals": "opportunities they are responsible for, still open",
                "won": "opportunities they won",
                "lost": "opportunities they lost",
                "win_rate": "share won of those won or lost, 0 to 1",
                "answers": "answers to surveys about them that can be judged, repeated ones left out",
                "mean_share": "mean of where in its scale such an answer lies, 0 lowest to 1 highest",
                "entries": "touchpoints that they recorded",
                "mean_entry_hours": "mean hours from occurring to being recorded",
            },
            sql="""
                WITH met AS (
                    SELECT actor AS agent, COUNT(*) AS touches, COUNT(DISTINCT subject) AS customers,
                           MAX(day) AS last_day
                    FROM contacts
                    GROUP BY actor
                ),
                serving AS (
                    SELECT agent, COUNT(*) AS tickets,
                           COUNT(*) FILTER (WHERE status IN ('open', 'pending')) AS open_tickets,
                           AVG(CAST(response_seconds AS DOUBLE PRECISION)) / 3600 AS mean_response_hours
                    FROM tickets
                    GROUP BY agent
                ),
                answering AS (
                    SELECT answered_by AS agent, COUNT(*) AS inquiries,
                           AVG(CAST(response_seconds AS DOUBLE PRECISION)) / 3600 AS mean_inquiry_hours
                    FROM touches
                    WHERE inquiry IS NOT NULL
                    GROUP BY answered_by
                ),
                doing AS (
                    SELECT executor AS agent, COUNT(*) FILTER (WHERE status = 'open') AS open_tasks,
                           COUNT(*) FILTER (WHERE status = 'open' AND due_dayno < moment.dayno) AS overdue_tasks,
                           AVG(CAST(CASE WHEN status = 'open' AND due_dayno < moment.dayno THEN 0 ELSE on_time END
                                    AS DOUBLE PRECISION)) AS on_time_share
                    FROM tasks
                    CROSS JOIN moment
                    GROUP BY executor
                ),
                selling AS (
                    SELECT owner AS agent, COUNT(*) FILTER (WHERE status = 'open') AS open_deals,
                           COUNT(*) FILTER (WHERE status = 'won') AS won,
                           COUNT(*) FILTER (WHERE status = 'lost') AS lost,
                           AVG(CASE status WHEN 'won' THEN CAST(1 AS DOUBLE PRECISION) WHEN 'lost' THEN 0 END)
                               AS win_rate
                    FROM opportunities
                    GROUP BY owner
                ),
                pleasing AS (
                    SELECT manager AS agent, COUNT(*) AS answers, AVG(share) AS mean_share
                    FROM surveys
                    WHERE repeated = 0 AND verdict IS NOT NULL
                    GROUP BY manager
                ),
                entering AS (
                    SELECT actor AS agent, CAST(SUM(entries) AS BIGINT) AS entries,
                           CAST(SUM(delay_seconds) AS DOUBLE PRECISION) / SUM(entries) / 3600 AS mean_hours
                    FROM entries
                    GROUP BY actor
                ),
                everyone AS (
                    SELECT agent FROM met
                    UNION SELECT agent FROM serving
                    UNION SELECT agent FROM answering
                    UNION SELECT agent FROM doing
                    UNION SELECT agent FROM selling
                    UNION SELECT agent FROM pleasing
                    UNION SELECT agent FROM entering
                )
                SELECT everyone.agent, COALESCE(touches, 0) AS touches, COALESCE(customers, 0) AS customers, last_day,
                       COALESCE(tickets, 0) AS tickets, COALESCE(open_tickets, 0) AS open_tickets, mean_response_hours,
                       COALESCE(inquiries, 0) AS inquiries, mean_inquiry_hours,
                       COALESCE(open_tasks, 0) AS open_tasks, COALESCE(overdue_tasks, 0) AS overdue_tasks,
                       on_time_share, COALESCE(open_deals, 0) AS open_deals, COALESCE(won, 0) AS won,
                       COALESCE(lost, 0) AS lost, win_rate, COALESCE(answers, 0) AS answers, mean_share,
                       COALESCE(entries, 0) AS entries, mean_hours AS mean_entry_hours
                FROM everyone
                LEFT JOIN met ON met.agent = everyone.agent
                LEFT JOIN serving ON serving.agent = everyone.agent
                LEFT JOIN answering ON answering.agent = everyone.agent
                LEFT JOIN doing ON doing.agent = everyone.agent
                LEFT JOIN selling ON selling.agent = everyone.agent
                LEFT JOIN pleasing ON pleasing.agent = everyone.agent
                LEFT JOIN entering ON entering.agent = everyone.agent
                WHERE everyone.agent IS NOT NULL
                ORDER BY touches DESC, everyone.agent
            """,
        ),
    )

    def initial(self, subject: str) -> tuple[str, dict[Hashable, Sum]]:
        """A customer of whom nothing was entered."""
        return subject, {}

    def evolve(
        self, state: tuple[str, dict[Hashable, Sum]], fact: Fact
    ) -> tuple[tuple[str, dict[Hashable, Sum]], Iterable[Hashable]]:
        """Count an entry; what has no actor was entered by nobody."""
        actor = fact.envelope.get("actor")
        if actor is None:
            return state, ()
        recorded_day = self.company.day_at(fact.recorded)
        key = (actor, fact.source, recorded_day[:7])
        entered = state[1].get(key)
        if entered is None:
            entered = state[1][key] = Sum()
        # A clock may be ahead of the log's; nothing is recorded before it occurs.
        delay = max(fact.recorded - fact.at, 0)
        entered.entries += 1
        entered.same_day += self.company.day(fact) == recorded_day
        entered.delay_us += delay
        entered.delay_max_us = max(entered.delay_max_us, delay)
        entered.last = max(entered.last, fact.recorded)
        return state, (key,)

    def row(self, state: tuple[str, dict[Hashable, Sum]], key: Hashable) -> Row | None:
        """The entries of this (actor, source, month)."""
        subject, sums = state
        match key:
            case (str() as actor, str() as source, str() as period) if entered := sums.get(key):
                total = bounded(entered.delay_us // 1_000_000)
                longest = entered.delay_max_us // 1_000_000
                counted = (entered.entries, int(entered.same_day), total, longest, entered.last)
                return EntriesRow(subject, actor, source, period, *counted)
        return None
