"""A real socket between the driver and the server, that can be cut anywhere."""

import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Self
from urllib.parse import parse_qs, urlsplit

_NEVER = 2**62


class CuttingProxy:
    """Stands before a PostgreSQL server on a Unix socket, counts the bytes of its replies, and cuts once when armed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._folder = Path(tempfile.mkdtemp(prefix="lc-cut-", dir="/tmp"))  # a socket's path must be short
        self.url = f"postgresql://postgres@{parts.path}?host={self._folder}"
        self._lock = Lock()
        self._left = _NEVER
        self._refuses_requests = False
        self.replied = 0
        self.cuts = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / ".s.PGSQL.5432"))
        self._listener.listen(50)
        self._open: list[socket.socket] = []
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
        shutil.rmtree(self._folder)

    def cut_after(self, reply_bytes: int) -> None:
        """Cut the next time that so many bytes of replies have passed; 0 is before the first, when all is done."""
        with self._lock:
            self._left = reply_bytes

    def cut_next_request(self) -> None:
        """Cut when the client sends something next, before the server has any of it."""
        with self._lock:
            self._refuses_requests = True

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            self._open += [client, server]
            Thread(target=self._requests, args=(client, server), daemon=True).start()
            Thread(target=self._replies, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                with self._lock:
                    refused, self._refuses_requests = self._refuses_requests, False
                    self.cuts += refused
                if refused:
                    break
                server.sendall(data)
        _cut(client)
        _cut(server)

    def _replies(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                with self._lock:
                    self.replied += len(data)
                    passing = data[: self._left]
                    self._left -= len(passing)
                    cut = len(passing) < len(data) or not self._left
                    if cut:
                        self._left = _NEVER
                        self.cuts += 1
                client.sendall(passing)
                if cut:
                    break
        _cut(client)
        _cut(server)


def _cut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
