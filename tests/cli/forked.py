"""Commands in processes that are forked from one which has imported the program and done nothing else.

As real as any process, without the half second that importing takes: for what needs a process of its own, but not its
start. Run as a program, with the names of more modules to import, it is the one that is forked: it reads a line for
each command, and answers with its exit code, or with the id of a process that goes on.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import sleep
from typing import Any, NoReturn

from cli.main import main

ROOT = Path(__file__).parents[2]
IMPORTED = (
    "adapters.engine",
    "adapters.addresses",
    "adapters.views.projector",
    "adapters.views.rebuild",
    "adapters.views.moments",
    "rich.table",
)
"""What most commands import when they are run; no company's package, for which one is there is known only then."""
FLAGS = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_APPEND, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
"""How a command's input, output and errors are opened."""
_asking = Lock()


def run_forked(arguments: Sequence[str], stdin: bytes, env: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Run a command in the current folder; its exit code, what it said, and its errors."""
    with TemporaryDirectory() as folder:
        given, *told = (Path(folder) / name for name in ("stdin", "stdout", "stderr"))
        given.write_bytes(stdin)
        code = _asked(_server(), _command(arguments, env, [str(given), *map(str, told)]))
        out, err = (path.read_bytes() for path in told)
        return code, out, err


class Forked:
    """A command that goes on by itself in the current folder, forked from a process that has imported more modules."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], told: Path, *modules: str) -> None:
        self._server = _server(*modules)
        command = _command(arguments, env, [os.devnull, str(told), str(told)])
        self.pid = _asked(self._server, command | {"goes_on": True})

    @property
    def ended(self) -> bool:
        """Whether it has come to its end, by itself or not."""
        return bool(_asked(self._server, {"ended": self.pid}))

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):  # it has ended, and somebody looked
            os.kill(self.pid, signal.SIGKILL)
        while not self.ended:
            sleep(0.001)


def _command(arguments: Sequence[str], env: Mapping[str, str], files: Sequence[str]) -> dict[str, Any]:
    return {"arguments": arguments, "env": dict(env), "folder": str(Path.cwd()), "files": files}


def _asked(server: "subprocess.Popen[str]", asked: Mapping[str, Any]) -> int:
    assert server.stdin is not None
    assert server.stdout is not None
    with _asking:
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline())


@cache
def _server(*modules: str) -> "subprocess.Popen[str]":
    """The process that is forked; it ends with this one, when nobody can write to it any more."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, *modules], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _serve(modules: Sequence[str]) -> None:
    for module in (*IMPORTED, *modules):
        import_module(module)
    going_on: set[int] = set()
    for line in sys.stdin:
        print(_done(json.loads(line), going_on), flush=True)


def _done(asked: dict[str, Any], going_on: set[int]) -> int:
    if (pid := asked.get("ended")) is not None:
        if pid in going_on and os.waitpid(pid, os.WNOHANG)[0]:
            going_on.remove(pid)
        return int(pid not in going_on)
    goes_on = asked.pop("goes_on", False)
    if not (child := os.fork()):
        _become(**asked)
    if goes_on:
        going_on.add(child)
        return child
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become(arguments: list[str], env: dict[str, str], folder: str, files: list[str]) -> NoReturn:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = env.get("PYTHONPATH", "").split(os.pathsep)
    for number, (path, flags) in enumerate(zip(files, FLAGS, strict=True)):
        os.dup2(os.open(path, flags), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, encoding="utf-8") for number, mode in enumerate("rww"))
    main(arguments)
    raise AssertionError("a command ends with an exit code")


if __name__ == "__main__":
    _serve(sys.argv[1:])
