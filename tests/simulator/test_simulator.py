"""A small market, with everything asked of it that `make simulate` asks of a large one."""

import pytest

from tests.simulator.checks import Check, checked
from tests.simulator.market import STARTS, market, removal_effects

CUSTOMERS, SEED = 400, 15


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Check]:
    """Every answer against its truth, by name."""
    found = list(checked(market(CUSTOMERS, SEED), f"sqlite:///{tmp_path_factory.mktemp('simulator')}/log.db"))
    return {check.name: check for check in found}


def test_every_fact_is_told_exactly_and_every_estimate_within_its_error(checks: dict[str, Check]) -> None:
    assert [check for check in checks.values() if not check.holds] == []


def test_the_market_has_something_of_everything_that_is_asked(checks: dict[str, Check]) -> None:
    nothing = {"refused", "dunning notices refused", "dunning notices due after them"}
    assert [name for name, check in checks.items() if not check.truth] == [name for name in checks if name in nothing]


def test_the_same_seed_makes_the_same_market() -> None:
    one, same, other = market(20, 3), market(20, 3), market(20, 4)
    assert (one.lives, one.late, one.truth) == (same.lives, same.late, same.truth)
    assert one.lives != other.lives


def test_true_effects_are_shares_and_the_likeliest_channel_is_missed_most() -> None:
    effects = removal_effects()
    assert effects.keys() == STARTS.keys()
    assert all(0 < effect < 1 for effect in effects.values())
    assert max(effects, key=lambda name: effects[name]) == "search"
