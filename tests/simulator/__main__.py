"""Simulate a market and hold every answer against its truth: `python -m tests.simulator [CUSTOMERS] [SEED]`.

Writes `build/simulation.json`: each check with truth, answer and tolerance; of whole tables, whether they are the same.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from tests.simulator.checks import Check, checked
from tests.simulator.market import market

OUT = Path("build/simulation.json")


def told(check: Check) -> dict[str, Any]:
    """A check as it is written: numbers as they are, of tables their size."""
    plain = isinstance(check.truth, (int, float))
    truth, found = (check.truth, check.found) if plain else (len(check.truth), len(check.found))
    return {
        "check": check.name,
        "truth": truth,
        "found": found,
        "of": "value" if plain else "rows",
        "tolerance": check.tolerance,
        "holds": check.holds,
    }


def main() -> int:
    """Simulate, compare, write; 1 where something does not hold."""
    customers, seed = (
        (int(each) for each in (*sys.argv[1:], "10000", "1")[:2]) if len(sys.argv) < 3 else map(int, sys.argv[1:3])
    )
    began = monotonic()
    made = market(customers, seed)
    found = []
    with TemporaryDirectory() as folder:
        for check in checked(made, f"sqlite:///{folder}/log.db"):
            found.append(told(check))
            print(*found[-1].values(), sep="  ", flush=True)
    summary = {
        "customers": customers,
        "seed": seed,
        "touchpoints": made.touchpoints,
        "seconds": round(monotonic() - began, 1),
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({**summary, "checks": found}, indent=2) + "\n")
    print(*summary.values(), f"{OUT} written")
    return 0 if all(each["holds"] for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
