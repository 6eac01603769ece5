"""Several companies operated by one command."""

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


def test_what_is_one_logs_is_not_asked_of_all(tmp_path: Path) -> None:
    file, shell = str(tmp_path / "tenants.toml"), Shell("")
    assert shell("seal", "--tenants", file, "--rotate-key").code == 2
    assert shell("run", "--tenants", file, "--log", "sqlite:///a.db").code == 2
    missing = shell("run", "--tenants", file)
    assert (missing.code, "TenantsUnusable" in missing.err) == (8, True)
