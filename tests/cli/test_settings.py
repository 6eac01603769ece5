"""`lifecircle settings`: what a company may change, who changed it, and that the views follow."""

from pathlib import Path

import pytest

from tests.cli.program import Shell


def test_settings_are_shown_changed_and_remembered(shop: Shell, tmp_path: Path) -> None:
    shown = {row["setting"]: row for row in shop("settings", "--format", "json").json}
    assert shown["payment_tolerance"]["value"] == shown["payment_tolerance"]["default"] == 0
    assert all(row["meaning"] for row in shown.values())
    caps = tmp_path / "caps.json"
    caps.write_text('[{"messages": 2, "days": 7}]')
    shop("settings", "payment_tolerance=0.01", f"frequency_caps=@{caps}", "zone=Europe/Paris")
    now = {row["setting"]: row["value"] for row in shop("settings", "--format", "json").json}
    assert (now["payment_tolerance"], now["zone"]) == (0.01, "Europe/Paris")
    assert now["frequency_caps"] == [{"messages": 2, "days": 7, "purpose": None}]
    changed = [row for row in shop("settings", "--history", "--format", "json").json if row["number"] == 2]
    assert {row["setting"] for row in changed} == {"payment_tolerance", "frequency_caps", "zone"}
    assert all(row["by"].startswith("cli:") and row["recorded"] for row in changed)


@pytest.mark.parametrize(
    "change", ["nonsense=1", "zone=Mars/Base", "request_days=0", "request_days=x", "zone=[", "zone"]
)
def test_what_is_no_setting_is_refused_and_nothing_recorded(shop: Shell, change: str) -> None:
    refused = shop("settings", change)
    assert refused.code in (2, 3)
    assert change.partition("=")[0] in refused.err
    assert "Traceback" not in refused.err
    assert {row["number"] for row in shop("settings", "--history", "--format", "json").json} <= {1}


def test_a_change_makes_the_views_stale_and_run_rebuilds_them(shop: Shell) -> None:
    sent = ("record", "MessageSent", "--subject", "c9", "message=m", "purpose=gift")
    shop(*sent)
    shop("run", "--once")
    before = shop("status", "--format", "json").json
    shop("settings", 'promotional=["gift"]')
    stale = shop("status", "--format", "json").json
    assert {view["state"] for view in stale["views"]} == {"stale: rebuild"}
    assert "breaches" in shop("run", "--once").err
    after = shop("status", "--format", "json").json
    assert {view["state"] for view in after["views"]} == {"live"}
    assert "consent/never granted" in after["breaches"]
    assert "consent/never granted" not in before["breaches"]


def test_a_process_is_expected_at_its_version(shop: Shell) -> None:
    order = ("record", "OrderPlaced", "--subject", "c9", "order=x", "total=1 EUR")
    shop(*order, "--expected", "order/x=0")
    shop("record", "MessageSent", "--subject", "c9", "message=m", "purpose=thanks")
    confirm = ("record", "OrderConfirmed", "--subject", "c9", "order=x", "--expected")
    moved = shop(*confirm, "order/x=9")
    assert (moved.code, "order/x is at version 1" in moved.err) == (4, True)
    shop(*confirm, "order/x=1")
    for nonsense in ("x", "order/x=", "=1", "-1"):
        assert shop(*confirm, nonsense).code in (2, 3)
