"""Other event stores on the same machine and disk. They are not installed with us: `make bench-peers` fetches them.

Their clients are programs of their own, in the language and environment of the peer; each tells the seconds it took.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

from tests.benchmarks.appends import given
from tests.benchmarks.ground import Site, Unavailable

HOUSE = Path(__file__).parents[2]
FETCHED = HOUSE / "build" / "peers"
CLIENTS = Path(__file__).parent / "peer_clients"
UMADB, EMMETT = "umadb==0.7.8", "@event-driven-io/emmett-postgresql@0.42.0"
FEW = 8
_START_S = 30


def fetch() -> None:
    """Install both peers under build/; what cannot be had is left out later, and said."""
    FETCHED.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", FETCHED / "umadb"], check=True)
    subprocess.run([FETCHED / "umadb" / "bin" / "pip", "install", "--quiet", UMADB], check=False)
    if npm := shutil.which("npm"):
        subprocess.run([npm, "install", "--prefix", FETCHED / "emmett", "--no-audit", "--no-fund", EMMETT], check=False)


def umadb_64(site: Site) -> float:
    """UmaDB's own server, 64 threads of one Python process, one event a call; touchpoints a second."""
    server = FETCHED / "umadb" / "bin" / "umadb"
    if not server.exists():
        raise Unavailable("UmaDB is not installed; make bench-peers installs it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [str(server), "--listen", f"127.0.0.1:{port}", "--db-path", str(site.folder() / "uma.db")]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_listening(port, running)
        python = FETCHED / "umadb" / "bin" / "python"
        return _told(
            site, [str(python), str(CLIENTS / "umadb_clients.py"), f"http://127.0.0.1:{port}"], site.sizes.producers
        )
    finally:
        running.terminate()
        running.wait()


def _until_listening(port: int, running: "subprocess.Popen[bytes]") -> None:
    until = monotonic() + _START_S
    while monotonic() < until and running.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.05)
    raise Unavailable("UmaDB's server does not start")


def emmett_8(site: Site) -> float:
    """Emmett on the same PostgreSQL, 8 clients of one Node process, one event a call; touchpoints a second."""
    node, installed = shutil.which("node"), FETCHED / "emmett" / "node_modules"
    if not node or not installed.exists():
        raise Unavailable("Emmett is not installed; make bench-peers installs it where node and npm are")
    # Node looks for packages beside the program that asks for them.
    program = shutil.copy(CLIENTS / "emmett_clients.mjs", FETCHED / "emmett")
    url = urlsplit(site.fresh())
    home, name = url.query.removeprefix("host="), url.path.removeprefix("/")
    return _told(site, [node, str(program), home, name], FEW)


def _told(site: Site, command: Sequence[str], producers: int) -> float:
    """Run a peer's clients over our touchpoints: they read a JSON array, and tell the seconds they took."""
    each = site.sizes.append_peer
    items = given(producers * (each + 1))
    path = site.file(f"events-{len(items)}.json", lambda path: _write(path, json.dumps(items)))
    done = subprocess.run(
        [*command, str(path), str(producers)], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    if done.returncode:
        raise Unavailable(f"its clients failed: {done.stderr.strip().splitlines()[-1:]}")
    return producers * each / float(done.stdout.split()[-1])


def _write(path: Path, text: str) -> None:
    path.write_text(text)
