"""What a change may do to a kind that was published: every way to break it is found, and every widening let through."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from adapters.codec import read_envelope
from docs.generate.schemas import verdict
from domain.company import Company
from domain.example import example
from domain.registry import ENVELOPE, breaks, published, renewed
from domain.touchpoint import KINDS, Touchpoint

OURS = [KINDS[name] for name in published() if name != ENVELOPE]


def test_the_kinds_are_as_they_were_published() -> None:
    assert verdict(published(), OURS) == "", "run make docs"


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.kind)
def test_the_example_of_a_kind_is_one(kind: type[Touchpoint]) -> None:
    read_envelope(example(kind), 2_000_000_000_000_000, Company(zone="Europe/London"))


def registry(change: Callable[[dict[str, Any]], object], kind: str = "InvoiceIssued") -> Any:
    """What was published if a kind had once been as it is now but for this change."""
    old: Any = deepcopy(published())
    change(old[kind]["1"])
    return old


def field(name: str, **rules: Any) -> Callable[[dict[str, Any]], object]:
    return lambda schema: schema["properties"].__setitem__(name, rules)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (field("coupon", type="string"), "InvoiceIssued.coupon: is gone or renamed"),
        (lambda schema: schema["required"].remove("invoice"), "InvoiceIssued.invoice: is required now"),
        (field("invoice", type="integer"), "InvoiceIssued.invoice: is string, and was integer"),
        (field("invoice"), "InvoiceIssued.invoice: is string, and was anything"),
        (field("invoice", type="string", minLength=1, maxLength=201), "InvoiceIssued.invoice: maxLength fell to 200"),
        (field("invoice", type="string", maxLength=200), "InvoiceIssued.invoice: minLength rose to 1"),
        (lambda schema: schema["$defs"]["Amount"]["anyOf"].append({"type": "number"}), "InvoiceIssued.amount: no long"),
        (lambda schema: schema["$defs"]["Line"]["properties"].update(size={}), "OrderPlaced.lines[].size: is gone"),
        (lambda schema: schema["properties"]["party"]["enum"].append("club"), "CustomerRegistered.party: no longer ta"),
    ],
)
def test_what_no_longer_takes_all_that_it_took_is_told_with_its_place(
    change: Callable[[dict[str, Any]], object], told: str
) -> None:
    found, *_ = breaks(registry(change, told.partition(".")[0]), OURS)
    assert str(found).startswith(told)


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema["properties"].pop("order"),
        lambda schema: schema["required"].append("order"),
        lambda schema: schema["properties"]["invoice"].update(maxLength=10),
        lambda schema: schema["properties"]["invoice"].update(enum=["i-1"]),
        lambda schema: schema.update(description="other words"),
        lambda schema: schema["$defs"]["Amount"]["anyOf"].pop(),
    ],
)
def test_what_takes_all_that_it_took_and_more_only_asks_to_be_noted(change: Callable[[dict[str, Any]], object]) -> None:
    old = registry(change)
    assert list(breaks(old, OURS)) == []
    assert verdict(old, OURS).endswith("make docs")


def test_a_kind_that_is_gone_is_told_and_the_way_out() -> None:
    told = verdict(published(), [kind for kind in OURS if kind.kind != "InvoiceIssued"])
    assert "InvoiceIssued: is gone" in told
    assert "schema_version" in told


@pytest.fixture
def second() -> Iterator[type[Touchpoint]]:
    """A second version of a kind that knows no field of the first."""

    class ShopVisited(Touchpoint, schema_version=2):
        """The customer came in."""

        place: str

        @staticmethod
        def upcast_v1_v2(data: dict[str, Any]) -> None:
            data["place"] = data.pop("shop")

    yield ShopVisited
    KINDS.pop("ShopVisited")


def test_a_new_version_may_differ_and_the_old_one_is_kept(second: type[Touchpoint]) -> None:
    first = {"properties": {"shop": {"type": "string"}}, "required": ["shop"]}
    old = {"ShopVisited": {"1": first}}
    assert list(breaks(old, [second])) == []
    assert list(renewed(old, [second])["ShopVisited"]) == ["1", "2"]
    assert renewed(old, [second])["ShopVisited"]["1"] == first
    third = {"ShopVisited": {"1": first, "3": first}}
    assert [str(each) for each in breaks(third, [second])] == ["ShopVisited: has schema version 2, but 3 was published"]
