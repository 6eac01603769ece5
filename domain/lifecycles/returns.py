"""Goods that come back: of each sku a customer may return what they bought, under whichever order it was."""

from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from domain.kinds.after_sales import ReturnReceived
from domain.kinds.order import OrderAmended, OrderCancelled, OrderPlaced
from domain.lifecycle import Guard, Lifecycle, Step, World
from domain.money import quantity_micros
from domain.order_book import UNNAMED
from domain.touchpoint import Fact

_CAME_BACK = ReturnReceived.kind
_NOTHING: Mapping[str, int] = MappingProxyType({})


class Count(NamedTuple):
    """How many of a sku the customer bought (ordered less cancelled) and returned, in micro-units."""

    bought: int = 0
    returned: int = 0


_NONE = Count()
_count = partial(tuple.__new__, Count)  # without going through Python, for every order changes some


def skus_concerned(fact: Fact, world: World) -> Iterable[str]:
    """The skus that came back, or whose count an order changed."""
    if fact.kind == _CAME_BACK:
        skus = dict.fromkeys(item["sku"] for item in fact.data["lines"] if "sku" in item)
        # A return that names its order is judged by that order; here it only counts, where there is a count.
        return [sku for sku in skus if "order" not in fact.data or world.life("goods", sku)]
    before, after = _counts(fact, world)
    if before is after:
        return ()
    changed: Iterable[str] = after
    if before:
        changed = [sku for sku in dict.fromkeys((*before, *after)) if before.get(sku) != after.get(sku)]
    return [sku for sku in changed if not sku.startswith(UNNAMED)]


def _counts(fact: Fact, world: World) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """What stood ordered before the touchpoint, and after it."""
    place = ("order", fact.data["order"])
    before = world.before.get(place)
    after = world.changes.get(place) or before
    return (
        before.memo.standing if before and before.state else _NOTHING,
        after.memo.standing if after and after.state else _NOTHING,
    )


def ordered(step: Step) -> Count:
    """The count after an order was placed, amended or cancelled."""
    sku, count = step.entity, step.memo or _NONE
    before, after = _counts(step.fact, step.world)
    return _count((count.bought + after.get(sku, 0) - before.get(sku, 0), count.returned))


def came_back(step: Step) -> Count:
    """The count after a return."""
    count: Count = step.memo
    return count._replace(returned=count.returned + _quantity(step))


def returns_more_than_bought(step: Step) -> bool:
    """More of the sku came back than the customer had bought by then."""
    count: Count = step.memo
    return "order" not in step.fact.data and count.returned + _quantity(step) > count.bought


def _quantity(step: Step) -> int:
    items = step.fact.data["lines"]
    return sum(quantity_micros(item["quantity"]) for item in items if item.get("sku") == step.entity)


GOODS = Lifecycle(
    "goods",
    opens={OrderPlaced: "bought", OrderAmended: "bought"},
    steps={
        "bought": {
            OrderPlaced: "bought",
            OrderAmended: "bought",
            OrderCancelled: "bought",
            ReturnReceived: "bought",
        },
    },
    never="never bought",
    early="never bought",
    twice="never bought",
    refuses={},
    guards={
        ReturnReceived: [
            Guard("more than was bought", "more came back than the customer had bought", returns_more_than_bought),
        ],
    },
    keeps={OrderPlaced: ordered, OrderAmended: ordered, OrderCancelled: ordered, ReturnReceived: came_back},
    entities=skus_concerned,
    after=["order"],
)
