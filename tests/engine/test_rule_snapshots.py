"""Rule state of long streams: written down now and then, read back, and never taken for what it is not."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from adapters.appending.rule_snapshots import decode_state, encode_state
from adapters.engine import Engine
from adapters.settings import LIMITS
from domain.company import Company
from domain.errors import RuleBroken
from domain.history import effective_histories
from domain.judging import weigh
from domain.lifecycle import Breach, RuleState
from domain.shards import Shards
from domain.touchpoint import Envelope, Fact
from tests.domain.worlds import World, recorded, worlds
from tests.engine.conftest import Touch

LONG = 2 * LIMITS.rule_snapshot_touchpoints + 40


def long_life(touch: Touch, subject: str = "anna") -> list[Envelope]:
    """Orders that are confirmed, shipped and paid, and steps of others that never were placed."""
    told = []
    for at in range(LONG // 4):
        order, day = f"o{at}", 1 + at * 27 // LONG
        told += [
            touch("OrderPlaced", subject, f"{at}-1", day, order=order, total="5 EUR"),
            touch("OrderConfirmed", subject, f"{at}-2", day, order=order if at % 9 else f"no-{at}"),
            touch("ShipmentDispatched", subject, f"{at}-3", day, shipment=f"s{at}", order=order),
            touch("PaymentReceived", subject, f"{at}-4", day, payment=f"p{at}", order=order, amount="5 EUR"),
        ]
    return told


def snapshots_of(engine: Engine, subject: str) -> list[int]:
    recorder = engine.log.factory(1).aggregate_recorder("snapshots")
    return [event.originator_version for event in recorder.select_events(subject)]


def refuses(engine: Engine, touchpoint: Envelope) -> str:
    with pytest.raises(RuleBroken) as refused:
        engine.append([touchpoint], strict=True)
    return refused.value.rule.partition(":")[0]


def test_a_long_life_is_judged_alike_with_its_snapshot_and_without(engine: Engine, touch: Touch) -> None:
    engine.append(long_life(touch))
    assert snapshots_of(engine, "anna") == []
    engine.append([touch("OrderPlaced", "anna", "new", 28, order="new", total="1 EUR")], strict=True)
    assert snapshots_of(engine, "anna") == [LONG]
    again = touch("OrderPlaced", "anna", "again", 28, order="o3", total="1 EUR")
    with Engine.open(engine.url) as other:  # which has nothing in memory, and begins with the snapshot
        assert refuses(other, again) == "order/placed twice"
        assert refuses(other, touch("OrderConfirmed", "anna", "c", 28, order="o-none")) == "order/never placed"
        other.append([touch("ShipmentDelivered", "anna", "d", 28, shipment="s5")], strict=True)
    assert refuses(engine, again) == "order/placed twice"


def test_a_snapshot_of_other_settings_is_passed_over(engine: Engine, touch: Touch) -> None:
    engine.append(long_life(touch))
    lines: list[dict[str, Any]] = [{"sku": "mug", "quantity": 10, "net": "10 EUR"}]
    engine.append([touch("OrderPlaced", "anna", "m", 28, order="m", total="10 EUR", lines=lines)], strict=True)
    more = touch(
        "ShipmentDispatched", "anna", "m2", 28, shipment="m", order="m", lines=[{"sku": "mug", "quantity": 11}]
    )
    assert refuses(engine, more) == "order/more than ordered"
    assert engine.change_settings({"over_delivery_tolerance": 0.2})
    with Engine.open(engine.url) as other:
        assert other.append([more], strict=True)[0].version == LONG + 2


def test_a_past_that_changed_is_folded_once_and_then_goes_on(engine: Engine, touch: Touch) -> None:
    engine.append(long_life(touch))
    late = touch("OrderPlaced", "anna", "late", 1, order="no-9", total="1 EUR")
    gone = touch("TouchpointCorrected", "anna", "gone", 28, target="3-1", retraction=True, reason="never was")
    engine.append([late])
    engine.append([gone])
    assert refuses(engine, touch("OrderConfirmed", "anna", "c3", 28, order="o3")) == "order/never placed"
    engine.append([touch("OrderCancelled", "anna", "c9", 28, order="no-9")], strict=True)
    assert snapshots_of(engine, "anna") == [LONG + 2]
    with Engine.open(engine.url) as other:
        assert refuses(other, touch("OrderConfirmed", "anna", "c3", 28, order="o3")) == "order/never placed"
        assert refuses(other, touch("OrderPlaced", "anna", "p9", 28, order="no-9", total="1 EUR")).startswith("order/")


def test_what_a_correction_waits_for_is_not_forgotten(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OrderPlaced", "anna", "1", 1, order="a", total="1 EUR")])
    engine.append([touch("TouchpointCorrected", "anna", "2", 2, target="3", retraction=True, reason="never was")])
    assert refuses(engine, touch("OrderConfirmed", "anna", "4", 5, order="b")) == "order/never placed"
    engine.append([touch("OrderPlaced", "anna", "3", 4, order="b", total="1 EUR")])
    assert refuses(engine, touch("OrderConfirmed", "anna", "4", 5, order="b")) == "order/never placed"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_rule_state_is_read_back_as_it_was_written(world: World) -> None:
    company = Company()
    for history in effective_histories(recorded(world)).values():
        state = RuleState()
        for at, fact in enumerate(history):
            read = decode_state(encode_state(state))
            assert found(read, history[at:], company) == found(state, history[at:], company)
            state = weigh(state, fact, company).state


def found(state: RuleState, history: list[Fact], company: Company) -> list[tuple[tuple[Breach, ...], ...]]:
    verdicts: list[tuple[tuple[Breach, ...], ...]] = []
    for fact in history:
        state, breaches, healed = weigh(state, fact, company)
        verdicts.append((breaches, healed))
    return verdicts


def test_a_long_chain_and_only_known_types_can_be_written() -> None:
    chain: Any = None
    for at in range(5_000):
        chain = ((at, "x"), chain)
    read = decode_state(encode_state(chain))
    for at in reversed(range(5_000)):
        head, read = read
        assert head == (at, "x")
    assert read is None
    state = Shards[str, Any]().updated({"pair": ("a", 1), "set": frozenset("ab"), "one": ("a", None), "list": [()]})
    assert dict(decode_state(encode_state(state)).items()) == dict(state.items())
    with pytest.raises(TypeError, match="object"):
        encode_state(Shards[str, Any]().updated({"strange": object()}))
