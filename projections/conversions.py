"""Conversions: what touches led to, and how the credit for it is shared among them.

A conversion is a won opportunity, a placed order, a started subscription or a signed contract. Its path are the
touches since the customer's last conversion of the same kind, so that a touch counts once for each kind. A conversion
that falls (an order wholly cancelled, a deal lost after all) leaves its touches to the next one.
"""

from collections.abc import Hashable, Iterable
from typing import Annotated, Any, NamedTuple

from domain.company import day_number
from domain.order_value import PURCHASE_STEPS, Order
from domain.touchpoint import Fact
from projections.credit import QUESTIONS
from projections.touches import Walk
from projections.view import Row, View, bounded


class ConversionRow(NamedTuple):
    """One conversion that stands."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    kind: Annotated[str, "OpportunityWon, OrderPlaced, SubscriptionStarted or ContractSigned"]
    conversion: Annotated[str, "the id of the opportunity, order, subscription or contract"]
    touchpoint: Annotated[str, "the id of the touchpoint"]
    at: Annotated[int, "when, microseconds since 1970 UTC"]
    day: Annotated[str, "the same as a day, in the company's zone"]
    dayno: Annotated[int, "the same as a day number (1 is 0001-01-01), to subtract"]
    channel: Annotated[str | None, "the channel it came through, where stated"]
    actor: Annotated[str | None, "the responsible person or system, as claimed"]
    currency: Annotated[str | None, "the ISO 4217 currency of the value; null where no value is known"]
    value_micros: Annotated[
        int | None,
        "its value in millionths of the currency: of an order net (see purchases), of an opportunity its amount when "
        "won, of a subscription the amount of one interval, of a contract its total, tax included",
    ]
    first_place: Annotated[int, "the place (see touches) at which its path begins"]
    last_place: Annotated[int, "the place at which its path ends; one less than first_place without any touch"]
    touches: Annotated[int, "number of touches in its path"]


class Conversion:
    """One conversion, whether it stands, and how many touches the customer had by then."""

    __slots__ = ("amount", "fact", "name", "stands", "until")

    def __init__(self, name: str, fact: Fact, until: int, amount: dict[str, Any] | None) -> None:
        self.name, self.fact, self.until, self.amount = name, fact, until, amount
        self.stands = True


class Results:
    """The conversions of one subject by kind, in their order; `last` says which one an id means."""

    __slots__ = ("amounts", "last", "made", "orders", "subject", "walk")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.walk = Walk()
        self.made: dict[str, list[Conversion]] = {}
        self.last: dict[tuple[str, str], int] = {}
        self.orders: dict[str, Order] = {}
        self.amounts: dict[str, dict[str, Any]] = {}


_ONCE = {"SubscriptionStarted": ("subscription", "recurring_amount"), "ContractSigned": ("contract", "total")}
"""Kinds that convert whenever they come first for their id: where that is, and where the value is."""
_DEALS = frozenset(
    {"OpportunityOpened", "OpportunityChanged", "OpportunityWon", "OpportunityLost", "OpportunityReopened"}
)
_CONVERTING = _DEALS.union(_ONCE, PURCHASE_STEPS)


class Conversions(View[Results]):
    """The conversions of every customer."""

    name = "conversions"
    comment = "Conversions: deals won, orders, subscriptions and contracts, one row each, with the path that led there."
    row_type = ConversionRow
    key = ("subject", "kind", "conversion")
    questions = QUESTIONS

    def initial(self, subject: str) -> Results:
        """Someone whom nothing won."""
        return Results(subject)

    def evolve(self, state: Results, fact: Fact) -> tuple[Results, Iterable[Hashable]]:
        """Count touches; make a conversion, or let one fall."""
        state.walk.step(fact)
        kind = fact.kind
        if kind not in _CONVERTING:
            return state, ()
        data = fact.data
        if kind in PURCHASE_STEPS:
            return state, self._ordered(state, fact) if "order" in data else ()
        if once := _ONCE.get(kind):
            name = data[once[0]]
            known = (kind, name) in state.last
            return state, () if known else _convert(state, kind, name, fact, data.get(once[1]))
        return state, _dealt(state, fact)

    def _ordered(self, state: Results, fact: Fact) -> Iterable[Hashable]:
        name, key = fact.data["order"], ("OrderPlaced", fact.data["order"])
        order = state.orders.get(name)
        if order is None:
            order = state.orders[name] = Order(fact, self.company)
        PURCHASE_STEPS[fact.kind](order, fact, self.company)
        if order.placed is None:
            return ()
        made = () if key in state.last else _convert(state, *key, fact, None)
        conversion = state.made["OrderPlaced"][state.last[key]]
        figures = order.reckoned()[order.currency]
        conversion.amount = {"currency": order.currency, "micros": bounded(figures.net_micros)}
        if conversion.stands == bool(figures.orders):
            return (key,)
        return (*made, *_let(state, key, stands=bool(figures.orders)))

    def row(self, state: Results, key: Hashable) -> Row | None:
        """The conversion of this (kind, id)."""
        if not isinstance(key, tuple) or (place := state.last.get(key)) is None:
            return None
        kind, conversion = key
        made = state.made[kind]
        found = made[place]
        if not found.stands:
            return None
        before = 0
        while place:
            place -= 1
            if made[place].stands:
                before = made[place].until
                break
        subject, fact, amount = state.subject, found.fact, found.amount
        day, given = self.company.day(fact), fact.envelope
        touchpoint, at, dayno = fact.id, fact.at, day_number(day)
        channel, actor = given.get("channel"), given.get("actor")
        currency, value_micros = (amount["currency"], amount["micros"]) if amount else (None, None)
        first_place, last_place, touches = before + 1, found.until, found.until - before
        return (
            subject, kind, conversion, touchpoint, at, day, dayno, channel, actor, currency, value_micros,
            first_place, last_place, touches,
        )  # fmt: skip


def _convert(state: Results, kind: str, name: str, fact: Fact, amount: dict[str, Any] | None) -> tuple[Hashable, ...]:
    made = state.made.setdefault(kind, [])
    state.last[kind, name] = len(made)
    made.append(Conversion(name, fact, state.walk.count, amount))
    return ((kind, name),)


def _dealt(state: Results, fact: Fact) -> tuple[Hashable, ...]:
    """Take a step of an opportunity: it is won once until it is reopened or lost."""
    kind, data = fact.kind, fact.data
    name = data["opportunity"]
    if kind in ("OpportunityOpened", "OpportunityChanged"):
        if "amount" in data and (kind == "OpportunityChanged" or name not in state.amounts):
            state.amounts[name] = data["amount"]
        return ()
    key = ("OpportunityWon", name)
    place = state.last.get(key)
    stands = place is not None and state.made["OpportunityWon"][place].stands
    if kind == "OpportunityWon" and not stands:
        return _convert(state, *key, fact, data.get("amount") or state.amounts.get(name))
    if kind in ("OpportunityLost", "OpportunityReopened") and stands:
        return _let(state, key, stands=False)
    return ()


def _let(state: Results, key: tuple[str, str], *, stands: bool) -> tuple[Hashable, ...]:
    """Let a conversion fall or stand; the next one that stands has another path then."""
    made, place = state.made[key[0]], state.last[key]
    made[place].stands = stands
    later = (made[at] for at in range(place + 1, len(made)))
    following = next((each.name for each in later if each.stands), None)
    return (key,) if following is None else (key, (key[0], following))
