"""Commands in processes that are forked from one which has imported the program and done nothing else.

As real as any process, without the half second that importing takes: for what needs a process of its own, but not its
start. Run as a program, with the path of a socket and the names of more modules to import, it is the one that is
forked: whoever connects sends three files and a command, and is told the id of its process, then its exit code.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import NoReturn

import projections
from cli.main import main
from tests.cli import asked

ROOT = Path(__file__).parents[2]
IMPORTED = (
    "adapters.engine",
    "adapters.addresses",
    "adapters.views.projector",
    "adapters.views.rebuild",
    "adapters.views.moments",
    "adapters.sqlite.tables",
    "adapters.told",
    "rich.console",
    "rich.table",
    *(f"projections.{module.name}" for module in iter_modules(projections.__path__)),
)
"""What most commands import when they are run; no company's package, for which one is there is known only then."""
APPENDED = os.O_WRONLY | os.O_CREAT | os.O_APPEND
"""How what a command says is opened."""


def run_forked(arguments: Sequence[str], stdin: bytes, env: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Run a command in the current folder; its exit code, what it said, and its errors."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        _, answers = asked.begun(_server(), arguments, env, [each.fileno() for each in (given, out, err)])
        with answers:
            code = int(answers.readline())
        for told in (out, err):
            told.seek(0)
        return code, out.read(), err.read()


class Forked:
    """A command that goes on by itself in the current folder, forked from a process that has imported more modules."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], told: Path, *modules: str) -> None:
        files = [os.open(os.devnull, os.O_RDONLY), os.open(told, APPENDED)]
        try:
            self.pid, self._answers = asked.begun(_server(*modules), arguments, env, [*files, files[1]])
        finally:
            for each in files:
                os.close(each)

    @property
    def ended(self) -> bool:
        """Whether it has come to its end, by itself or not."""
        return self._answers.closed or bool(select.select([self._answers], [], [], 0)[0])

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):  # it has ended by itself
            os.kill(self.pid, signal.SIGKILL)
        with self._answers:
            self._answers.readline()


def program(folder: Path) -> Path:
    """Lay a program `lifecircle` into a folder that is the real one but for its start."""
    made = folder / "lifecircle"
    made.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {asked.__file__} {_server()} "$@"\n')
    made.chmod(0o755)
    return made


@cache
def _server(*modules: str) -> str:
    """The socket of the process that is forked; it ends with this one, when nobody can write to it any more."""
    place = f"{tempfile.mkdtemp(prefix='fork-')}/asked"
    server = subprocess.Popen(
        [sys.executable, "-m", __name__, place, *modules], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    _servers.append(server)
    assert server.stdout is not None
    assert server.stdout.readline(), "the process that is forked did not start"
    return place


_servers: list["subprocess.Popen[bytes]"] = []


def _serve(place: Path, modules: Sequence[str]) -> None:
    for module in (*IMPORTED, *modules):
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who keep a command
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(place))
        door.listen(64)
        print("open", flush=True)
        while sys.stdin not in select.select([door, sys.stdin], [], [])[0]:
            call, _ = door.accept()
            if not os.fork():
                door.close()
                _keep(call)
            call.close()
    place.unlink()
    place.parent.rmdir()


def _keep(call: socket.socket) -> NoReturn:
    """Be the parent of one command, and say how it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(call, 1, 3)
    with call.makefile("rb") as sent:
        command = json.loads(sent.readline())
    if not (child := os.fork()):
        call.close()
        _become(files=files, **command)
    for each in files:
        os.close(each)
    with suppress(BrokenPipeError):  # whoever asked is gone
        call.sendall(f"{child}\n".encode())
        call.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
    os._exit(0)


def _become(arguments: list[str], env: dict[str, str], folder: str, files: list[int]) -> NoReturn:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.path[:0] = env.get("PYTHONPATH", "").split(os.pathsep)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout = (os.fdopen(number, mode, encoding="utf-8") for number, mode in enumerate("rw"))
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8")
    main(arguments)
    raise AssertionError("a command ends with an exit code")


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2:])
