"""Real sockets between a caller and a server, that can be cut after any byte, either way."""

import shutil
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self
from urllib.parse import parse_qs, urlsplit

_NEVER = 2**62


class Fuse:
    """Counts the bytes that pass one way, and cuts once when it is set."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._left = _NEVER
        self._open = Event()
        self._open.set()
        self.passed = 0
        self.cuts = 0
        self.held = Event()
        """Set when something came while all is held."""

    def cut_after(self, count: int) -> None:
        """Cut the next time that so many bytes have passed; 0 is before the first."""
        with self._lock:
            self._left = count

    def hold(self) -> None:
        """Leave all that comes unread until it is let go."""
        self._open.clear()

    def let_go(self) -> None:
        """Let all pass again."""
        self._open.set()

    def wait(self) -> None:
        """Wait, with something that came, until it may pass."""
        if not self._open.is_set():
            self.held.set()
            self._open.wait()

    def passing(self, data: bytes) -> tuple[bytes, bool]:
        """What may pass of some bytes, and whether the connection is to be cut after that."""
        with self._lock:
            passing = data[: self._left]
            self.passed += len(passing)
            self._left -= len(passing)
            cut = len(passing) < len(data) or not self._left
            if cut:
                self._left = _NEVER
                self.cuts += 1
            return passing, cut


class _CuttingProxy:
    """Stands before a server, and hands on what comes; `requests` and `replies` say where it is cut."""

    def __init__(self, listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
        self.requests, self.replies = Fuse(), Fuse()
        self._connect = connect
        self._open: list[socket.socket] = []
        self._listener = listener
        self._listener.listen(50)
        self._acceptor = Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for each in self._open:
            _cut(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._connect()
            self._open += [client, server]
            Thread(target=_hand_on, args=(client, server, self.requests), daemon=True).start()
            Thread(target=_hand_on, args=(server, client, self.replies), daemon=True).start()


class PostgresProxy(_CuttingProxy):
    """Before a PostgreSQL server on a Unix socket; a cut after 0 bytes of a reply is one when all is done."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        place = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._folder = Path(tempfile.mkdtemp(prefix="lc-cut-", dir="/tmp"))  # a socket's path must be short
        self.url = f"postgresql://postgres@{parts.path}?host={self._folder}"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._folder / ".s.PGSQL.5432"))

        def connect() -> socket.socket:
            server = socket.socket(socket.AF_UNIX)
            server.connect(place)
            return server

        super().__init__(listener, connect)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        shutil.rmtree(self._folder)


class ServiceProxy(_CuttingProxy):
    """Before the service at a port of this machine."""

    def __init__(self, port: int) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        super().__init__(listener, lambda: socket.create_connection(("127.0.0.1", port)))


def _hand_on(giver: socket.socket, taker: socket.socket, fuse: Fuse) -> None:
    with suppress(OSError):
        while data := giver.recv(65536, socket.MSG_PEEK):
            fuse.wait()
            passing, cut = fuse.passing(data)
            taker.sendall(giver.recv(len(passing)) if passing else b"")
            if cut:
                giver.close()  # with what does not pass unread, which is an error to who sent it, and no mere end
                break
    _cut(giver)
    _cut(taker)


def _cut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
