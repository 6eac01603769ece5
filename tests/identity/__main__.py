"""The laws of identity as a long campaign: longer histories, new ones in every run, for so many minutes on each law.

Writes `build/laws.json`: per law and database the examples tried, in how many of them there was a merge, a change of
order, a touchpoint that went back or a proposal to try it on, the seconds, and the longest history.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from tests.identity.laws import LAWS, Bench, Law, hold
from tests.keys import keys_in
from tests.postgres_server import PostgresServer

OUT = Path("build/laws.json")
LONGEST = 60
"""How many touchpoints a history is drawn of, at most."""
POSTGRES_SHARE = 0.25
"""The share of the time that goes to PostgreSQL, where a fresh database takes longer than the law."""
ROUND = 6
"""How many worlds are drawn before the clock is looked at."""


def campaign(seconds: float, server: PostgresServer) -> Iterator[dict[str, Any]]:
    """Try every law on both databases until its time is over."""
    for law in LAWS:
        yield _tried(law, Bench(None), seconds * (1 - POSTGRES_SHARE) / len(LAWS))
        yield _tried(law, Bench(server.home), seconds * POSTGRES_SHARE / len(LAWS))


def _tried(law: Law, bench: Bench, seconds: float) -> dict[str, Any]:
    began = monotonic()
    while monotonic() - began < seconds:
        hold(law, bench, ROUND, LONGEST, anew=True)
    return {
        "law": law.__name__.replace("_", " "),
        "database": bench.database,
        "examples": bench.examples,
        "to_the_point": bench.met,
        "seconds": round(monotonic() - began, 1),
        "longest_history": bench.longest,
    }


def main() -> None:
    """Run the campaign and say what came of it; a law that fails ends it with the smallest world that breaks it."""
    server = PostgresServer()
    try:
        found = []
        with keys_in(server.home):
            for each in campaign(float(sys.argv[1]) * 60, server):
                found.append(each)
                print(*each.values(), sep="  ", flush=True)
    finally:
        server.remove()
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
