"""The scenario language: given what was known, when something comes in, then this stands broken or this is history.

Touchpoints are written in the customer's words and are made by the real kinds; a scenario drives the real functions
of effective history and the real judge of the rules.

    given(order("1", A=2)).when(shipment("s", "1", A=3)).breaches("order", "more than ordered")

Each touchpoint is recorded one after the other, in the order in which it is written. Days are written "2026-03-01"
(only the date counts) or "2026-03-01T10:00" (the instant, UTC); one that names no day comes an hour after the last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest

import domain.kinds  # noqa: F401 - registers the kinds
from domain.company import Company
from domain.errors import Refused
from domain.history import MERGE_KINDS, check_door, effective_histories, root_of
from domain.judging import breaches_in
from domain.lifecycle import Breach
from domain.touchpoint import Envelope, Fact

CUSTOMER = "anna"
_START = datetime(2026, 3, 1, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """A touchpoint as a scenario says it: `on` a day or an instant, `of` a customer, under an id if one matters."""

    kind: str
    data: Mapping[str, Any]
    day: str = ""
    customer: str = CUSTOMER
    id: str = ""
    source: str = "shop"
    sequence: int = 0
    channel: str | None = None

    def on(self, day: str) -> Self:
        return replace(self, day=day)

    def of(self, customer: str) -> Self:
        return replace(self, customer=customer)

    def named(self, id: str, source: str = "shop") -> Self:  # noqa: A002 - the envelope's own word
        return replace(self, id=id, source=source)


@dataclass(frozen=True)
class Scenario:
    """All that was recorded so far, in the order of recording."""

    facts: tuple[Fact, ...] = ()
    company: Company = field(default_factory=Company)

    def when(self, *said: Said) -> "Scenario":
        """Record what comes in next."""
        facts = self.facts
        for each in said:
            facts = (*facts, *self._recorded(each, facts))
        return replace(self, facts=facts)

    def refuses(self, said: Said, error: type[Refused], rule: str) -> "Scenario":
        """The door refuses this, by a rule with these words."""
        with pytest.raises(error) as caught:
            check_door(self._recorded(said, self.facts)[0]._replace(number=0, version=0), self.facts)
        assert rule in caught.value.what + caught.value.rule
        assert caught.value.where
        assert caught.value.way_out
        return self

    def admits(self, said: Said) -> "Scenario":
        """The door lets this pass, and it is recorded."""
        check_door(self._recorded(said, self.facts)[0]._replace(number=0, version=0), self.facts)
        return self.when(said)

    def history(self, customer: str = CUSTOMER, *, until: str | None = None) -> list[Fact]:
        """The effective history of a customer's family."""
        limit = None if until is None else _envelope(Said("CustomerRegistered", _PARTY, until), _START).occurred_us
        return effective_histories(self.facts, limit).get(root_of(customer, self.facts), [])

    def ids(self, customer: str = CUSTOMER, *, until: str | None = None) -> list[str]:
        """The ids of that history, in its order."""
        return [fact.id for fact in self.history(customer, until=until)]

    def standing(self, customer: str = CUSTOMER) -> list[Breach]:
        """The breaches that stand in the customer's history."""
        return breaches_in(self.history(customer), self.company)

    def breaches(self, entity: str, rule: str, *, times: int = 1) -> "Scenario":
        """This rule, and no other, stands broken."""
        assert [breach.rule for breach in self.standing()] == [f"{entity}/{rule}"] * times
        return self

    def breaches_nothing(self) -> "Scenario":
        """All is as it should be."""
        assert self.standing() == []
        return self

    def _recorded(self, said: Said, facts: tuple[Fact, ...]) -> list[Fact]:
        latest = datetime.fromisoformat(facts[-1].envelope["time"]) if facts else _START
        envelope = _envelope(said, latest + timedelta(hours=1))
        if not said.id:
            envelope = envelope.model_copy(update={"id": f"t{len(facts) + 1}"})
        data = envelope.data.model_dump(mode="json", exclude_none=True)
        stored = envelope.model_dump(mode="json", exclude_none=True) | {"data": data}
        customers = (data["survivor"], data["absorbed"]) if said.kind in MERGE_KINDS else (said.customer,)
        return [
            Fact(
                at=envelope.occurred_us,
                sequence=envelope.sequence,
                stream=customer,
                version=sum(fact.stream == customer for fact in facts) + 1,
                kind=said.kind,
                id=envelope.id,
                source=envelope.source,
                data=data,
                envelope=stored,
                number=len(facts) + place,
                recorded=len(facts),
            )
            for place, customer in enumerate(customers, start=1)
        ]


_PARTY = {"party": "person"}


def _envelope(said: Said, otherwise: datetime) -> Envelope:
    dated = len(said.day) == len("2026-03-01")
    time = f"{said.day}T00:00:00Z" if dated else f"{said.day}:00Z" if said.day else otherwise.isoformat()
    return Envelope.read(
        {
            "id": said.id or "unnamed",
            "source": said.source,
            "type": said.kind,
            "subject": said.customer,
            "time": time,
            "precision": "date" if dated else "instant",
            "sequence": said.sequence,
            "channel": said.channel,
            "data": dict(said.data),
        }
    )


def given(*said: Said, company: Company | None = None) -> Scenario:
    """Begin a scenario with what was recorded before."""
    return Scenario(company=company or Company()).when(*said)


def said(kind: str, /, **fields: Any) -> Said:
    """Any kind, with its fields as they are stored; `from_` stands for `from`."""
    return Said(kind, {name.rstrip("_"): value for name, value in fields.items()})


def opportunity(step: str, name: str = "o", /, **fields: Any) -> Said:
    """A step of an opportunity: `opportunity("Won")`."""
    return said(f"Opportunity{step}", opportunity=name, **fields)


def moved(before: str, after: str, name: str = "o") -> Said:
    """An opportunity goes from one stage to another."""
    return opportunity("StageChanged", name, from_=before, to=after)


def quote(valid_until: str, name: str = "q") -> Said:
    return said("QuoteIssued", quote=name, total="10 EUR", valid_until=valid_until)


def accepted(name: str = "q") -> Said:
    return said("QuoteAccepted", quote=name)


def declined(name: str = "q") -> Said:
    return said("QuoteDeclined", quote=name)


def order(name: str = "1", quote: str | None = None, **goods: int) -> Said:
    """An order of goods by their sku: `order("1", A=2)`."""
    lines = [{**item, "line": str(place), "net": "1 EUR"} for place, item in enumerate(_items(goods), start=1)]
    return said("OrderPlaced", order=name, total="10 EUR", lines=lines, **({"quote": quote} if quote else {}))


def confirmed(name: str = "1") -> Said:
    return said("OrderConfirmed", order=name)


def amended(name: str = "1", **goods: int) -> Said:
    return said("OrderAmended", order=name, lines=_items(goods))


def cancelled(name: str = "1", **goods: int) -> Said:
    return said("OrderCancelled", order=name, lines=_items(goods))


def shipment(name: str = "s", of: str = "1", **goods: int) -> Said:
    return said("ShipmentDispatched", shipment=name, order=of, lines=_items(goods))


def delivered(name: str = "s") -> Said:
    return said("ShipmentDelivered", shipment=name)


def returned(of: str | None = None, **goods: int) -> Said:
    return said("ReturnReceived", lines=_items(goods), **({"order": of} if of else {}))


def merged(survivor: str, absorbed: str) -> Said:
    return said("CustomersMerged", survivor=survivor, absorbed=absorbed, method="manual").of(survivor)


def reverted(merge: str, survivor: str, absorbed: str, *returned: str) -> Said:
    fields = {"merge": merge, "survivor": survivor, "absorbed": absorbed, "returned": returned}
    return said("CustomerMergeReverted", **fields).of(survivor)


def corrected(target: str, **fields: Any) -> Said:
    """A correction of fields: `corrected("t1", reason_="price")` changes the field `reason`."""
    replacement = {name.rstrip("_"): value for name, value in fields.items()}
    return said("TouchpointCorrected", target=target, replacement=replacement, reason="typing error")


def retimed(target: str, day: str) -> Said:
    """A correction of the time at which something occurred."""
    return said("TouchpointCorrected", target=target, occurred=f"{day}:00Z", reason="typing error")


def retracted(target: str) -> Said:
    return said("TouchpointCorrected", target=target, retraction=True, reason="never happened")


def _items(goods: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"sku": sku, "quantity": quantity} for sku, quantity in goods.items()]
