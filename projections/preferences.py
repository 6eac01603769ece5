"""Preferences: how, how often and about what each customer wants to hear from us, as stated last."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View


class PreferenceRow(NamedTuple):
    """What one customer wants of one topic on one channel."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    topic: Annotated[str, "what they want to hear about; empty for anything"]
    channel: Annotated[str, "the channel they want it on; empty for any"]
    frequency: Annotated[str | None, "how often at most, as stated last"]
    language: Annotated[str | None, "in which language, as stated last"]
    stated_day: Annotated[str, "day on which they last said so, in the company's zone"]
    statements: Annotated[int, "how often they said so"]


class Wishes:
    """The preferences of one subject by (topic, channel): frequency, language, the last statement, their number."""

    __slots__ = ("stated", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.stated: dict[Hashable, tuple[str | None, str | None, Fact, int]] = {}


class Preferences(View[Wishes]):
    """The preferences of every customer."""

    name = "preferences"
    comment = "Preferences: what customers want to hear, on which channel and how often, one row per topic and channel."
    row_type = PreferenceRow
    key = ("subject", "topic", "channel")
    kinds = frozenset({"PreferenceStated"})
    questions = (
        Question(
            name="preferences_stated",
            comment="What customers want to hear about, and how.",
            columns={
                "topic": "what they want to hear about; empty for anything",
                "channel": "the channel they want it on; empty for any",
                "frequency": "how often at most; null where that was not stated",
                "customers": "number of customers who said so",
            },
            sql="""
                SELECT topic, channel, frequency, COUNT(*) AS customers
                FROM preferences
                GROUP BY topic, channel, frequency
                ORDER BY customers DESC, topic, channel, frequency
            """,
        ),
    )

    def initial(self, subject: str) -> Wishes:
        """Somebody who stated nothing."""
        return Wishes(subject)

    def evolve(self, state: Wishes, fact: Fact) -> tuple[Wishes, Iterable[Hashable]]:
        """Take a statement; what it leaves out stays as it was."""
        if fact.kind != "PreferenceStated":
            return state, ()
        data = fact.data
        key = (data.get("topic", ""), data.get("channel", ""))
        frequency, language, _, count = state.stated.get(key, (None, None, fact, 0))
        state.stated[key] = (data.get("frequency", frequency), data.get("language", language), fact, count + 1)
        return state, (key,)

    def row(self, state: Wishes, key: Hashable) -> Row | None:
        """The preference of this (topic, channel)."""
        match key:
            case (str() as topic, str() as channel) if stated := state.stated.get(key):
                frequency, language, fact, count = stated
                day = self.company.day(fact)
                return PreferenceRow(state.subject, topic, channel, frequency, language, day, count)
        return None
