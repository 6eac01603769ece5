"""Relations: who has to do with whom: contact persons, households, parent companies, partners, referred friends."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View

_TIES = frozenset({"RelationshipLinked", "RelationshipEnded", "ReferralMade", "PartnerRegistered"})


class RelationRow(NamedTuple):
    """One relation of a customer to another subject, for one unbroken time."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    other: Annotated[str, "the other subject, by the id under which it was named"]
    type: Annotated[str, "what the other is: contact person, employee, household, parent company, partner, referred"]
    spell: Annotated[int, "its number among the relations of this type to this other, from 1; one may come again"]
    role: Annotated[str | None, "the other's role as it was stated last, such as decides on purchases"]
    relation_level: Annotated[int | None, "how close we are to the other as stated last, in the company's own scale"]
    came_by: Annotated[
        str, "how it became known: linked, referral, registered, or touchpoint: a partner had part in one"
    ]
    since_at: Annotated[int, "when it began or became known, microseconds since 1970 UTC"]
    since_day: Annotated[str, "the same as a day, in the company's zone"]
    until_at: Annotated[int | None, "when it ended, microseconds since 1970 UTC; null while it stands"]
    until_day: Annotated[str | None, "the same as a day, in the company's zone"]
    stream: Annotated[str, "the subject that the touchpoint by which it became known is stored under"]
    touchpoint: Annotated[str, "the id of that touchpoint"]
    source: Annotated[str, "the system that sent it"]


class _Spell:
    """A relation from its beginning to its end."""

    __slots__ = ("came_by", "level", "role", "since", "until")

    def __init__(self, came_by: str, since: Fact) -> None:
        self.came_by, self.since = came_by, since
        self.until: Fact | None = None
        self.role: str | None = None
        self.level: int | None = None


class Ties:
    """The relations of one subject, by the other and the type."""

    __slots__ = ("spells", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.spells: dict[tuple[str, str], list[_Spell]] = {}


class Relations(View[Ties]):
    """The relations of every customer."""

    name = "relations"
    comment = "Relations: one row per relation of a customer to another subject, with its role and its time."
    row_type = RelationRow
    key = ("subject", "other", "type", "spell")
    kinds = _TIES
    attributes = frozenset({"partner"})
    questions = (
        Question(
            name="affiliations",
            comment="Households, organisations and partners: with how many customers each has to do now.",
            columns={
                "other": "the household, person, organisation or partner",
                "type": "what it is to the customers",
                "customers": "number of customers who have this relation to it now",
                "ended": "number of customers who had it and no longer have",
                "first_day": "day on which the first one began, in the company's zone",
            },
            sql="""
                SELECT other, type,
                       COUNT(DISTINCT CASE WHEN until_at IS NULL THEN subject END) AS customers,
                       COUNT(DISTINCT subject) - COUNT(DISTINCT CASE WHEN until_at IS NULL THEN subject END) AS ended,
                       MIN(since_day) AS first_day
                FROM relations
                GROUP BY other, type
                ORDER BY customers DESC, other, type
            """,
        ),
    )

    def initial(self, subject: str) -> Ties:
        """A customer who has to do with nobody."""
        return Ties(subject)

    def evolve(self, state: Ties, fact: Fact) -> tuple[Ties, Iterable[Hashable]]:
        """Begin, renew or end a relation; whatever happens may also name a partner."""
        partner = fact.envelope.get("partner")
        if partner is None and fact.kind not in _TIES:
            return state, ()
        data = fact.data
        changed: list[Hashable] = []
        match fact.kind:
            case "RelationshipLinked":
                key, spell = _begin(state, data["to"], data["type"], "linked", fact)
                spell.came_by = "linked"
                spell.role = data.get("role", spell.role)
                spell.level = data.get("relation_level", spell.level)
                changed.append(key)
            case "RelationshipEnded":
                tie = (data["to"], data["type"])
                spells = state.spells.get(tie, [])
                if spells and spells[-1].until is None:
                    spells[-1].until = fact
                    changed.append((*tie, len(spells)))
            case "ReferralMade":
                changed.append(_begin(state, data["referred"], "referred", "referral", fact)[0])
            case "PartnerRegistered" if data["partner"] != fact.stream:
                key, spell = _begin(state, data["partner"], "partner", "registered", fact)
                spell.role = data["role"]
                changed.append(key)
        if partner and partner != fact.stream:
            changed.append(_begin(state, partner, "partner", "touchpoint", fact)[0])
        return state, changed

    def row(self, state: Ties, key: Hashable) -> Row | None:
        """The relation of this (other, type, number)."""
        match key:
            case (str() as other, str() as type_, int() as number):
                spells = state.spells.get((other, type_), [])
                if 0 < number <= len(spells):
                    spell, day = spells[number - 1], self.company.day
                    return RelationRow(
                        state.subject,
                        other,
                        type_,
                        number,
                        spell.role,
                        spell.level,
                        spell.came_by,
                        spell.since.at,
                        day(spell.since),
                        spell.until.at if spell.until else None,
                        day(spell.until) if spell.until else None,
                        spell.since.stream,
                        spell.since.id,
                        spell.since.source,
                    )
        return None


def _begin(state: Ties, other: str, type_: str, came_by: str, fact: Fact) -> tuple[tuple[str, str, int], _Spell]:
    """The relation that stands, begun by this touchpoint unless it stood already."""
    spells = state.spells.setdefault((other, type_), [])
    if not spells or spells[-1].until is not None:
        spells.append(_Spell(came_by, fact))
    return (other, type_, len(spells)), spells[-1]
