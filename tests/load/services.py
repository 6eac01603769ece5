"""Services to be put under load, each a process of its own over a fresh database."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from adapters.apikeys import ApiKeys, Role
from adapters.configuration import variable
from adapters.engine import Engine
from domain.company import Company
from tests.cli.program import PROGRAM, Shell
from tests.http.serving import free_port, wait_until_it_answers
from tests.load.stock_service import DATABASE


@contextmanager
def ours(url: str, folder: Path) -> Iterator[tuple[str, str, int]]:
    """`lifecircle serve` in one process: where events are sent, a key, and the process."""
    Engine.create(url, Company()).close()
    keys = ApiKeys(folder / "apikeys")
    port = free_port()
    command = [*PROGRAM, "serve", "--port", str(port)]
    with _running(command, port, Shell(url).environment({variable("api_keys"): str(keys.path)})) as pid:
        yield f"http://127.0.0.1:{port}/events", keys.make("load", [Role.APPENDER]), pid


@contextmanager
def stock(url: str) -> Iterator[tuple[str, str, int]]:
    """The stock library behind a thin service, in one process too, on the same HTTP server."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "tests.load.stock_service:create", "--port", str(port)]
    environment = Shell(url).environment({DATABASE: url})
    with _running([*command, "--no-access-log"], port, environment) as pid:
        yield f"http://127.0.0.1:{port}/events", "none is asked for", pid


@contextmanager
def _running(command: list[str], port: int, environment: Mapping[str, str]) -> Iterator[int]:
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as started:
        try:
            wait_until_it_answers(started, port, lambda: "the service ended")
            yield started.pid
        finally:
            started.terminate()
            started.wait()
