"""Feedback: what customers think of our products, unasked or in a complaint, by topic, for those who develop them."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View

_FORMS = {"FeedbackGiven": "feedback", "ComplaintReceived": "complaint", "OpportunityLost": "lost deal"}


class FeedbackRow(NamedTuple):
    """One opinion of one customer, without the customer's own words: these stay in the history."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    stream: Annotated[str, "the subject that the touchpoint is stored under"]
    version: Annotated[int, "its place in that stream, from 1"]
    at: Annotated[int, "when it was given, microseconds since 1970 UTC"]
    day: Annotated[str, "the same as a day, in the company's zone"]
    form: Annotated[str, "feedback, complaint, or lost deal: what was disliked when a deal was lost"]
    product: Annotated[str | None, "the product it is about; of a lost deal the one that was to be sold"]
    topic: Annotated[str | None, "what it is about, in a word that can be counted"]
    sentiment: Annotated[str | None, "positive, neutral or negative; complaints and lost deals are negative"]
    channel: Annotated[str | None, "the channel it came through"]
    touchpoint: Annotated[str, "the touchpoint's id, by which the history has the words"]
    source: Annotated[str, "the system that sent it"]


class Opinions:
    """The opinions of one subject by (stream, version), and the products of its opportunities."""

    __slots__ = ("opinions", "products", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.opinions: dict[Hashable, tuple[Fact, str | None]] = {}
        self.products: dict[str, str] = {}


class Feedback(View[Opinions]):
    """The opinions of every customer."""

    name = "feedback"
    comment = "Feedback: opinions and complaints by product, topic and sentiment, one row each; feeds development."
    row_type = FeedbackRow
    key = ("stream", "version")
    kinds = frozenset({"OpportunityOpened", *_FORMS})
    questions = (
        Question(
            name="opinions",
            comment="What customers praise and blame, by product and topic: what development should hear.",
            columns={
                "product": "the product; null where none was named",
                "topic": "what it is about; null where that was not said",
                "opinions": "number of opinions",
                "customers": "number of customers who have them",
                "positive": "of the opinions, those meant well",
                "negative": "of the opinions, those meant ill",
                "complaints": "of the opinions, complaints",
                "lost_deals": "of the opinions, grounds on which a deal was lost",
                "first_day": "day of the first, in the company's zone",
                "last_day": "day of the last, in the company's zone",
            },
            sql="""
                SELECT product, topic, COUNT(*) AS opinions, COUNT(DISTINCT subject) AS customers,
                       COUNT(*) FILTER (WHERE sentiment = 'positive') AS positive,
                       COUNT(*) FILTER (WHERE sentiment = 'negative') AS negative,
                       COUNT(*) FILTER (WHERE form = 'complaint') AS complaints,
                       COUNT(*) FILTER (WHERE form = 'lost deal') AS lost_deals,
                       MIN(day) AS first_day, MAX(day) AS last_day
                FROM feedback
                GROUP BY product, topic
                ORDER BY opinions DESC, product NULLS LAST, topic NULLS LAST
            """,
        ),
    )

    def initial(self, subject: str) -> Opinions:
        """A customer of whom no opinion is known."""
        return Opinions(subject)

    def evolve(self, state: Opinions, fact: Fact) -> tuple[Opinions, Iterable[Hashable]]:
        """Add an opinion; remember what an opportunity is about."""
        data = fact.data
        if fact.kind == "OpportunityOpened":
            if product := data.get("product"):
                state.products.setdefault(data["opportunity"], product)
            return state, ()
        if fact.kind not in _FORMS or (fact.kind == "OpportunityLost" and "dissatisfaction" not in data):
            return state, ()
        key = (fact.stream, fact.version)
        state.opinions[key] = (fact, data.get("product") or state.products.get(data.get("opportunity", "")))
        return state, (key,)

    def row(self, state: Opinions, key: Hashable) -> Row | None:
        """The opinion of this stream and version."""
        found = state.opinions.get(key)
        if found is None:
            return None
        fact, product = found
        data, form = fact.data, _FORMS[fact.kind]
        return FeedbackRow(
            state.subject,
            fact.stream,
            fact.version,
            fact.at,
            self.company.day(fact),
            form,
            product,
            data.get("topic") or data.get("about") or data.get("dissatisfaction"),
            data.get("sentiment") if form == "feedback" else "negative",
            fact.envelope.get("channel"),
            fact.id,
            fact.source,
        )
