"""Traits: age, income, industry and whatever else a company knows of its customers, one row each, as bands."""

from collections.abc import Hashable, Iterable
from typing import Annotated, Any, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View

_TELLING = frozenset({"CustomerRegistered", "ProfileFieldChanged"})


class TraitRow(NamedTuple):
    """One trait of one customer as it is known."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    trait: Annotated[str, "what it is, such as age, income or industry"]
    band: Annotated[
        str | None,
        "what it is now: the band that the company declared for it (setting bands), sealed where it declared none; "
        "null where it is no longer known",
    ]
    since_day: Annotated[str, "day on which it became so, or became known, in the company's zone"]
    reason: Annotated[str | None, "why our record changed: life event, correction or import; null as registered"]
    changes: Annotated[int, "how often it was told, the first time included"]


class Traits:
    """The traits of one subject, each as told last: by which fact, to what, and how often."""

    __slots__ = ("known", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.known: dict[Hashable, tuple[Fact, Any, int]] = {}


class CustomerTraits(View[Traits]):
    """The traits of every customer."""

    name = "traits"
    comment = "Traits of customers such as age, income or industry, as bands: one row per customer and trait."
    row_type = TraitRow
    key = ("subject", "trait")
    kinds = _TELLING
    questions = (
        Question(
            name="customers_by_trait",
            comment="How many customers have which trait.",
            columns={
                "trait": "what it is, such as age, income or industry",
                "band": "the band; null where it is no longer known",
                "customers": "number of customers",
            },
            sql="""
                SELECT trait, band, COUNT(*) AS customers
                FROM traits
                WHERE band IS NULL OR (band NOT LIKE 'sealed:%' AND band <> '[erased]')
                GROUP BY trait, band
                ORDER BY trait, customers DESC, band
            """,
        ),
    )

    def initial(self, subject: str) -> Traits:
        """Somebody of whom nothing is known."""
        return Traits(subject)

    def evolve(self, state: Traits, fact: Fact) -> tuple[Traits, Iterable[Hashable]]:
        """Take what was told of some traits, or of one."""
        if fact.kind not in _TELLING or "new_special" in fact.data:
            return state, ()
        if fact.kind == "CustomerRegistered":
            told = fact.data.get("attributes") or {}
        else:
            told = {fact.data["field"]: fact.data.get("new")}
        for trait, value in told.items():
            _, _, count = state.known.get(trait, (fact, None, 0))
            state.known[trait] = (fact, value, count + 1)
        return state, list(told)

    def row(self, state: Traits, key: Hashable) -> Row | None:
        """The trait of this name."""
        if (known := state.known.get(key)) is None:
            return None
        fact, value, count = known
        band = None if value is None else str(value)
        return TraitRow(state.subject, str(key), band, self.company.day(fact), fact.data.get("reason"), count)
