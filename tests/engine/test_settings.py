"""Changed settings: who reads them when, and what becomes of the views."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event

import pytest

from adapters.engine import Engine
from adapters.views.projector import Projector, status
from adapters.views.rebuild import rebuild
from adapters.views.tables import open_tables
from domain.errors import RuleBroken, SettingsInvalid
from tests.engine.conftest import Touch


def test_strict_reads_what_another_program_has_changed(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OrderPlaced", "anna", "1", order="o", total="1 EUR", lines=[_line(10)])])
    too_many = touch("ShipmentDispatched", "anna", "2", day=2, shipment="s", order="o", lines=[_line(11)])
    with pytest.raises(RuleBroken):
        engine.append([too_many], strict=True)
    with Engine.open(engine.url) as other:
        assert other.change_settings({"over_delivery_tolerance": 0.1}, recordedby="clerk")
    engine.append([too_many], strict=True)
    assert engine.company.over_delivery_tolerance == 0.1


def _line(quantity: int) -> dict[str, object]:
    return {"sku": "A", "quantity": quantity, "net": "1 EUR"}


def test_a_change_says_who_made_it_and_nothing_is_recorded_where_none_is(engine: Engine) -> None:
    assert engine.change_settings({"request_days": 20, "zone": "Europe/Paris"}, recordedby="clerk")
    assert not engine.change_settings({"request_days": 20})
    first, second = engine.log.settings()
    assert (first.company.request_days, first.company.zone) == (30, "Europe/London")
    assert (second.company.request_days, second.company.zone, second.recordedby) == (20, "Europe/Paris", "clerk")


@pytest.mark.parametrize(
    "changes",
    [{"no_such": 1}, {"zone": "Mars/Base"}, {"request_days": 0}, {"frequency_caps": [{"messages": 0, "days": 1}]}],
)
def test_what_a_company_cannot_have_is_refused(engine: Engine, changes: dict[str, object]) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        engine.change_settings(changes)
    assert refused.value.where.split(".")[0] == next(iter(changes))
    assert len(engine.log.settings()) == 1


def test_changes_of_several_at_once_all_stand(engine: Engine) -> None:
    changes: list[dict[str, float]]
    changes = [{"request_days": 10}, {"dunning_grace_days": 3}, {"payment_tolerance": 0.5}, {"future_limit_s": 9}]
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(engine.change_settings, changes))
    assert [version.number for version in engine.log.settings()] == [1, 2, 3, 4, 5]
    with Engine.open(engine.url) as other:
        told = other.company.model_dump()
    assert {name: told[name] for change in changes for name in change} == {
        name: value for change in changes for name, value in change.items()
    }


def test_a_change_makes_views_stale_ends_their_projector_and_a_rebuild_shows_it(engine: Engine, touch: Touch) -> None:
    sent = touch("MessageSent", "anna", "1", message="m", purpose="gift")
    engine.append([sent])
    tables = open_tables(engine.url, engine.company)
    projector = Projector(engine.log, tables, engine.company)
    with ThreadPoolExecutor(1) as pool:
        shown = Event()
        following = pool.submit(projector.run, Event(), lambda _: shown.set())
        assert shown.wait(20)
        engine.change_settings({"promotional": ["gift"]})
        following.result(timeout=20)
    assert {view.state for view in status(engine.log, tables)} == {"stale: rebuild"}
    assert tables.rows("breaches")[1] == []
    with closing(open_tables(engine.url, engine.company)) as anew:
        rebuild(engine.log, anew, engine.company)
        columns, rows = anew.rows("breaches")
        assert [row[columns.index("rule")] for row in rows] == ["consent/never granted"]
        assert {view.state for view in status(engine.log, anew)} == {"live"}
    tables.close()
