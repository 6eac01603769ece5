"""The pictures of the rules: everything that the tables say, and nothing else."""

import re

import pytest

from domain.diagram import diagram, rules, states
from domain.judging import lifecycles
from domain.lifecycle import Lifecycle
from domain.lifecycles.shipment import SHIPMENT


def test_a_lifecycle_is_drawn_as_states_and_rules() -> None:
    assert states(SHIPMENT) == (
        "stateDiagram-v2\n"
        "    [*] --> dispatched : ShipmentDispatched\n"
        "    dispatched --> delivered : ShipmentDelivered\n"
        "    dispatched --> failed : DeliveryFailed\n"
        "    failed --> delivered : ShipmentDelivered\n"
        "    failed --> failed : DeliveryFailed"
    )
    assert rules(SHIPMENT).splitlines()[2] == (
        "| `shipment/never dispatched` | DeliveryFailed, ShipmentDelivered | nothing opened it before |"
    )


@pytest.mark.parametrize("table", lifecycles(), ids=lambda table: str(table.key))
def test_every_allowed_step_is_an_arrow_and_every_rule_a_row(table: Lifecycle) -> None:
    arrows = re.findall(r"    (\S+) --> (\S+) : (\S+)", states(table))
    drawn = {(before, kind, after) for before, after, kinds in arrows for kind in kinds.split("<br>")}
    allowed = {(state, kind, after) for state, row in table.steps.items() for kind, after in row.items()}
    assert drawn == allowed | {("[*]", kind, after) for kind, after in table.opens.items()}
    told = re.findall(r"^\| `([^`]+)`", rules(table), re.MULTILINE)
    guards = [guard for those in table.guards.values() for guard in those]
    named = {*table.refuses.values(), *(guard.rule for guard in guards)}
    named |= {table.balance.rule} if table.balance else set()
    assert {f"{table.key}/{rule}" for rule in named} <= set(told)
    assert diagram(table).startswith("```mermaid\nstateDiagram-v2\n")
