"""Simulate a market and hold every answer of both databases against its truth: `python -m tests.simulator`.

Writes `build/simulation.json`: each check with truth, answer and tolerance; of whole tables their sizes, and whether
they are the same.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from tests.conftest import fresh_database
from tests.postgres_server import PostgresServer
from tests.simulator.checks import Check, checked
from tests.simulator.market import Market, market

OUT = Path("build/simulation.json")


def _databases() -> Iterator[str]:
    """The address of an empty database of each kind."""
    with TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/log.db"
    server = PostgresServer()
    try:
        with fresh_database(server.home) as url:
            yield url
    finally:
        server.remove()


def _checked_on(url: str, made: Market) -> dict[str, Any]:
    began, found = monotonic(), list[dict[str, Any]]()
    for check in checked(made, url):
        found.append(_told(check))
        print(*found[-1].values(), sep="  ", flush=True)
    return {"database": url.partition(":")[0], "seconds": round(monotonic() - began, 1), "checks": found}


def _told(check: Check) -> dict[str, Any]:
    """A check as it is written: numbers as they are, of tables their size."""
    plain = isinstance(check.truth, (int, float))
    truth, found = (check.truth, check.found) if plain else (len(check.truth), len(check.found))
    sort = "fact" if check.tolerance is None else "estimate"
    told = {"check": check.name, "sort": sort, "of": "value" if plain else "rows", "truth": truth, "found": found}
    return {**told, "tolerance": check.tolerance, "holds": check.holds}


def main() -> int:
    """Simulate, compare, write; 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    made = market(asked.customers, asked.seed)
    print(f"{asked.customers} customers, {made.touchpoints} touchpoints")
    found = [_checked_on(url, made) for url in _databases()]
    OUT.parent.mkdir(exist_ok=True)
    head = {"customers": asked.customers, "seed": asked.seed, "touchpoints": made.touchpoints}
    OUT.write_text(json.dumps({**head, "databases": found}, indent=2) + "\n")
    wrong = [check["check"] for each in found for check in each["checks"] if not check["holds"]]
    print(f"{OUT} written;", f"wrong: {', '.join(wrong)}" if wrong else "every answer holds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
