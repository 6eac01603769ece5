"""A clock that jumps by hours, back and forth, while touchpoints are appended."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import monotonic, time_ns
from typing import Any
from unittest.mock import patch

import psycopg

from adapters.apikeys import ApiKeys, Role
from adapters.engine import Engine
from domain.company import Company
from lifecircle_client import Client, Receipt, Rejected
from tests.cli.program import event
from tests.faults.cuts import served

FARTHEST_S = 6 * 3_600
KEY_LASTS = timedelta(hours=1)

# Whatever the database makes later finds the new function; what it has of its own keeps the true one.
_SKEWED = """
    SET allow_system_table_mods = on;
    ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO true_clock_timestamp;
    CREATE TABLE public.skew (ahead_s double precision NOT NULL);
    INSERT INTO public.skew VALUES (0);
    CREATE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $body$
    BEGIN
        RETURN true_clock_timestamp() + make_interval(secs => (SELECT ahead_s FROM public.skew));
    END
    $body$;
"""


@contextmanager
def skewed(url: str) -> Iterator[Callable[[float], None]]:
    """Lets the clock of this process and of a database be set: so many seconds ahead of the true one."""
    ahead_ns = 0
    on_server = not url.startswith("sqlite")
    if on_server:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_SKEWED.encode())

    def turn(ahead_s: float) -> None:
        nonlocal ahead_ns
        ahead_ns = int(ahead_s * 1e9)
        if on_server:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("UPDATE public.skew SET ahead_s = %s", (ahead_s,))

    with patch("adapters.clock.time_ns", lambda: time_ns() + ahead_ns):
        yield turn


def clock_jumps(url: str, folder: Path, *, jumps: int, seed: int = 0) -> dict[str, Any]:
    """Append around so many jumps of the service's clock and its database's; which laws that broke, and how often.

    Args:
        url: the address of an empty database.
        folder: where the shop's files may lie.
        jumps: how often.
        seed: how far each time.
    """
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    Engine.create(url, Company()).close()
    receipts: list[Receipt] = []
    broken: Counter[str] = Counter()
    with skewed(url) as turn, served(url, folder) as (port, key):
        ending = ApiKeys(folder / "keys").make("ending", [Role.APPENDER], valid_for=KEY_LASTS)
        made = monotonic()
        service = f"http://127.0.0.1:{port}"
        with Client(service, key) as caller, Client(service, ending) as for_an_hour:
            for number in range(jumps):
                turn(ahead_s := chance.uniform(-FARTHEST_S, FARTHEST_S))
                # Its producer's clock is right: every other one is told of as it happens, the rest a day later.
                occurred = datetime.now(UTC) - timedelta(days=number % 2)
                sent = event(id=f"e{number}", subject=f"c{number % 3}", time=occurred.isoformat())
                early = number % 2 == 0 and ahead_s < -Company().future_limit_s
                if early:
                    broken["the future is refused"] += _refused(caller, sent) != "TimeInFuture"
                    turn(0)
                receipts.append(first := caller.append(sent))
                broken["a repeat gets the first receipt"] += caller.append(sent) != replace(first, repeat=True)
                turn(max(ahead_s, 0) if early else ahead_s)
                ended = _refused(for_an_hour, sent) is not None
                broken["a key ends by the clock, and no sooner"] += ended != (
                    monotonic() - made + ahead_s > KEY_LASTS.total_seconds()
                )
        turn(0)
    with Engine.open(url) as engine:
        stored = engine.log.read(engine.log.start(), 2 * jumps)
        told = [(each.stream, each.version, f"1/{each.number}") for each in stored]
        noted = [each for each in stored if each.stream.startswith("c")]
        broken["numbers have no gaps"] += [each.number for each in stored] != list(range(1, len(stored) + 1))
        # What is stored in one transaction, as notes of refusals are, is recorded at one time.
        broken["recorded times never fall"] += sum(a.recorded > b.recorded for a, b in pairwise(stored))
        broken["and rise from receipt to receipt"] += sum(a.recorded >= b.recorded for a, b in pairwise(noted))
        broken["what was known at a time is what stood before it"] += sum(
            engine.log.cut_at(each.recorded).numbers != (each.number,) for each in noted
        )
        broken["the log has the order of its receipts"] += [each.id for each in noted] != [
            f"e{number}" for number in range(jumps)
        ]
    return {
        "jumps": jumps,
        "acknowledged": len(receipts),
        "lost": sum((each.subject, each.version, each.position) not in told for each in receipts),
        "doubled": len(noted) - len({each.id for each in noted}),
        "laws": len(broken),
        "broken_laws": broken.total(),
        "broken": sorted(name for name, count in broken.items() if count),
    }


def _refused(caller: Client, sent: dict[str, Any]) -> str | None:
    """By which error it is refused; None where it is taken."""
    try:
        caller.append(sent)
    except Rejected as refusal:
        return refusal.title
    return None
