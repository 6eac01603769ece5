"""A receiver of webhooks in a process of its own, and a log on each database to subscribe to."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import ROOT, Done, Shell, event

INSIDE = ("--allow-http", "--allow-internal", "127.0.0.1")
"""What lets a relay deliver to this machine."""


@dataclass(frozen=True)
class Received:
    """One request as the receiver got it, and what it answered."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def events(self) -> list[dict[str, Any]]:
        """The CloudEvents in it."""
        found = json.loads(self.body)
        return found if isinstance(found, list) else [found]


@dataclass(frozen=True)
class Receiver:
    """The receiver's address, and what it noted."""

    address: str
    notes: Path

    def received(self, *, status: int | None = None) -> list[Received]:
        """All that came, or what was answered with a status."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        found = [Received(**note | {"body": base64.b64decode(note["body"])}) for note in map(json.loads, lines)]
        return [each for each in found if status in (None, each.status)]

    def subjects(self, *, status: int | None = None) -> list[str]:
        """Whom it was told of, in the order in which that came."""
        return [event["subject"] for each in self.received(status=status) for event in each.events]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    notes = tmp_path / "received"
    program = [sys.executable, "-m", "tests.outgoing.receiver", str(notes)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield Receiver(f"http://127.0.0.1:{started.stdout.readline().strip()}", notes)
        started.kill()


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets for PostgreSQL logs lie in the folder where commands are typed."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shop(url: str) -> Shell:
    """A new log in a database of each kind, to type commands at."""
    return _shop(url)


@pytest.fixture
def file_shop(sqlite_url: str) -> Shell:
    """A new log in a SQLite file, for what does not depend on the database."""
    return _shop(sqlite_url)


def _shop(url: str) -> Shell:
    shell = Shell(url)
    assert shell("init").code == 0
    return shell


def done(shell: Shell, *arguments: str, stdin: str | None = None) -> Done:
    """A command that goes well."""
    ended = shell(*arguments, stdin=stdin)
    assert ended.code == 0, ended.err
    return ended


def ordered(shell: Shell, *subjects: str, each: int = 1, start: int = 0) -> None:
    """Record so many orders for each subject in turn, the first one's number being `start`."""
    told = [
        event(id=f"{subject}-{number}", subject=subject, data={"order": f"{subject}-{number}", "total": "5 EUR"})
        for number in range(start, start + each)
        for subject in subjects
    ]
    done(shell, "record", "--json", "-", stdin=json.dumps(told))


def standing(shell: Shell, name: str = "hook") -> Any:
    """How a subscription stands."""
    return done(shell, "subscription", "show", name).json
