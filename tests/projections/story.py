"""The scenario language of the views' tests: what happened to customers, and the rows that views make of it."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from adapters.codec import encode, fact_from
from adapters.views.pseudonyms import Pseudonyms
from domain.company import Company
from domain.history import effective_histories
from domain.touchpoint import Envelope, Fact
from projections.view import View, fold

PSEUDONYMS = Pseudonyms(b"the id key of the log in all tests")

_ids = count(1)


def happened(when: str, kind: str, /, subject: str = "anna", **fields: Any) -> Envelope:
    """A touchpoint; a `when` without a time of day has date precision. `touch_…` fields go into the envelope."""
    named = {name.removeprefix("touch_"): fields.pop(name) for name in list(fields) if name.startswith("touch_")}
    precision = "instant" if "T" in when else "date"
    return Envelope.read(
        {
            "id": f"t-{next(_ids)}",
            "source": "test",
            "type": kind,
            "subject": subject,
            "time": when if "T" in when else f"{when}T00:00:00+00:00",
            "precision": precision,
            "data": fields,
        }
        | named
    )


def corrected(target: Envelope, when: str, **remedy: Any) -> Envelope:
    """A correction of a touchpoint, in its stream: replacement=…, occurred=… or retraction=True."""
    return happened(when, "TouchpointCorrected", subject=target.subject, target=target.id, **remedy, reason="mistake")


def merged(when: str, survivor: str, absorbed: str) -> list[Envelope]:
    """A merge, as it stands in both streams."""
    ours = happened(when, "CustomersMerged", subject=survivor, survivor=survivor, absorbed=absorbed, method="exact")
    return [ours, ours.model_copy(update={"subject": absorbed})]


def parted(when: str, merge: Sequence[Envelope]) -> list[Envelope]:
    """The revert of a merge, as it stands in both streams."""
    ours, theirs = merge
    revert = happened(
        when,
        "CustomerMergeReverted",
        subject=ours.subject,
        merge=ours.id,
        survivor=ours.subject,
        absorbed=theirs.subject,
        returned=[],
    )
    return [revert, revert.model_copy(update={"subject": theirs.subject})]


def facts_of(touchpoints: Sequence[Envelope]) -> list[Fact]:
    """The touchpoints as the log would give them back, recorded one after the other."""
    versions: dict[str, int] = {}
    facts = []
    for number, touchpoint in enumerate(touchpoints, start=1):
        versions[touchpoint.subject] = version = versions.get(touchpoint.subject, 0) + 1
        fact = fact_from(touchpoint.subject, version, encode(touchpoint))
        facts.append(fact._replace(number=number, recorded=number))
    return facts


def rows(view: type[View[Any]], *touchpoints: Envelope, zone: str = "UTC", **settings: Any) -> list[Any]:
    """The rows of a view after all that happened, of every root, sorted; `settings` are the company's."""
    lens = view(Company.model_validate({"zone": zone, **settings}))
    return sorted(
        row
        for root, history in effective_histories(facts_of(touchpoints)).items()
        for row in fold(lens, root, PSEUDONYMS.put_into(history)).values()
    )


def row(view: type[View[Any]], *touchpoints: Envelope, zone: str = "UTC") -> Any:
    """The only row of a view after all that happened."""
    (only,) = rows(view, *touchpoints, zone=zone)
    return only


def eur(amount: str) -> str:
    return f"{amount} EUR"


def line(sku: str, quantity: int | str, net: str | None = None, **more: Any) -> dict[str, Any]:
    """Goods of an order line; `net` in euros."""
    return {"sku": sku, "quantity": quantity, **({} if net is None else {"net": eur(net)}), **more}


def order(when: str, number: str, amount: str, **more: Any) -> Envelope:
    """An order of one line of one piece."""
    return happened(
        when, "OrderPlaced", **{"order": number, "lines": [line("mug", 1, amount)], "total": eur(amount)} | more
    )
