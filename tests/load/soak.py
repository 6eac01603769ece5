"""Whether the service's memory stays as it is: `python -m tests.load.soak MINUTES`; writes build/soak.json.

A steady load of single touchpoints and batches, of readers and of what is refused, over connections that come and go;
the resident memory of the process is read after each step. While caches fill it may grow; then it must be flat.
"""

import json
import sys
from collections import Counter
from statistics import linear_regression
from time import monotonic
from typing import Any

import httpx2

from tests.benchmarks import report
from tests.benchmarks.ground import Ground
from tests.benchmarks.memory import tree_mb
from tests.benchmarks.sizes import Sizes
from tests.cli.program import ROOT, event
from tests.load import services
from tests.load.caller import Asked, ask

SOAK = ROOT / "build" / "soak.json"
RATE_PER_S, STEP_S, CONNECTIONS = 300, 10, 64
BATCHES, BATCH = 20, 100
SETTLED = 0.5
"""The share of the time after which the memory is to be flat."""


def soak(minutes: float) -> dict[str, Any]:
    """Keep a service at work for so long; its memory over time, and how it grew once it had settled."""
    with (
        Ground(Sizes()) as ground,
        ground.site("postgresql") as site,
        services.ours(site.fresh(), site.folder()) as (url, key, pid),
    ):
        found: dict[str, Any] = report.machine(ground) | report.load() | {"minutes": minutes}
        statuses: Counter[str] = Counter()
        hours, memory_mb = [], []
        began, step = monotonic(), 0
        while monotonic() - began < minutes * 60:
            step += 1
            statuses.update(_step(url, key, step))
            hours.append((monotonic() - began) / 3_600)
            memory_mb.append(tree_mb(pid) or 0.0)
    settled = int(len(hours) * SETTLED)
    slope, _ = linear_regression(hours[settled:], memory_mb[settled:])
    return found | {
        "requests": statuses.total(),
        "first_mb": memory_mb[0],
        "settled_mb": memory_mb[settled],
        "last_mb": memory_mb[-1],
        "peak_mb": max(memory_mb),
        "settled_growth_mb_per_hour": round(slope, 2),
        "answers": dict(statuses),
        "samples": [[round(hour * 60, 2), round(mb, 1)] for hour, mb in zip(hours, memory_mb, strict=True)],
    }


def _step(url: str, key: str, step: int) -> Counter[str]:
    """One step of the load, with connections of its own; what was answered, by status."""
    statuses: Counter[str] = Counter()
    one_by_one = Asked(url, key, CONNECTIONS, RATE_PER_S * STEP_S, rate=RATE_PER_S, seed=2 * step)
    batches = Asked(url, key, CONNECTIONS, BATCHES, batch=BATCH, seed=2 * step + 1)
    for asked in (one_by_one, batches):
        statuses.update(ask(asked).statuses)
    form = {"Authorization": f"Bearer {key}", "Content-Type": "application/cloudevents+json"}
    with httpx2.Client(base_url=url.removesuffix("/events"), headers=form) as client:
        for number in range(50):
            for answer in (
                client.post("/events", json=event(id=f"s-{step}-{number}", data={"nothing": "of it"})),
                client.get("/receipts", params={"subject": "c1", "source": "shop", "id": "nobody"}),
                client.get("/readyz"),
                client.get("/events", headers={"Authorization": "Bearer of nothing"}),
            ):
                statuses[str(answer.status_code)] += 1
    return statuses


if __name__ == "__main__":
    told = soak(float(sys.argv[1]))
    report.write(told, SOAK)
    print(json.dumps({name: figure for name, figure in told.items() if name != "samples"}, indent=1))
