"""What every log promises to other processes: real ones, several at a time, and killed in the middle."""

import subprocess
import sys
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from threading import Event

from adapters.addresses import open_log
from adapters.log import Log, Stored
from tests.contracts.drafts import append, draft, pages

ROOT = Path(__file__).parents[2]
WRITERS = 8
APPENDS = 200


def _writer(url: str, name: str, groups: int, size: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.contracts.writer", url, name, str(groups), str(size)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _followed(log: Log, writers: "list[subprocess.Popen[str]]") -> list[Stored]:
    """Everything that a follower is given until all writers have ended and nothing more comes."""
    stop, seen = Event(), list[Stored]()
    for batch in log.follow(log.start(), stop):
        seen += batch
        if not batch and all(writer.poll() is not None for writer in writers) and len(seen) >= sum(log.heads().numbers):
            stop.set()
    return seen


def test_a_follower_sees_what_another_process_appends(url: str, log: Log) -> None:
    with _writer(url, "other", 3, 2) as writer:
        seen = _followed(log, [writer])
    assert sorted(row.id for row in seen) == [f"other-{at}-{n}" for at in range(3) for n in range(2)]
    assert sorted(row[:2] for row in seen) == sorted(row[:2] for row in log.read(log.start(), 100))


def test_a_follower_of_many_writers_misses_nothing_and_sees_nothing_twice(url: str, log: Log) -> None:
    writers = [_writer(url, f"writer-{n}", APPENDS, 1) for n in range(WRITERS)]
    seen = _followed(log, writers)
    told = [line.split() for writer in writers for line in writer.communicate()[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    total = WRITERS * APPENDS
    for bucket in range(1, log.buckets + 1):
        mine = [row for row in seen if row.bucket == bucket]
        assert [row.number for row in mine] == list(range(1, len(mine) + 1))
        assert all(earlier.recorded < later.recorded for earlier, later in pairwise(mine))
    assert sorted(position for _, position in told) == sorted(f"{row.bucket}/{row.number}" for row in seen)
    assert len({(row.stream, row.id) for row in seen}) == total
    for stream, held in Counter(row.stream for row in seen).items():
        assert [row.version for row in seen if row.stream == stream] == list(range(1, held + 1))


def test_a_killed_writer_loses_nothing_acknowledged_and_leaves_nothing_half_stored(url: str, log: Log) -> None:
    size = 40
    for attempt in range(4):
        name = f"killed-{attempt}"
        with _writer(url, name, 100_000, size) as writer:
            assert writer.stdout
            acknowledged = [writer.stdout.readline() for _ in range(5 + attempt)]
            writer.kill()  # in the middle of whatever it is doing
            acknowledged += writer.stdout.readlines()
        for line in acknowledged:
            if len(words := line.split()) == 1 + size:  # the kill may cut the last line
                found = [
                    log.find(name if n % 2 else f"shared-{int(words[0]) % 3}", "shop", f"{name}-{words[0]}-{n}")
                    for n in range(size)
                ]
                assert [row and f"{row.bucket}/{row.number}" for row in found] == words[1:]
    with closing(open_log(url)) as again:
        append(again, draft("after"))
        stored = list(pages(again))
        assert sum(again.heads().numbers) == len(stored)
        assert (len(stored) - 1) % size == 0
