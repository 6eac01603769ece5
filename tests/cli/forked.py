"""Commands in processes that are forked from one which has imported the program and done nothing else.

As real as any process, without the half second that importing takes: for what needs a process of its own, but not its
start. Run as a program it is the one that is forked: it reads a line for each command, and answers with its exit code.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import NoReturn

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
FLAGS = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
"""How a command's input, output and errors are opened."""
_asking = Lock()


def run_forked(arguments: Sequence[str], stdin: bytes, env: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Run a command in the current folder; its exit code, what it said, and its errors."""
    with TemporaryDirectory() as folder, _asking:
        given, *told = (Path(folder) / name for name in ("stdin", "stdout", "stderr"))
        given.write_bytes(stdin)
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        asked = {
            "arguments": arguments,
            "env": dict(env),
            "folder": str(Path.cwd()),
            "files": [str(given), *map(str, told)],
        }
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        out, err = (path.read_bytes() for path in told)
        return code, out, err


@cache
def _server() -> "subprocess.Popen[str]":
    """The process that is forked; it ends with this one, when nobody can write to it any more."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _serve() -> None:
    for module in IMPORTED:
        import_module(module)
    for line in sys.stdin:
        if not (child := os.fork()):
            _become(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


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
    _serve()
