"""Asks a process of `tests.cli.forked` to become a command, with an input, an output and errors of its own.

Run as a program, with the socket of that process and a command's arguments, it stands for the command: in the same
folder and environment, with the same files, signals and exit code. So it imports next to nothing.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO


def begun(place: str, arguments: Sequence[str], env: Mapping[str, str], files: Sequence[int]) -> tuple[int, TextIO]:
    """Begin a command in the current folder: the id of its process, and where a line says its exit code at its end."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(place)
        socket.send_fds(asking, [b"\n"], list(files))
        folder = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import than all the rest
        asking.sendall(json.dumps({"arguments": arguments, "env": dict(env), "folder": folder}).encode() + b"\n")
        answers = asking.makefile("r", encoding="ascii")
    return int(answers.readline()), answers


def _stand_for(place: str, arguments: Sequence[str]) -> int:
    pid, answers = begun(place, arguments, os.environ, (0, 1, 2))
    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, lambda number, _: os.kill(pid, number))
    code = int(answers.readline())
    return code if code >= 0 else 128 - code  # as a shell tells of a signal


if __name__ == "__main__":
    sys.exit(_stand_for(sys.argv[1], sys.argv[2:]))
