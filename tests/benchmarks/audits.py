"""Sealing a log, verifying all of it, and verifying one customer's evidence."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Event
from time import perf_counter, sleep, time_ns

from adapters.audit.bundle import agreeing, make_bundle
from adapters.audit.evidence import problems_of
from adapters.audit.keys import verify
from adapters.audit.rows import open_audit_rows
from adapters.audit.seal import Seal, read_key
from adapters.audit.sealer import sealer
from adapters.audit.verifier import verify_log
from adapters.engine import Engine
from adapters.log import Log
from domain.notes import Head
from tests.benchmarks.ground import Site
from tests.benchmarks.measures import rate
from tests.benchmarks.memory import in_process
from tests.benchmarks.touchpoints import envelopes

_LONG_LIFE = 1_000
"""The touchpoints of the customer whose evidence is verified."""
_AT_ONCE = 1_000


def _filled(count: int, url: str) -> None:
    """A log of many customers, one of whom lived long."""
    each = envelopes(count)
    with Engine.create(url) as engine:
        for at in range(0, count, _AT_ONCE):
            batch = [
                one.model_copy(update={"subject": "long-life"}) if at + place < _LONG_LIFE else one
                for place, one in enumerate(islice(each, _AT_ONCE))
            ]
            engine.append_each([[one] for one in batch], recordedby="bench")


def audited(site: Site) -> dict[str, float]:
    """Seal a whole log, and verify it and one customer's evidence.

    Answers touchpoints a second, by all processors that this process may have; and the time of a bundle in ms.
    """
    count, folder = site.sizes.sealed, site.folder() / "seal"
    url = site.kept(f"sealed {count}", partial(_filled, count))
    with Engine.open(url) as engine:
        with sealer(engine.log, url, folder) as leading:
            sealing = rate(count, leading.seal)
        key = read_key(str(folder / "key.pub"))
        verifying = rate(count, lambda: _verified(engine, url, folder))
        with closing(open_audit_rows(url)) as rows, agreeing(folder, [key]) as (seal, store):
            files = make_bundle(engine.log, rows, seal, store, "long-life")
    began = perf_counter()
    problems = problems_of(files, str(key), verify)
    took_ms = (perf_counter() - began) * 1_000
    assert not problems, problems
    return {"seal_per_s": sealing, "verify_per_s": verifying, "bundle_1000_ms": took_ms}


def audit_memory(site: Site) -> dict[str, float]:
    """The peak memory of sealing a whole log, verifying it and proving a history, in a tenth of the log and in all."""
    found: dict[str, float] = {}
    for size, count in (("tenth", site.sizes.sealed // 10), ("all", site.sizes.sealed)):
        url, folder = site.kept(f"sealed {count}", partial(_filled, count)), site.folder() / "seal"
        for name, work in (("seal", _seal), ("verify", _verify), ("prove", _prove)):
            if (peak := in_process(work, url, folder).peak_mb) is not None:
                found[f"{name}_peak_mb_{size}"] = peak
    return found


def _seal(url: str, folder: Path) -> None:
    with Engine.open(url) as engine, sealer(engine.log, url, folder) as leading:
        leading.seal()


def _verify(url: str, folder: Path) -> None:
    with Engine.open(url) as engine:
        _verified(engine, url, folder)


def _prove(url: str, folder: Path) -> None:
    key = read_key(str(folder / "key.pub"))
    with Engine.open(url) as engine, closing(open_audit_rows(url)) as rows, agreeing(folder, [key]) as (seal, store):
        assert make_bundle(engine.log, rows, seal, store, "long-life")


def seal_lag(site: Site) -> dict[str, float]:
    """How long what is recorded at a fixed rate waits to be signed, by a sealer that follows; in ms."""
    url, folder, stop = site.fresh(), site.folder() / "seal", Event()
    heads: list[Head] = []
    told: list[tuple[int, int]] = []  # how much was recorded, and when the first of the last of it was, in µs

    def follow(log: Log) -> None:
        with sealer(log, url, folder) as leading:
            leading.follow(stop, heads.append)

    with Engine.create(url) as engine, ThreadPoolExecutor(1) as beside:
        following = beside.submit(follow, engine.log)
        for second in range(site.sizes.rate_s):
            ends = perf_counter() + 1
            began = time_ns() // 1_000
            engine.append_each([[each] for each in envelopes(site.sizes.rate, seed=second)], recordedby="bench")
            told.append((engine.log.heads().numbers[0], began))
            sleep(max(0.0, ends - perf_counter()))
        while not heads or sum(heads[-1].sizes) < told[-1][0]:
            sleep(0.01)
        stop.set()
        following.result()
    signed = [next(head.sealed for head in heads if sum(head.sizes) >= last) for last, _ in told]
    return {"seal_lag_max_ms": max(sealed - began for sealed, (_, began) in zip(signed, told, strict=True)) / 1e3}


def _verified(engine: Engine, url: str, folder: Path) -> None:
    found = verify_log(engine.log, url, Seal(folder, [read_key(str(folder / "key.pub"))]))
    assert not found.problems, found


def audited_sqlite(site: Site) -> dict[str, float]:
    """The same on SQLite; the bundle is the same there."""
    found = audited(site)
    return {f"sqlite_{key}": found[key] for key in ("seal_per_s", "verify_per_s")}
