"""Expecting the version of one process: others of the same customer may move meanwhile."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.engine import Engine
from domain.errors import InvalidTouchpoint, RepeatMixedWithNew, RuleBroken, VersionConflict
from tests.engine.conftest import Touch


def test_only_what_names_the_process_is_a_conflict(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OrderPlaced", "anna", "1", order="a", total="10 EUR")], expected={"order/a": 0})
    engine.append([touch("OrderPlaced", "anna", "2", order="b", total="10 EUR")])
    engine.append([touch("OrderConfirmed", "anna", "3", day=2, order="b")])
    engine.append([touch("OrderConfirmed", "anna", "4", day=2, order="a")], expected={"order/a": 1})
    with pytest.raises(VersionConflict, match="order/a") as moved:
        engine.append([touch("OrderCancelled", "anna", "5", day=3, order="a")], expected={"order/a": 1})
    assert moved.value.current == 4
    engine.append([touch("OrderCancelled", "anna", "5", day=3, order="a")], expected={"order/a": 4, "order/b": 3})


def test_a_shipment_is_a_process_too_and_strict_goes_with_it(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OrderPlaced", "anna", "1", order="a", total="10 EUR")])
    shipped = touch("ShipmentDispatched", "anna", "2", day=2, shipment="s", order="a")
    engine.append([shipped], expected={"order/a": 1, "shipment/s": 0}, strict=True)
    arrived = touch("ShipmentDelivered", "anna", "3", day=3, shipment="s")
    engine.append([arrived], expected={"shipment/s": 2}, strict=True)
    with pytest.raises(RuleBroken):
        engine.append(
            [touch("ShipmentDelivered", "anna", "4", day=4, shipment="s")], expected={"shipment/s": 3}, strict=True
        )


def test_a_correction_moves_the_process_that_it_is_about(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OrderPlaced", "anna", "1", order="a", total="10 EUR")])
    engine.append([touch("OrderPlaced", "anna", "2", order="b", total="10 EUR")])
    fix = touch("TouchpointCorrected", "anna", "3", day=2, target="1", replacement={"coupon": "x"}, reason="typo")
    engine.append([fix])
    undone = touch("TouchpointCorrected", "anna", "4", day=3, target="3", retraction=True, reason="no typo")
    engine.append([undone])
    confirm = touch("OrderConfirmed", "anna", "5", day=4, order="b")
    engine.append([confirm], expected={"order/b": 2})
    with pytest.raises(VersionConflict) as moved:
        engine.append([touch("OrderConfirmed", "anna", "6", day=4, order="a")], expected={"order/a": 1})
    assert moved.value.current == 4


def test_a_repeat_is_answered_whatever_it_expects(engine: Engine, touch: Touch) -> None:
    first = touch("OrderPlaced", "anna", "1", order="a", total="10 EUR")
    (receipt,) = engine.append([first], expected={"order/a": 0})
    assert engine.append([first], expected={"order/a": 0}) == [receipt._replace(repeat=True)]
    with pytest.raises(RepeatMixedWithNew):
        engine.append([first, touch("OrderConfirmed", "anna", "2", order="a")], expected={"order/a": 1})


@pytest.mark.parametrize("process", ["order", "order/", "thing/1", "/1"])
def test_what_is_no_process_is_refused(engine: Engine, touch: Touch, process: str) -> None:
    with pytest.raises(InvalidTouchpoint, match="TYPE/ID"):
        engine.append([touch("OrderConfirmed", "anna", "1", order="a")], expected={process: 0})


def test_writers_of_other_processes_never_conflict(engine: Engine, touch: Touch) -> None:
    with Engine.open(engine.url) as other:

        def walk(number: int) -> None:
            order, mine, version = f"o{number}", (engine, other)[number % 2], 0
            for step in range(6):
                kind, more = ("OrderPlaced", {"total": "1 EUR"}) if step == 0 else ("OrderConfirmed", {})
                sent = touch(kind, "anna", f"{order}-{step}", day=1 + step, order=order, **more)
                (receipt,) = mine.append([sent], expected={f"order/{order}": version}, strict=step % 2 == 0)
                version = receipt.version

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(walk, range(8)))
        assert len(engine.history("anna")) == 48


def test_of_rivals_for_one_process_exactly_one_wins(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OrderPlaced", "anna", "0", order="a", total="10 EUR")])
    with Engine.open(engine.url) as other:

        def cancel(number: int) -> int:
            sent = touch("OrderCancelled", "anna", f"c{number}", day=9, order="a")
            try:
                (receipt,) = (engine, other)[number % 2].append([sent], expected={"order/a": 1})
            except VersionConflict as conflict:
                return -conflict.current
            return receipt.version

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(cancel, range(8))) == [-2] * 7 + [2]
