"""Identifiers: the addresses, numbers and devices of every customer in keyed form, and when each was theirs."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Annotated, Any, NamedTuple

from domain.fields import Pseudonym
from domain.touchpoint import Fact
from projections.view import Question, Row, View

ANONYMOUS = "anonymous id"
"""The type under which a visitor's id stands from before they were known."""


class IdentifierRow(NamedTuple):
    """One identifier of a customer, for one unbroken time."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    number: Annotated[int, "its number among the customer's identifiers, in the order in which they came, from 1"]
    type: Annotated[str | None, "what sort of identifier, in lower case, such as email; null where it was not said"]
    keyed: Annotated[str | None, "the identifier in keyed form, equal for equal ones; null where the log has no id key"]
    anonymous_id: Annotated[str | None, "the visitor's id, where the customer was an unnamed visitor before"]
    verified: Annotated[int | None, "1 where the customer proved it, 0 where it was said that not; null: not known"]
    verified_at: Annotated[int | None, "when it was first proved, microseconds since 1970 UTC"]
    came_by: Annotated[str, "how it came: linked, contact point, or identified"]
    how: Annotated[str | None, "by which step a visitor was identified; what a contact point is used for"]
    since_at: Annotated[int, "when it came, microseconds since 1970 UTC"]
    since_day: Annotated[str, "the same as a day, in the company's zone"]
    until_at: Annotated[int | None, "when it was unlinked, microseconds since 1970 UTC; null while it stands"]
    until_day: Annotated[str | None, "the same as a day, in the company's zone"]
    stream: Annotated[str, "the subject that the touchpoint by which it came is stored under"]
    touchpoint: Annotated[str, "the id of that touchpoint"]
    source: Annotated[str, "the system that sent it"]


class _Held:
    """One identifier while it is, or was, the customer's."""

    __slots__ = ("came_by", "how", "since", "type", "until", "value", "verified", "verified_at")

    def __init__(self, value: Hashable, type_: str | None, came_by: str, how: str | None, since: Fact) -> None:
        self.value, self.type, self.came_by, self.how, self.since = value, type_, came_by, how, since
        self.until: Fact | None = None
        self.verified: bool | None = None
        self.verified_at: int | None = None

    def told(self, fact: Fact) -> None:
        """Take whether it was verified. Once proved it stays so: what is told again proves and disproves nothing."""
        stated = fact.data.get("verified")
        if stated and not self.verified:
            self.verified, self.verified_at = True, fact.at
        elif self.verified is None:
            self.verified = stated


class Possession:
    """All identifiers of one subject, in the order in which they came, and the places of each by its value."""

    __slots__ = ("held", "places", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.held: list[_Held] = []
        self.places: dict[Hashable, list[int]] = {}


class Identifiers(View[Possession]):
    """The identifiers of every customer."""

    name = "identifiers"
    comment = "Identifiers: one row per e-mail, number, device or visitor's id of a customer, in keyed form."
    row_type = IdentifierRow
    key = ("subject", "number")
    kinds = frozenset({"IdentifierLinked", "IdentifierUnlinked", "CustomerRegistered", "CustomerIdentified"})
    keyed = True
    questions = (
        Question(
            name="shared_identifiers",
            comment="Identifiers that several customers have now: families, companies, or one customer twice.",
            columns={
                "type": "what sort of identifier, such as email; null where it was not said",
                "keyed": "the identifier in keyed form",
                "customers": "number of customers who have it",
                "verified_by": "number of them who proved that it is theirs",
                "first_day": "day on which the first of them got it, in the company's zone",
            },
            sql="""
                SELECT MIN(type) AS type, keyed, COUNT(DISTINCT subject) AS customers,
                       COUNT(DISTINCT CASE WHEN verified = 1 THEN subject END) AS verified_by,
                       MIN(since_day) AS first_day
                FROM identifiers
                WHERE keyed IS NOT NULL AND until_at IS NULL
                GROUP BY keyed
                HAVING COUNT(DISTINCT subject) > 1
                ORDER BY customers DESC, keyed
            """,
        ),
    )

    def initial(self, subject: str) -> Possession:
        """A customer without identifiers."""
        return Possession(subject)

    def evolve(self, state: Possession, fact: Fact) -> tuple[Possession, Iterable[Hashable]]:
        """Begin, confirm or end the time of an identifier."""
        data = fact.data
        match fact.kind:
            case "IdentifierLinked":
                place = _link(state, data.get("value"), data["type"], "linked", None, fact)
                state.held[place].told(fact)
                return state, (place,)
            case "IdentifierUnlinked":
                ended = list(_standing(state, data.get("value"), _lower(data["type"])))
                for place in ended:
                    state.held[place].until = fact
                return state, ended
            case "CustomerRegistered":
                points: list[dict[str, Any]] = data.get("contact_points", [])
                return state, [
                    _link(state, point.get("value"), point["type"], "contact point", point.get("use"), fact)
                    for point in points
                ]
            case "CustomerIdentified":
                how = data.get("how")
                found = [_link(state, data["anonymous_id"], ANONYMOUS, "identified", how, fact)]
                if "identifier" in data:
                    found.append(_link(state, data["identifier"], None, "identified", how, fact))
                return state, found
            case _:
                return state, ()

    def row(self, state: Possession, key: Hashable) -> Row | None:
        """The identifier at this place."""
        if not isinstance(key, int) or key >= len(state.held):
            return None
        held, day = state.held[key], self.company.day
        return IdentifierRow(
            state.subject,
            key + 1,
            held.type,
            # A plain value, of whoever folds without pseudonyms, is never shown.
            held.value.keyed if isinstance(held.value, Pseudonym) else None,
            held.value if held.type == ANONYMOUS and isinstance(held.value, str) else None,
            None if held.verified is None else int(held.verified),
            held.verified_at,
            held.came_by,
            held.how,
            held.since.at,
            day(held.since),
            held.until.at if held.until else None,
            day(held.until) if held.until else None,
            held.since.stream,
            held.since.id,
            held.since.source,
        )


def _link(state: Possession, value: Hashable, type_: str | None, came_by: str, how: str | None, fact: Fact) -> int:
    """The place of an identifier that the customer has from now on, or had already."""
    named = _lower(type_)
    for place in _standing(state, value, named):
        state.held[place].type = state.held[place].type or named
        return place
    state.places.setdefault(value, []).append(len(state.held))
    state.held.append(_Held(value, named, came_by, how, fact))
    return len(state.held) - 1


def _standing(state: Possession, value: Hashable, type_: str | None) -> Iterator[int]:
    """The places of an identifier that stands; one whose type was not said goes with any, but a visitor's id."""
    for place in state.places.get(value, ()):
        held = state.held[place]
        alike = held.type == type_ or (None in (held.type, type_) and ANONYMOUS not in (held.type, type_))
        if held.until is None and alike:
            yield place


def _lower(type_: str | None) -> str | None:
    return type_ and " ".join(type_.lower().split())
