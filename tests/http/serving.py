"""A service as a process of its own or in a thread, and who calls it."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from threading import Thread
from time import monotonic, sleep
from typing import Any

import httpx2
import uvicorn

from adapters.http.connections import Connection
from tests.cli.program import PROGRAM, Shell

STARTED_WITHIN_S = 60


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Serving(subprocess.Popen[bytes]):
    """A service as a process. What it tells goes to a file: a pipe that nobody reads would fill, and stop it."""

    def __init__(self, shell: Shell, port: int, *options: str) -> None:
        self._lines = TemporaryFile("a+b")  # noqa: SIM115 - it is closed with the process
        words = [*PROGRAM, "serve", "--port", str(port), *options]
        super().__init__(words, env=shell.environment(), stdout=self._lines, stderr=self._lines)

    def __exit__(self, *ended: Any) -> None:  # noqa: PYI036 - they go on as they are
        super().__exit__(*ended)
        self._lines.close()

    @property
    def told(self) -> str:
        """All that it told until now."""
        self._lines.seek(0)
        return self._lines.read().decode()


def wait_until_it_answers(started: subprocess.Popen[bytes], port: int, told: Callable[[], str]) -> None:
    """Wait for a service that was started; should it end before, say what it told."""
    deadline = monotonic() + STARTED_WITHIN_S
    while True:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/livez")
        except httpx2.TransportError:
            assert started.poll() is None, told()
            assert monotonic() < deadline, "the service does not answer"
            sleep(0.1)
        else:
            return


@contextmanager
def serving(shell: Shell, port: int, *options: str) -> Iterator[Serving]:
    """A service that answers, until the block ends."""
    with Serving(shell, port, *options) as started:
        try:
            wait_until_it_answers(started, port, lambda: started.told)
            yield started
        finally:
            started.kill()


@contextmanager
def listening(app: object, idle_s: int = 5) -> Iterator[int]:
    """Serve an application as `lifecircle serve` does, in a thread; answer the port."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        port=0,
        http=Connection,
        log_level="error",
        access_log=False,
        timeout_keep_alive=idle_s,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = monotonic() + STARTED_WITHIN_S
        while not server.started:
            assert thread.is_alive(), "the service ended"
            assert monotonic() < deadline, "the service does not listen"
            sleep(0.01)
        (listener,) = server.servers[0].sockets
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)  # or the kernel takes megabytes for a reader
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(STARTED_WITHIN_S)


def caller(port: int, key: str) -> httpx2.Client:
    """A caller of the service at a port."""
    return httpx2.Client(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/cloudevents+json"},
        timeout=30,
    )
