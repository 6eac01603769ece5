"""Several companies operated by one command."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.cli.program import PROGRAM, ROOT, Shell

STARTED_WITHIN_S = 60


def until(found: Callable[[], bool]) -> None:
    deadline = monotonic() + STARTED_WITHIN_S
    while not found():
        assert monotonic() < deadline
        sleep(0.1)


def shown(shop: Shell) -> bool:
    """Whether the views of a log show its only order."""
    found = shop("view", "orders", "--format", "json")
    return found.code == 0 and len(found.json) == 1


def test_every_tenant_in_the_file_gets_a_projector_as_soon_as_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LIFECIRCLE_KEYS", "LIFECIRCLE_KEK_FILE"):
        monkeypatch.delenv(name)  # the tests' own, which two tenants would share
    shops = {name: Shell(f"sqlite:///{tmp_path}/{name}.db") for name in ("ale", "tea")}
    for shop in shops.values():
        assert shop("init").code == 0
        assert shop("record", "OrderPlaced", "--subject", "c1", "order=o1", "total=1 EUR").code == 0
    place, fresh = tmp_path / "tenants.toml", tmp_path / "fresh"
    told = {name: f'[{name}]\nlog = "{shop.url}"\n' for name, shop in shops.items()}
    place.write_text(told["ale"])
    environment = Shell("").environment({"LIFECIRCLE_LOG": ""})
    with subprocess.Popen([*PROGRAM, "run", "--tenants", place], cwd=ROOT, env=environment) as running:
        try:
            until(lambda: shown(shops["ale"]))
            assert not shown(shops["tea"])
            fresh.write_text("".join(told.values()))
            fresh.replace(place)
            until(lambda: shown(shops["tea"]))
        finally:
            running.send_signal(signal.SIGTERM)
    assert running.returncode == 0


def test_whom_a_killed_program_kept_at_work_ends_too_and_every_line_says_for_whom_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LIFECIRCLE_KEYS", "LIFECIRCLE_KEK_FILE"):
        monkeypatch.delenv(name)
    shop = Shell(f"sqlite:///{tmp_path}/tea.db")
    assert shop("init").code == 0
    assert shop("record", "OrderPlaced", "--subject", "c1", "order=o1", "total=1 EUR").code == 0
    place, lines = tmp_path / "tenants.toml", tmp_path / "lines"
    place.write_text(f'[tea]\nlog = "{shop.url}"\n')
    environment = Shell("").environment({"LIFECIRCLE_LOG": ""})
    keeping = [*PROGRAM, "run", "--tenants", str(place), "--act", "0.1"]
    with lines.open("w") as out, subprocess.Popen(keeping, cwd=ROOT, env=environment, stderr=out) as running:
        try:
            until(lambda: shown(shop))
            assert (
                shop("record", "InvoiceIssued", "--subject", "c1", "invoice=i", "amount=1 EUR", "due=2020-01-01").code
                == 0
            )
            until(lambda: '"tenant"' in lines.read_text())
            assert shop("run", "--once").code == 9  # another projector leads
        finally:
            running.kill()
    told = [json.loads(line) for line in lines.read_text().splitlines() if line.startswith("{")]
    assert {line["tenant"] for line in told} == {"tea"}
    until(lambda: shop("run", "--once").code == 0)


def test_what_is_one_logs_is_not_asked_of_all(tmp_path: Path) -> None:
    file, shell = str(tmp_path / "tenants.toml"), Shell("")
    assert shell("seal", "--tenants", file, "--rotate-key").code == 2
    assert shell("run", "--tenants", file, "--log", "sqlite:///a.db").code == 2
    missing = shell("run", "--tenants", file)
    assert (missing.code, "TenantsUnusable" in missing.err) == (8, True)
