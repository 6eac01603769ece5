"""A NATS server of our own for tests, with JetStream: the program of a wheel, on a free port, its files in a folder."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

PROGRAM = Path(sys.executable).with_name("nats-server")
STARTED_WITHIN_S = 30


@contextmanager
def nats_server(folder: Path) -> Iterator[str]:
    """The address of a server that runs until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    options = ["--jetstream", "--store_dir", str(folder), "--addr", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen([PROGRAM, *options], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            deadline = monotonic() + STARTED_WITHIN_S
            while "Server is ready" not in server.stderr.readline():
                assert server.poll() is None
                assert monotonic() < deadline
            yield f"nats://127.0.0.1:{port}"
        finally:
            server.kill()
