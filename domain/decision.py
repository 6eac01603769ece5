"""Decisions: what follows from how things stand, as pure functions from the rows of a question to touchpoints.

A decision reads no clock and writes nothing: the moment comes in as a value, and the ids of what it proposes are
derived from its cause, so that the same cause never acts twice, whoever asks and however often.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import import_module
from operator import attrgetter
from pkgutil import iter_modules
from typing import Any, Generic, NamedTuple, TypeVar

from domain.company import Company
from domain.errors import UnknownDecision
from domain.identifiers import derived_id
from domain.touchpoint import Envelope, Fact, Touchpoint

ACTOR = "lifecircle act"
"""Whom the touchpoints of decisions name as the one who acts."""
SOURCE_PREFIX = "urn:lifecircle:decision:"

R = TypeVar("R")


class Now(NamedTuple):
    """The moment that is decided at: microseconds since 1970 UTC, and its day in the company's zone."""

    at: int
    day: str

    def ago(self, days: int) -> str:
        """The day so many calendar days before."""
        return (date.fromisoformat(self.day) - timedelta(days=days)).isoformat()


class Cause(NamedTuple):
    """What a proposal rests on: the latest touchpoint of these kinds, in the customer's history, with these fields."""

    kinds: frozenset[str]
    fields: Mapping[str, Any]

    def latest(self, history: Iterable[Fact]) -> Fact | None:
        """That touchpoint in an effective history; None where it is not there, or not any more."""
        found = None
        for fact in history:
            if fact.kind in self.kinds and all(fact.data.get(name) == value for name, value in self.fields.items()):
                found = fact
        return found


def because(*kinds: type[Touchpoint], **fields: Any) -> Cause:
    """A cause: `because(InvoiceIssued, invoice="i-1")`; names as they are stored, `kind_` stands for `kind`."""
    return Cause(frozenset(each.kind for each in kinds), {name.rstrip("_"): value for name, value in fields.items()})


class Estimate(NamedTuple):
    """What a model tells of a customer; `value` is None where it tells nothing, `basis` names the fit, or says why."""

    value: float | None
    basis: str


class Proposal(NamedTuple):
    """What a decision proposes for one customer.

    key: what its ids are derived from beside the decision's name, such as an invoice and a level; touchpoints: all of
    them or none; channel: what they go by, where they go to the customer.
    """

    subject: str
    key: tuple[str, ...]
    touchpoints: tuple[Touchpoint, ...]
    cause: Cause
    channel: str | None = None


Bound = float | str | None
Bounds = Mapping[str, tuple[Bound, Bound]]
"""The least and the greatest value of columns, days as text, None where there is none; a null lies outside of any."""


@dataclass(frozen=True)
class Decision(Generic[R]):
    """One decision.

    Args:
        name: what it is called on the command line.
        rule: what it decides, in words.
        reads: the question, or the view, whose rows it is given.
        row: a NamedTuple whose fields are the columns that it needs; `subject` is one.
        bounds: which rows it is about, by the company's settings; a database may leave out the others beforehand.
        proposes: what follows from one row, or None.
        best: where it is about one row of each customer, the columns by whose values that is the greatest.
        estimates: those fields of its row that are no columns: what the model of this name, such as `alive`, tells of
            the customer as of the same cursor, an `Estimate`.
    """

    name: str
    rule: str
    reads: str
    row: type[R]
    bounds: Callable[[Company, Now], Bounds]
    proposes: Callable[[R, Company, Now], Proposal | None]
    best: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The producing system that its touchpoints name."""
        return f"{SOURCE_PREFIX}{self.name}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        named: tuple[str, ...] = self.row._fields  # type: ignore[attr-defined]  # a NamedTuple
        return tuple(name for name in named if name not in self.estimates)

    def decide(self, rows: Iterable[R], company: Company, now: Now) -> Iterator[Proposal]:
        """What follows from the rows; of several with one key for one customer, the first."""
        bounds, seen = self.bounds(company, now), set[tuple[str, ...]]()
        concerned = (
            row for row in rows if all(_within(getattr(row, name), *limits) for name, limits in bounds.items())
        )
        for row in self._best(concerned) if self.best else concerned:
            proposal = self.proposes(row, company, now)
            if proposal and (key := (proposal.subject, *proposal.key)) not in seen:
                seen.add(key)
                yield proposal

    def _best(self, rows: Iterable[R]) -> Iterable[R]:
        """The row of each customer that is the greatest by some columns; of equal ones the first."""
        value, found = attrgetter(*self.best), dict[str, R]()
        for row in rows:
            held = found.setdefault(attrgetter("subject")(row), row)
            if value(row) > value(held):
                found[attrgetter("subject")(row)] = row
        return found.values()

    def ids(self, proposal: Proposal) -> list[str]:
        """The ids of what is proposed."""
        return [derived_id(self.name, *proposal.key, place) for place in range(len(proposal.touchpoints))]

    def envelopes(self, proposal: Proposal, cause: Fact, now: Now) -> list[Envelope]:
        """What is proposed, in envelopes that name the touchpoint that it rests on."""
        time = datetime.fromtimestamp(now.at // 1_000_000, tz=UTC).replace(microsecond=now.at % 1_000_000)
        given = {
            "source": self.source,
            "subject": proposal.subject,
            "time": time.isoformat(),
            "channel": proposal.channel,
            "actor": ACTOR,
            "causationid": cause.id,
            "correlationid": cause.envelope.get("correlationid", cause.id),
        }
        return [
            Envelope.read({**given, "id": name, "type": each.kind, "data": each})
            for name, each in zip(self.ids(proposal), proposal.touchpoints, strict=True)
        ]


def _within(value: Any, least: Bound, most: Bound) -> bool:
    return value is not None and (least is None or value >= least) and (most is None or value <= most)


_COMPANYS_OWN: list[Decision[Any]] = []


def add_decisions(added: Iterable[Decision[Any]]) -> None:
    """Take in decisions of a company's own; their names must be no other's."""
    _COMPANYS_OWN.extend(added)
    decisions.cache_clear()


@cache
def decisions() -> dict[str, Decision[Any]]:
    """Every decision by its name, in the order of their names: ours, found by being there, and a company's own."""
    path = import_module("domain.decisions").__path__
    rooms = [import_module(f"domain.decisions.{room.name}") for room in iter_modules(path)]
    found = [member for room in rooms for member in vars(room).values() if isinstance(member, Decision)]
    return {each.name: each for each in sorted(found + _COMPANYS_OWN, key=lambda each: each.name)}


def decision_named(name: str) -> Decision[Any]:
    """Look a decision up by its name.

    Raises:
        UnknownDecision: there is none of this name.
    """
    try:
        return decisions()[name]
    except KeyError:
        raise UnknownDecision(
            f"there is no decision named {name}",
            rule="a decision is one of: " + ", ".join(decisions()),
            way_out="choose one of them, or none to have them all",
        ) from None
