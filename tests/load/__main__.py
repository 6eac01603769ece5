"""Put the service under load: `python -m tests.load [ROUNDS] [SIZE=NUMBER…]`; writes build/load.json.

In every round, on fresh databases of one PostgreSQL server with fsync: the engine's own group commit, the service and
the stock library behind a thin service, each with as many callers at a time; then the service at half of the rate that
it reached, as an open load; and batches. They take turns at being first.
"""

import sys
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.appends import append_tasks
from tests.benchmarks.ground import Ground, Site
from tests.benchmarks.measures import Aim, Measured, at_least, at_most
from tests.benchmarks.sizes import Sizes
from tests.cli.program import ROOT
from tests.load import services
from tests.load.caller import Asked, Told, ask

LOAD = ROOT / "build" / "load.json"
ROUNDS = 3
SIZES = {
    "requests": 60_000,
    "warm_requests": 4_000,
    "stock_requests": 6_000,
    "open_s": 15,
    "batches": 1_500,
    "batch": 100,
    "connections": 64,
}
AIMS: dict[str, Aim] = {
    "service_by_engine_x": at_least(0.5),
    "service_by_stock_x": at_least(5),
    "half_p99_ms": at_most(50),
    "batches_per_s": at_least(20_000),
}
_PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools")


class Load:
    """One run: its sizes, and what was found."""

    def __init__(self, ground: Ground, sizes: dict[str, int]) -> None:
        self._ground, self._sizes = ground, sizes
        self.measured = Measured()
        self.statuses: Counter[str] = Counter()

    def round(self) -> None:
        """Do everything once."""
        works: list[tuple[str, Callable[[Site], float]]] = [
            ("engine_per_s", append_tasks),
            ("service_per_s", self._service),
            ("stock_per_s", self._stock),
        ]
        found = {}
        for name, work in works[:: -1 if self.measured.rounds % 2 else 1]:
            with self._ground.site("postgresql") as site:
                found[name] = work(site)
            self._add(name, found[name])
        self._add("service_by_engine_x", found["service_per_s"] / found["engine_per_s"])
        self._add("service_by_stock_x", found["service_per_s"] / found["stock_per_s"])
        with self._ground.site("postgresql") as site:
            self._open_and_batches(site, found["service_per_s"] / 2)
        self.measured.rounds += 1

    def _service(self, site: Site) -> float:
        with services.ours(site.fresh(), site.folder()) as (url, key, _):
            self._ask(url, key, self._sizes["warm_requests"], seed=1)
            told = self._ask(url, key, self._sizes["requests"], seed=2)
        self._add("service_p50_ms", told.p50_ms)
        self._add("service_p99_ms", told.p99_ms)
        self._add("caller_busy", told.caller_busy)
        return told.per_s

    def _stock(self, site: Site) -> float:
        with services.stock(site.fresh()) as (url, key, _):
            self._ask(url, key, self._sizes["stock_requests"] // 5, seed=1)
            return self._ask(url, key, self._sizes["stock_requests"], seed=2).per_s

    def _open_and_batches(self, site: Site, rate: float) -> None:
        with services.ours(site.fresh(), site.folder()) as (url, key, _):
            self._ask(url, key, self._sizes["warm_requests"], seed=1)
            told = self._ask(url, key, int(rate * self._sizes["open_s"]), rate=rate, seed=2)
            for name, figure in (("rate_per_s", rate), ("p50_ms", told.p50_ms), ("p99_ms", told.p99_ms)):
                self._add(f"half_{name}", figure)
            told = self._ask(url, key, self._sizes["batches"], batch=self._sizes["batch"], seed=3)
            self._add("batches_per_s", told.per_s)
            self._add("batches_p99_ms", told.p99_ms)

    def _ask(self, url: str, key: str, requests: int, **more: Any) -> Told:
        told = ask(Asked(url, key, self._sizes["connections"], requests, **more))
        self.statuses.update(told.statuses)
        return told

    def _add(self, name: str, figure: float) -> None:
        self.measured.add(name, figure)
        print(f"round {self.measured.rounds + 1}: {name} {figure:.4g}", file=sys.stderr, flush=True)


def main(words: list[str]) -> int:
    """Measure, write and show; answer the exit code."""
    rounds, sizes = ROUNDS, dict(SIZES)
    for word in words:
        name, is_size, number = word.partition("=")
        if is_size and name in sizes and number.isdecimal():
            sizes[name] = int(number)
        elif word.isdecimal() and int(word) > 0:
            rounds = int(word)
        else:
            sys.exit(f"{word}: neither a number of rounds nor a size. There are: {' '.join(SIZES)}")
    busy = report.load()
    with Ground(Sizes(producers=sizes["connections"], append=sizes["requests"] // sizes["connections"])) as ground:
        load = Load(ground, sizes)
        for _ in range(rounds):
            load.round()
        found: dict[str, Any] = report.machine(ground) | busy | {name: version(name) for name in _PACKAGES}
    found |= {"rounds": rounds} | {f"size_{name}": size for name, size in sizes.items()}
    found |= load.measured.figures() | {f"answered_{status}": count for status, count in load.statuses.items()}
    report.write(found, LOAD)
    for name, aim in AIMS.items():
        print(f"{name}: {median(load.measured.series[name]):.4g} ({aim}{'' if aim.met(found[name]) else ', missed'})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
