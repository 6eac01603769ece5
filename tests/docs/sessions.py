"""The sessions that pages show: played with the real program, and compared with what the page says came of it.

A page's ```console blocks are one session, in their order: a line after `$ ` is typed, lines after `> ` go on with it,
and the rest is what came of it. A block with a name after its language (```toml orders.toml) is a file that lies there.
Run as a program it writes into the pages what came of what they type, where it is something else than they show.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from tests.postgres_server import PostgresServer, programs

ROOT = Path(__file__).parents[2]
PACKAGED = [ROOT / "docs" / "how-to" / name for name in ("add-a-kind.md", "add-a-view.md")]
"""The pages that install a package; tests/extension plays them, where there is one."""
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if "decisions" not in path.parts and path not in PACKAGED),
]
BLOCK = re.compile(r"^```(\w+)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^\$ (.*(?:\n> .*)*)\n?((?:(?!\$ ).*\n?)*)", re.MULTILINE)
SESSION_MAX_S = 240
RECENT_S = 3_600.0

_HEX = re.compile(r"[0-9a-f]{12,}…?")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CURSOR = re.compile(r"(?=\S*AAAA)[\w-]{20,}")  # positions are mostly zeros
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*Z?")
_RULE = re.compile(r"[─-]{3,}")
_BATCH = re.compile(r"(?<=@)[0-9a-f]{16}")


class Step(NamedTuple):
    """What is typed, and what the page says came of it; nothing said means only that it succeeds."""

    typed: str
    shown: str


class Came(NamedTuple):
    """What came of a step."""

    code: int
    said: str


def steps(page: str) -> list[Step]:
    """All that a page types, in its order."""
    found = [match for block in BLOCK.finditer(page) if block[1] == "console" for match in STEP.finditer(block[3])]
    return [Step(match[1].replace("\n> ", "\n"), match[2].strip("\n")) for match in found]


def wants_postgres(page: str) -> bool:
    """Whether a page's session is about PostgreSQL."""
    return any("postgresql:///" in step.typed for step in steps(page))


def play(page: str, folder: Path, environment: Mapping[str, str]) -> list[Came]:
    """Type a page's session into a shell in a folder of its own."""
    for block in BLOCK.finditer(page):
        if block[2]:
            (folder / block[2]).write_text(block[3], encoding="utf-8")
    script = "\n".join(f"{step.typed}\nprintf '\\x1e%d\\n' $?" for step in steps(page))
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SESSION_MAX_S,
        check=False,
    )
    parts = re.split(r"\x1e(\d+)\n", done.stdout)
    return [Came(int(code), said.strip("\n")) for said, code in zip(parts[::2], parts[1::2], strict=False)]


def shell(folder: Path, server: Path | None = None) -> dict[str, str]:
    """An environment that finds our program by its name, and with the directory of a server that and its programs."""
    found = [str(Path(sys.executable).parent), os.environ["PATH"]]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIFECIRCLE_", "PG"))}
    if server is not None:
        found.insert(1, str(programs(server)))
        kept |= {"PGHOST": str(server), "PGUSER": "postgres"}
    return {**kept, "HOME": str(folder), "PATH": os.pathsep.join(found), "TZ": "UTC"}


def alike(shown: str, said: str) -> bool:
    """Whether two answers are the same but for what differs each time: digests, new ids and batches, the recorded time.

    A line that is only `…` stands for any lines.
    """
    parts = [_words(part) for part in re.split(r"(?m)^\s*…\s*$", shown)]
    given = _words(said)
    if len(parts) == 1:
        return _same(parts[0], given)
    first, *between, last = parts
    if not _same(first, given[: len(first)]) or not _same(last, given[len(given) - len(last) :]):
        return False
    at = len(first)
    for part in between:
        at = next((place + len(part) for place in range(at, len(given)) if _same(part, given[place:][: len(part)])), -1)
        if at < 0:
            return False
    return at <= len(given) - len(last)


def _words(text: str) -> list[str]:
    return text.split()


def _same(shown: list[str], said: list[str]) -> bool:
    return len(shown) == len(said) and all(map(_same_word, shown, said))


def _same_word(shown: str, said: str) -> bool:
    if shown[-1] == said[-1] == ",":
        return _same_word(shown[:-1], said[:-1])
    if shown == said or any(form.fullmatch(shown) and form.fullmatch(said) for form in (_HEX, _UUID, _CURSOR, _RULE)):
        return True
    if _BATCH.sub("", shown) == _BATCH.sub("", said):
        return True
    return bool(_TIME.fullmatch(shown) and _TIME.fullmatch(said)) and _just_now(said)


def _just_now(time: str) -> bool:
    said = datetime.fromisoformat(time).replace(tzinfo=UTC)
    return abs((datetime.now(UTC) - said).total_seconds()) < RECENT_S


def renewed(page: str, came: list[Came]) -> str:
    """The page with what came of each step in place of what it showed, where that is something else."""
    answers = iter(zip(steps(page), came, strict=True))

    def block(match: re.Match[str]) -> str:
        return match[0] if match[1] != "console" else match[0].replace(match[3], STEP.sub(step, match[3]))

    def step(match: re.Match[str]) -> str:
        typed, came_of_it = next(answers)
        if not typed.shown or alike(typed.shown, came_of_it.said):
            return match[0]
        lines = [line.rstrip() for line in came_of_it.said.splitlines()]
        said = "\n".join(next(run) if not line else "\n".join(run) for line, run in groupby(lines)).strip("\n")
        gap = "\n" if match[0].endswith("\n\n") else ""
        return f"$ {match[1]}\n{said}\n{gap}"

    return BLOCK.sub(block, page)


def _renew(paths: list[Path]) -> None:
    server: PostgresServer | None = None
    for path in paths:
        page = path.read_text(encoding="utf-8")
        if not steps(page):
            continue
        if wants_postgres(page):
            server = server or PostgresServer()
        with tempfile.TemporaryDirectory() as folder:
            came = play(page, Path(folder), shell(Path(folder), server.home if server else None))
        if (new := renewed(page, came)) != page:
            path.write_text(new, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: renewed")
    if server is not None:
        server.remove()


if __name__ == "__main__":
    _renew([Path(name).resolve() for name in sys.argv[1:]] or PAGES)
