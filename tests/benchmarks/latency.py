"""How long a touchpoint takes while they arrive at a fixed rate: to its receipt, and until a view shows it.

The load is open: each touchpoint has the instant at which it is due, whether or not those before it are done, and its
time counts from that instant. So what waits behind a slow one counts too (no coordinated omission).
"""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from time import monotonic, sleep
from typing import Any

import psycopg

from adapters.engine import Engine
from tests.benchmarks.appends import append_one_async
from tests.benchmarks.ground import Site
from tests.benchmarks.measures import percentile
from tests.benchmarks.touchpoints import events

_LEAD_S = 0.5
"""Between the decision to begin and the first instant that is due."""
_GIVE_UP_S = 60
_LOOK_EVERY_S = 0.001
_LOOK_MAX = 500
"""How many of the oldest that are not seen yet are looked for at once."""

_SEEN = "SELECT DISTINCT subject FROM report.contacts WHERE subject = ANY(%s)"


def append_latency(site: Site) -> dict[str, float]:
    """Median and 99th percentile from due to receipt, in ms."""
    rate = site.sizes.rate
    with Engine.create(site.fresh()) as engine:
        asyncio.run(_send(engine, list(events(rate, seed=1)), rate, monotonic()))  # a second to warm up
        items = list(events(rate * site.sizes.rate_s, seed=2))
        took = asyncio.run(_send(engine, items, rate, monotonic() + _LEAD_S))
    return {"append_p50_ms": median(took) * 1_000, "append_p99_ms": percentile(took, 99) * 1_000}


async def _send(engine: Engine, items: Sequence[dict[str, Any]], rate: int, begin: float) -> list[float]:
    """Append at a rate from an instant on; answer the seconds that each took, from when it was due."""

    async def send(event: dict[str, Any], due: float) -> float:
        await append_one_async(engine, event)
        return monotonic() - due

    sent: list[asyncio.Task[float]] = []
    for number, event in enumerate(items):
        due = begin + number / rate
        while (early := due - monotonic()) > 0:
            await asyncio.sleep(early)
        sent.append(asyncio.create_task(send(event, due)))
    return await asyncio.gather(*sent)


def live_latency(site: Site) -> dict[str, float]:
    """Median and 99th percentile from due until the view shows it, in ms; the projector is `lifecircle run`.

    Three processes: one appends, one projects, and this one looks. A look takes about a millisecond, which counts.
    """
    url, rate = site.fresh(), site.sizes.rate
    Engine.create(url).close()
    context = get_context("spawn")
    here, there = context.Pipe()
    appender = context.Process(target=_append, args=(url, rate, site.sizes.rate_s, there), daemon=True)
    command = [sys.executable, "-m", "cli.main", "run", "--log", url]
    projector = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        appender.start()
        # A plan that is made while the view is empty would go on to read all of it.
        with psycopg.connect(url, autocommit=True, options="-c enable_seqscan=off") as connection:
            _watch(connection, "warm", rate, rate, here.recv())
            here.send("the projector keeps up; go on")
            took = _watch(connection, "live", rate * site.sizes.rate_s, rate, here.recv())
        appender.join()
    finally:
        appender.terminate()
        projector.terminate()
        _, said = projector.communicate()
    if projector.returncode:
        raise RuntimeError(f"the projector failed: {said.decode()}")
    return {"live_p50_ms": median(took) * 1_000, "live_p99_ms": percentile(took, 99) * 1_000}


def _append(url: str, rate: int, seconds: int, told: Connection) -> None:
    """Append at a rate, first for a second to warm up; tell each time the instant that the first one is due."""
    with Engine.open(url) as engine:
        for seed, (name, lasts) in enumerate((("warm", 1), ("live", seconds)), 1):
            # A subject each, by which the touchpoint is found in the view.
            numbered = enumerate(events(rate * lasts, seed))
            items = [event | {"subject": f"{name}-{number}"} for number, event in numbered]
            begin = monotonic() + _LEAD_S
            told.send(begin)
            asyncio.run(_send(engine, items, rate, begin))
            if name == "warm":
                told.recv()


def _watch(connection: psycopg.Connection[Any], name: str, count: int, rate: int, begin: float) -> list[float]:
    """Look at the view until it shows all; answer the seconds that each took, from when it was due."""
    took: list[float] = []
    unseen = dict[str, float]()
    coming = ((f"{name}-{number}", begin + number / rate) for number in range(count))
    following = next(coming, None)
    while following or unseen:
        now = monotonic()
        while following and following[1] <= now:
            unseen[following[0]] = following[1]
            following = next(coming, None)
        shown = _shown(connection, list(islice(unseen, _LOOK_MAX)))
        seen = monotonic()
        took += [seen - unseen.pop(subject) for subject in shown]
        if now > begin + count / rate + _GIVE_UP_S:
            raise RuntimeError(f"{len(unseen)} of {count} touchpoints were not in the view {_GIVE_UP_S} s later")
        sleep(_LOOK_EVERY_S)
    return took


def _shown(connection: psycopg.Connection[Any], subjects: list[str]) -> list[str]:
    try:
        return [subject for (subject,) in connection.execute(_SEEN, (subjects,), prepare=True)]
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return []  # the projector makes the view when it has started
