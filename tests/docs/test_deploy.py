"""What runs the program elsewhere: units, the image and the composition are such as their own programs take."""

import os
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pytest
import yaml

from adapters.configuration import CONFIG, SETTINGS
from adapters.settings import LIMITS
from cli.main import lifecircle
from tests.cli.program import ROOT, Shell
from tests.http.serving import STARTED_WITHIN_S, Serving, free_port, serving

DEPLOY = ROOT / "docs" / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
COMMANDS = lifecircle.list_commands(click.Context(lifecircle))
VARIABLES = {CONFIG, *(setting.variable for setting in SETTINGS.values())}
ANALYZE = shutil.which("systemd-analyze")
EXPOSED_MAX = 20
"""By systemd's own count, in tenths: 100 is a unit that is kept from nothing."""


def steps(name: str) -> list[str]:
    """What stands behind a word of the container file, in order."""
    return re.findall(rf"^{name}\s+(.*)$", CONTAINERFILE, re.MULTILINE)


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not on this machine")
@pytest.mark.parametrize("unit", sorted(path.name for path in DEPLOY.glob("lifecircle*.*er*")))
def test_units_are_such_as_systemd_takes_and_are_kept_from_what_they_need_not(unit: str, tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("lifecircle"))
    for path in DEPLOY.glob("lifecircle*.*er*"):
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/lifecircle/bin/lifecircle", program))

    verified = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", unit], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (verified.returncode, verified.stderr) == (0, "")
    if "@" in unit:
        limits = ["--offline=true", f"--threshold={EXPOSED_MAX}"]
        judged = subprocess.run(
            [str(ANALYZE), "security", *limits, str(tmp_path / unit)], capture_output=True, check=False
        )
        assert judged.returncode == 0, judged.stdout.decode()[-200:]


def test_the_configuration_that_is_shown_can_be_used() -> None:
    env = {**dict.fromkeys(VARIABLES, ""), CONFIG: str(DEPLOY / "lifecircle.toml")}
    told = Shell("").fork("config", "--format", "json", env=env)

    assert told.code == 0, told.err
    named = {row["setting"] for row in told.json if "lifecircle.toml" in row["said by"]}
    assert {"log", "kek_file", "serve_port"} <= named


def test_every_service_of_the_composition_has_what_it_names() -> None:
    services, volumes = COMPOSE["services"], COMPOSE["volumes"]
    assert services.keys() >= {"db", "serve", "run", "seal", "relay"}
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= services.keys()
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= volumes.keys()
        ours = {each for each in service["environment"] if each.startswith("LIFECIRCLE_")}
        assert ours <= VARIABLES
        if name in ("serve", "run", "seal", "relay"):
            assert int(service["stop_grace_period"].removesuffix("s")) > LIMITS.http_stop_s
        if name != "db":
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
            assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
            assert (ROOT / service["build"]["dockerfile"]).is_file()
        if "entrypoint" not in service and "command" in service:
            command, *options = service["command"]
            assert command in COMMANDS
            known = {each for option in _command(command).params for each in option.opts}
            assert set(options) <= known


def test_a_database_that_is_only_being_prepared_is_not_called_healthy() -> None:
    """The image prepares it by a server that listens at a socket alone."""
    assert "--host" in COMPOSE["services"]["db"]["healthcheck"]["test"]


def test_the_composition_makes_a_log_once_and_upgrades_one_that_is_there(sqlite_url: str) -> None:
    setup = COMPOSE["services"]["setup"]
    typed = [*setup["entrypoint"], *(each.replace("$$", "$") for each in setup["command"])]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    env |= {"LIFECIRCLE_LOG": sqlite_url, "COMPANY": "Tea & Sons", "ZONE": "Europe/London"}

    def ran() -> str:
        return subprocess.run(typed, env=env, capture_output=True, text=True, check=True).stdout

    assert "new log" in ran()
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as file:
        file.execute("DROP TABLE schema_steps")
    assert ran().startswith("steps taken")
    assert "Tea & Sons" in Shell(sqlite_url)("status").out


def _command(name: str) -> click.Command:
    found = lifecircle.get_command(click.Context(lifecircle), name)
    assert found is not None
    return found


def test_the_image_is_made_of_what_the_program_needs_and_has_no_rights(tmp_path: Path) -> None:
    assert steps("USER") == ["10001"]
    assert [
        step for step in steps("ENV") for name in re.findall(r"LIFECIRCLE_\w+", step) if name not in VARIABLES
    ] == []
    source = tmp_path / "src"
    source.mkdir()
    for step in steps("COPY"):
        *parts, target = [part for part in step.split() if not part.startswith("--")]
        if "--from" in step:
            continue
        for part in parts:
            whole, place = ROOT / part, source / target / ("" if (ROOT / part).is_dir() else part)
            shutil.copytree(whole, place) if whole.is_dir() else shutil.copy(whole, place)
    pins, *_ = [step for step in steps("RUN") if "constraints" in step]
    subprocess.run(["/bin/sh", "-c", pins], cwd=source, check=True)
    pinned = [line.partition("==")[0] for line in (source / "constraints.txt").read_text().splitlines()]
    locked = re.findall(r"^[a-z0-9].*?(?===)", (source / "requirements.lock").read_text(), re.MULTILINE)
    assert pinned == locked, "with what tells for which Python each version is, or they contradict each other"
    assert {"fastapi", "psycopg", "uvicorn", "eventsourcing"} <= {*pinned}
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    command = [sys.executable, "-m", "cli.main", "init", "--log", f"sqlite:///{tmp_path}/shop.db"]
    env = {"PYTHONPATH": str(tmp_path / "installed"), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where systemd listens for what the processes that it starts say."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"{folder}/notify")
        listening.settimeout(STARTED_WITHIN_S)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        yield listening


def test_every_part_says_when_it_is_at_work(file_shop: Shell, supervisor: socket.socket) -> None:
    assert "Type=notify" in (DEPLOY / "lifecircle@.service").read_text().splitlines()
    port = free_port()
    with Serving(file_shop, port) as service:
        try:
            assert supervisor.recv(100) == b"READY=1", service.told
            socket.create_connection(("127.0.0.1", port)).close()
        finally:
            service.kill()
    for part in (["run"], ["seal", "--follow"], ["relay"]):
        with file_shop.start(*part):
            assert supervisor.recv(100) == b"READY=1", part


def test_the_image_knows_whether_it_is_healthy(file_shop: Shell) -> None:
    (check,) = steps("HEALTHCHECK")
    words = re.findall(r'"([^"]*)"', check.partition("CMD")[2])
    port = free_port()
    asks = [sys.executable, *(word.replace("8080", str(port)) for word in words[1:])]
    assert shlex.join(words).startswith("python -c ")

    with serving(file_shop, port):
        assert subprocess.run(asks, capture_output=True, check=False).returncode == 0
    assert subprocess.run(asks, capture_output=True, check=False).returncode != 0


@pytest.fixture
def file_shop(sqlite_url: str) -> Shell:
    shell = Shell(sqlite_url)
    assert shell("init").code == 0
    return shell
