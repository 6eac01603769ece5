"""Rounds that meet new people: keys become safe while the log is at work, and before anything of it is committed."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import enumerate as threads
from time import sleep

import orjson

from adapters.engine import Engine
from adapters.privacy.keystore import keystore_file, keystore_url
from adapters.settings import LIMITS
from tests.privacy.people import WORDS, told

PERSONS = 12
ROOT = Path(__file__).parents[2]

# Two rounds of new people, of which the second is stored while its keys are made safe; then another when told so.
PROGRAM = """
import asyncio, sys
from adapters.engine import Engine
from tests.privacy.test_new_people import meet
with Engine.open(sys.argv[1]) as engine:
    asyncio.run(meet(engine, "a"))
    asyncio.run(meet(engine, "b"))
    print("ready", flush=True)
    sys.stdin.readline()
    asyncio.run(meet(engine, "c"))
"""


async def meet(engine: Engine, family: str, call: str = "c1") -> None:
    """Tell, in tasks of one round, what the persons of a family said."""
    calls = [told(engine, "ContactMade", person, call, mode="call", content=WORDS) for person in of(family)]
    await asyncio.gather(*(engine.append_async([each]) for each in calls))


def of(family: str) -> Sequence[str]:
    return [f"{family}{number}" for number in range(PERSONS)]


def said(url: str, family: str) -> list[str]:
    """What the log holds of what a family said, opened by a program that has only what is on the disk."""
    with Engine.open(url) as fresh:
        opened = [fresh.sealing.opened(stored.state) for person in of(family) for stored in fresh.log.stream(person)]
    assert None not in opened
    return [orjson.loads(each or b"")["data"]["content"] for each in opened]


@contextmanager
def held_keys(url: str) -> Iterator[None]:
    """A key store that takes nothing in, as while somebody rotates its keys."""
    path = keystore_file(keystore_url(url))
    assert path
    with closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        yield
        held.execute("ROLLBACK")


def test_whoever_is_new_or_met_again_or_known_to_others_is_sealed_under_the_one_key(engine: Engine) -> None:
    before = set(threads())
    asyncio.run(meet(engine, "a"))
    with Engine.open(engine.url) as other:
        asyncio.run(meet(other, "c"))
    asyncio.run(meet(engine, "b"))
    asyncio.run(meet(engine, "c", "c2"))  # sent while the keys are looked for, which others made: it is sealed anew
    asyncio.run(meet(engine, "d"))
    assert said(engine.url, "c") == [WORDS] * 2 * PERSONS
    assert [said(engine.url, each) for each in "abd"] == [[WORDS] * PERSONS] * 3
    assert len(engine.log.read(engine.log.start(), 10 * PERSONS)) == 5 * PERSONS
    engine.close()
    assert not [each.name for each in set(threads()) - before if each.name.startswith("keys")]


def test_nothing_is_stored_before_its_key_is_safe_and_nobody_else_waits_for_that(engine: Engine) -> None:
    asyncio.run(meet(engine, "a"))
    asyncio.run(meet(engine, "b"))
    with Engine.open(engine.url) as other, ThreadPoolExecutor(1) as beside:
        with held_keys(engine.url):
            sent = beside.submit(asyncio.run, meet(engine, "c"))
            sleep(10 * LIMITS.data_key_wait_s)
            other.append([told(other, "OrderPlaced", "bert", "o1", order="o1", total="1 EUR")])
            assert said(engine.url, "c") == []
            assert not sent.done()
        sent.result()
    assert said(engine.url, "c") == [WORDS] * PERSONS


def test_a_program_killed_between_its_keys_and_its_log_has_lost_nothing(url: str) -> None:
    Engine.create(url).close()
    arguments = [sys.executable, "-c", PROGRAM, url]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as program:
        assert program.stdin
        assert program.stdout
        assert program.stdout.readline() == b"ready\n"
        with held_keys(url):
            program.stdin.write(b"go\n")
            program.stdin.flush()
            sleep(10 * LIMITS.data_key_wait_s)
            program.send_signal(signal.SIGKILL)
            program.wait()
    assert [said(url, each) for each in "abc"] == [[WORDS] * PERSONS, [WORDS] * PERSONS, []]
    with Engine.open(url) as engine:
        asyncio.run(meet(engine, "c"))
    assert said(url, "c") == [WORDS] * PERSONS
