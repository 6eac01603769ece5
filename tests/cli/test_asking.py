"""On a terminal `record` asks field by field; the terminal here is a real one."""

import os
import pty
import subprocess
from contextlib import suppress
from fcntl import ioctl
from select import select
from termios import TIOCSCTTY
from time import monotonic

from tests.cli.program import PROGRAM, Shell

PATIENCE_S = 30


class Terminal:
    """A command at a terminal of its own: wait for words, and type an answer."""

    def __init__(self, shell: Shell, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: ioctl(0, TIOCSCTTY, 0),  # so that Ctrl-C reaches it
            env=shell.environment({"TERM": "dumb"}),
        )
        os.close(theirs)
        self.shown = ""

    def answer(self, asked: str, typed: str) -> None:
        """Wait until it has asked, then type a line."""
        before = len(self.shown)
        until = monotonic() + PATIENCE_S
        while asked not in self.shown[before:]:
            assert monotonic() < until, self.shown
            assert self._read(), self.shown
        os.write(self._ours, typed.encode())

    def _read(self) -> bool:
        if not select([self._ours], [], [], PATIENCE_S)[0]:
            return False
        try:
            self.shown += os.read(self._ours, 4096).decode()
        except OSError:  # how Linux says that the other end is closed
            return False
        return True

    def interrupt(self) -> None:
        """Press Ctrl-C as a person does: again, while it has not left."""
        for _ in range(10):
            os.write(self._ours, b"\x03")
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE_S / 10)
                return

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        # Our end closes last: to close it hangs up, which would kill a process that is about to leave.
        code = self.process.wait(PATIENCE_S)
        os.close(self._ours)
        return code


def test_field_by_field(file_shop: Shell) -> None:
    terminal = Terminal(file_shop, "record", "OrderCancelled", "--time", "2026-03-01T10:00:00Z")
    fields = file_shop("kinds", "OrderCancelled", "--format", "json").json
    answers = {"order": "o1", "reason": "too [late]", "by": "customer"}
    terminal.answer("whom it concerns", "c1\n")
    for field in fields:
        if "[]" not in field["field"]:
            terminal.answer("> ", answers.get(field["field"], "") + "\n")
    assert terminal.end() == 0, terminal.shown
    (fact,) = file_shop("history", "c1", "--format", "json").json
    assert {name: fact["data"][name] for name in answers} == answers
    assert fact["source"] == "cli"


def test_a_required_field_is_asked_for_until_it_is_given(file_shop: Shell) -> None:
    terminal = Terminal(file_shop, "record", "OrderCancelled", "--subject", "c1")
    terminal.answer("order (text)", "\n")
    terminal.answer("order (text)", "")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert file_shop.head() == 0


def test_the_end_of_the_answers_stops_it(file_shop: Shell) -> None:
    terminal = Terminal(file_shop, "record", "OrderCancelled", "--subject", "c1")
    terminal.answer("order (text)", "\x04")
    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert file_shop.head() == 0


def test_without_a_terminal_nobody_is_asked(file_shop: Shell) -> None:
    done = file_shop.run("record", "OrderCancelled", "--subject", "c1")
    assert done.code == 3
    assert "order" in done.err
    done = file_shop.run("record", "OrderCancelled")
    assert done.code == 3
    assert "subject" in done.err
