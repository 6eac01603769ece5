"""Breaches: every touchpoint that should not have happened as it did, or lacks what should have come before it."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.company import Company
from domain.judging import judged, judged_kinds
from domain.lifecycle import Breach, Life, World
from domain.touchpoint import Fact
from projections.view import Question, Row, View


class BreachRow(NamedTuple):
    """One rule that one touchpoint broke."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    stream: Annotated[str, "the subject that the touchpoint is stored under"]
    version: Annotated[int, "the touchpoint's place in that stream, from 1"]
    rule: Annotated[str, "the rule it broke, such as order/never placed"]
    entity: Annotated[str, "what it concerns, such as order/123; empty where nothing of the kind"]
    touchpoint: Annotated[str, "the touchpoint's id"]
    source: Annotated[str, "the system that sent it"]
    kind: Annotated[str, "the touchpoint's kind"]
    day: Annotated[str, "day it occurred, in the company's zone"]
    at: Annotated[int, "when it occurred, in microseconds since 1970 UTC"]
    detail: Annotated[str, "the rule in a sentence"]


class Standing:
    """The rules as they stand for one subject, and the breaches that have not healed."""

    __slots__ = ("breaches", "lives", "subject", "world")

    def __init__(self, subject: str, company: Company) -> None:
        self.subject = subject
        self.lives: dict[tuple[str, str], Life] = {}
        self.world = World(self.lives, company)
        self.breaches: dict[Hashable, Breach] = {}


class Breaches(View[Standing]):
    """The breaches of every customer, by the one definition of the rules."""

    name = "breaches"
    comment = "Touchpoints that broke a rule, one row a rule; it goes away when what was missing arrives late."
    row_type = BreachRow
    key = ("subject", "stream", "version", "rule", "entity")
    revision = 2
    questions = (
        Question(
            name="breaches_by_rule",
            comment="How often each rule stands broken, and by how many customers.",
            columns={
                "rule": "the rule, such as order/never placed",
                "breaches": "number of breaches of it that stand",
                "subjects": "number of customers they concern",
                "first_day": "day of the earliest of them",
                "last_day": "day of the latest of them",
            },
            sql="""
                SELECT rule, COUNT(*) AS breaches, COUNT(DISTINCT subject) AS subjects,
                       MIN(day) AS first_day, MAX(day) AS last_day
                FROM breaches
                GROUP BY rule
                ORDER BY breaches DESC, rule
            """,
        ),
    )

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self.kinds = judged_kinds()

    def initial(self, subject: str) -> Standing:
        """No rule is broken by a subject of whom nothing is known."""
        return Standing(subject, self.company)

    def evolve(self, state: Standing, fact: Fact) -> tuple[Standing, Iterable[Hashable]]:
        """Judge the touchpoint; an opening may also heal earlier ones, or show that they came too early."""
        world = state.world
        breaches, healed = judged(world, fact)
        state.lives.update(world.changes)
        world.changes.clear()
        if not (breaches or healed):
            return state, ()
        changed: list[Hashable] = []
        for breach in healed:
            state.breaches.pop(breach.key, None)
            changed.append(breach.key)
        for breach in breaches:
            key = breach.key
            state.breaches[key] = breach
            changed.append(key)
        return state, changed

    def row(self, state: Standing, key: Hashable) -> Row | None:
        """The breach of this key, unless it has healed."""
        if (breach := state.breaches.get(key)) is None:
            return None
        subject, (stream, version, rule, entity, touchpoint, source, kind, day, at, detail) = state.subject, breach
        return (subject, stream, version, rule, entity, touchpoint, source, kind, day, at, detail)
