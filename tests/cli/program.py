"""The command line as a person or a script meets it: what goes in, what comes out, and with which exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from adapters.engine import Engine
from cli.main import main
from tests.cli.forked import run_forked

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "cli.main"]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error, where it was asked for as JSON."""
        return json.loads(self.err)


@dataclass(frozen=True)
class Shell:
    """Where commands are typed: an address in LIFECIRCLE_LOG, and nothing else of ours in the environment."""

    url: str

    def __call__(self, *arguments: str, stdin: str | bytes | None = None) -> Done:
        """Run a command within this process, where a process of its own would add nothing."""
        code = 0
        with CliRunner().isolation(input=stdin, env={"LIFECIRCLE_LOG": self.url}) as (out, err, _):
            try:
                main(list(arguments))
            except SystemExit as end:
                code = int(end.code or 0)
        return Done(code, out.getvalue().decode(), err.getvalue().decode())

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        begin: Callable[[], None] | None = None,
    ) -> Done:
        """Run a command as a process of its own from its very start; `begin` is done in it first."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            input=b"" if stdin is None else stdin,
            capture_output=True,
            env=self.environment(env),
            preexec_fn=begin,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def fork(self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> Done:
        """Run a command as a process that has the program imported already, where its start adds nothing."""
        code, out, err = run_forked(arguments, stdin or b"", self.environment(env))
        return Done(code, out.decode(), err.decode())

    @contextmanager
    def start(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Start a command that goes on until it is stopped, at the latest with the block."""
        with subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
        ) as started:
            try:
                yield started
            finally:
                started.kill()

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "LIFECIRCLE_LOG": self.url, **(more or {})}

    def at(self, url: str) -> "Shell":
        """The same with another address."""
        return Shell(url)

    def head(self) -> int:
        """How many touchpoints the log holds, beside its notes of what was refused."""
        with Engine.open(self.url) as engine:
            counts = engine.log.kinds()
        return sum(counts.values()) - counts.get("TouchpointRefused", 0)


def event(**changes: Any) -> dict[str, Any]:
    """An order as a CloudEvent, with some of it changed; None leaves an attribute out."""
    whole = {
        "id": "e1",
        "source": "shop",
        "type": "OrderPlaced",
        "subject": "c1",
        "time": "2026-03-01T10:00:00+01:00",
        "data": {"order": "o1", "total": "12.34 EUR"},
    }
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def orders(subjects: Sequence[str]) -> str:
    """One order for each subject, as a JSON list."""
    return json.dumps(
        [event(id=f"e-{name}", subject=name, data={"order": f"o-{name}", "total": "5 EUR"}) for name in subjects]
    )
