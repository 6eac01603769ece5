"""Where the time goes: `python -m tests.benchmarks.profiles [TOUCHPOINTS]` writes docs/benchmarks/.

Stages are timed by themselves, with no profiler on, for a profiler makes small functions look dear; what the profiler
finds stands beside them, function by function. What waits is told from what works by the process's own clock.
"""

import cProfile
import gc
import io
import pstats
import re
import sys
import tomllib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from hashlib import sha256
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple

from adapters.clock import clock_us
from adapters.codec import draft_of, fact_to_fold, parse_json, read_touchpoint
from adapters.engine import Engine
from adapters.log import Draft, Group
from adapters.postgres.facts import Facts
from adapters.postgres.prepared import PreparingConnection
from adapters.settings import LIMITS
from adapters.sources.files import open_source
from adapters.sources.mapping import Mapping
from adapters.sources.plan import Plan
from adapters.sources.scratch import Scratch
from adapters.views.rebuild import rebuild
from adapters.views.sweep import Part, Sweep, open_sweep
from adapters.views.tables import open_tables
from domain.compiled import Appendable
from domain.history import effective_histories
from projections import view_named
from projections.view import concerning, fold_dealt
from tests.benchmarks import report
from tests.benchmarks.appends import BATCH, fill, given
from tests.benchmarks.flames import sampled, svg
from tests.benchmarks.ground import Ground, Site
from tests.benchmarks.imports import MAPPING, import_orders, orders
from tests.benchmarks.rebuilds import VIEWS
from tests.benchmarks.sizes import Sizes

PAGES = Path(__file__).parents[2] / "docs" / "benchmarks"
TOUCHPOINTS = 20_000
_SHOWN = 25
_ADDRESS = re.compile(r" at 0x\w+")  # another in every run


class Stage(NamedTuple):
    """One stage of a work, in µs per touchpoint: of this process's processor, and of waiting for the server or disk."""

    name: str
    busy_us: float
    waiting_us: float


class Stages:
    """The stages of one work over so many touchpoints."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._spent: dict[str, tuple[float, float]] = {}
        self._last = (0.0, 0.0)
        # What the harness holds must not make the collector run longer than in a real process.
        gc.collect()
        gc.freeze()

    @property
    def found(self) -> list[Stage]:
        """Every stage, in the order in which they first came."""
        in_us = 1e6 / self._count
        return [Stage(name, busy * in_us, max(0.0, waiting) * in_us) for name, (busy, waiting) in self._spent.items()]

    def timed(self, name: str, work: Callable[[], Any], *, again: bool = False) -> Any:
        """Do one stage for some of the touchpoints, and note what it cost.

        `again` says that the stage before it is done in it once more, and is not counted twice.
        """
        less_busy, less_waiting = self._last if again else (0.0, 0.0)
        began, busy = perf_counter(), process_time()
        done = work()
        busy = process_time() - busy
        self._last = busy, perf_counter() - began - busy
        self.spent(name, busy - less_busy, self._last[1] - less_waiting)
        return done

    def drafted(self, read: Callable[[Any], Appendable], events: Sequence[Any]) -> list[Draft]:
        """Validate and encode.

        As the works do, each touchpoint is let go as soon as it is encoded: the collector walks what is kept.
        """
        self.timed("validate", lambda: deque(map(read, events), maxlen=0))
        encoded = partial(_each, lambda event: draft_of(read(event), "bench"), events)
        drafts: list[Draft] = self.timed("encode", encoded, again=True)
        return drafts

    def spent(self, name: str, busy_s: float, waiting_s: float) -> None:
        """Note what a stage cost."""
        before = self._spent.get(name, (0.0, 0.0))
        self._spent[name] = before[0] + busy_s, before[1] + waiting_s

    def stored(self, connection: PreparingConnection, drafts: Sequence[Draft]) -> None:
        """Store drafts as new facts, and note what packing, the server and receipts cost."""
        groups = [Group((draft,)) for draft in drafts]
        began, busy = perf_counter(), process_time()
        facts = Facts(groups, 1)
        facts.send(connection)
        busy_sent = process_time()
        answer = facts.receive(connection)
        assert answer
        assert len(facts.verdicts(answer)) == len(groups)
        done, busy_done = perf_counter(), process_time()
        self.spent("pack and send", busy_sent - busy, 0)
        self.spent("server", 0, done - began - (busy_done - busy))
        self.spent("receipts", busy_done - busy_sent, 0)


def _in_batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """As the works do: what is made of a batch is let go before the next, or the collector would walk all of it."""
    return (items[at : at + BATCH] for at in range(0, len(items), BATCH))


def append(site: Site, count: int) -> list[Stage]:
    """From the bytes that a service receives to receipts, in batches of 1,000."""
    import orjson

    raw = [orjson.dumps(event) for event in given(count)]
    stages = Stages(count)
    url = site.fresh()
    with Engine.create(url) as engine, PreparingConnection.connect(url, autocommit=True) as connection:
        read = partial(read_touchpoint, clock_us=clock_us(), company=engine.company)
        for batch in _in_batches(raw):
            parsed = stages.timed("parse strict JSON", partial(_each, parse_json, batch))
            stages.stored(connection, stages.drafted(read, parsed))
    return stages.found


def _each(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [work(item) for item in items]


def imported(site: Site, count: int) -> list[Stage]:
    """From a CSV file to stored rows, in batches of 1,000."""
    path = site.file(f"orders-{count}.csv", partial(orders, count))
    mapping = Mapping.model_validate(tomllib.loads(MAPPING))
    stages = Stages(count)
    url = site.fresh()
    with (
        Engine.create(url) as engine,
        PreparingConnection.connect(url, autocommit=True) as connection,
        Scratch() as scratch,
    ):
        source = open_source(path, mapping.file)
        plan = Plan(mapping, source.columns, None)
        read = partial(read_touchpoint, clock_us=clock_us(), company=engine.company)

        def stem_of(key: str) -> str:
            digest = sha256(key.encode()).digest()
            return f"{digest.hex()}/{scratch.ordinal(digest)}"

        rows = source.rows()
        while batch := stages.timed("read rows", lambda: list(islice(rows, BATCH))):
            cells = [row.cells for row in batch]
            stems = stages.timed("tell rows apart", partial(_each, lambda each: stem_of(plan.key(each)), cells))
            pairs = list(zip(cells, stems, strict=True))
            made = stages.timed(
                "map", partial(_each, lambda pair: plan.touchpoints([pair[0]], pair[1], stem_of), pairs)
            )
            stages.stored(connection, stages.drafted(read, [event for ((_, event),) in made]))
    return stages.found


def rebuilt(site: Site, count: int) -> list[Stage]:
    """From the log to the tables of three views, in one process."""
    url = site.kept(f"log {count}", partial(fill, count))
    stages = Stages(count)
    with Engine.open(url) as engine, closing(open_sweep(url)) as sweep:
        cut = engine.log.heads()
        parts = list(_parts(sweep))
        stored = stages.timed("read by stream", lambda: [each for part in parts for each in sweep.read(part, cut)])
        facts = stages.timed("decode", lambda: [fact_to_fold(each) for each in stored])
        streams = [list(each) for _, each in groupby(facts, key=attrgetter("stream"))]
        histories = stages.timed("order and correct", lambda: [effective_histories(each) for each in streams])
        chosen = {name: view_named(name) for name in VIEWS}
        for name, view in chosen.items():
            folded = partial(_folded, view(engine.company), histories)
            stages.timed(f"fold {name}", folded)
        with closing(open_tables(url, engine.company, chosen)) as tables:
            whole = partial(rebuild, engine.log, tables, engine.company, VIEWS, workers=0)
            stages.timed("write rows and switch: the rest of the whole", whole)
    *alone, whole_stage = stages.found
    busy = whole_stage.busy_us - sum(stage.busy_us for stage in alone)
    waiting = whole_stage.waiting_us - sum(stage.waiting_us for stage in alone)
    return [*alone, whole_stage._replace(busy_us=max(0.0, busy), waiting_us=max(0.0, waiting))]


def _parts(sweep: Sweep) -> Iterator[Part]:
    after: str | None = ""
    while after is not None:
        last = sweep.end_of_part(1, after, LIMITS.rebuild_part_touchpoints)
        yield Part(1, after, last)
        after = last


def _folded(view: Any, histories: Iterable[Any]) -> None:
    for of_family in histories:
        for root, history in of_family.items():
            fold_dealt(view, root, concerning(view, history))


def _append_all(site: Site, count: int) -> Callable[[], object]:
    url, items = site.fresh(), given(count)
    Engine.create(url).close()

    def work() -> None:
        with Engine.open(url) as engine:
            clock = clock_us()
            batches = (items[at : at + BATCH] for at in range(0, count, BATCH))
            read = (([read_touchpoint(event, clock, engine.company)] for event in batch) for batch in batches)
            for _ in engine.append_batches(read):
                pass

    return work


def _import_all(site: Site, count: int) -> Callable[[], object]:
    path = site.file(f"orders-{count}.csv", partial(orders, count))
    return partial(import_orders, count, path, site.fresh())


def _rebuild_all(site: Site, count: int) -> Callable[[], object]:
    url = site.kept(f"log {count}", partial(fill, count))

    def work() -> None:
        with Engine.open(url) as engine:
            chosen = {name: view_named(name) for name in VIEWS}
            with closing(open_tables(url, engine.company, chosen)) as tables:
                rebuild(engine.log, tables, engine.company, VIEWS, workers=0)

    return work


WORKS: tuple[tuple[str, Callable[[Site, int], list[Stage]], Callable[[Site, int], Callable[[], object]]], ...] = (
    ("append", append, _append_all),
    ("import", imported, _import_all),
    ("rebuild", rebuilt, _rebuild_all),
)


def profiled(work: Callable[[], object]) -> str:
    """The functions that a work spent most of its time in, by their own time, as cProfile has it."""
    profiler = cProfile.Profile()
    profiler.runcall(work)
    told = io.StringIO()
    pstats.Stats(profiler, stream=told).strip_dirs().sort_stats("tottime").print_stats(_SHOWN)
    lines = [_ADDRESS.sub("", line.rstrip()) for line in told.getvalue().splitlines()]
    return "\n".join(line for line in lines if line)


def main(count: int) -> None:
    """Time and profile each work, and write the page."""
    page = [
        "# Where the time goes",
        "",
        f"Made by `make profile` over {count:,} seeded touchpoints on PostgreSQL, in one process; the machine's load",
        f"was {report.load().get('load_at_start', 'unknown')}. A stage is timed by itself, batch by batch, without a",
        "profiler: µs per touchpoint of this process's processor, and of waiting for the server, the disk or a",
        "processor. The lists below are cProfile's, by each function's own time; it makes small functions look dearer",
        "than they are. The flame graphs are sampled, and do not.",
    ]
    PAGES.mkdir(exist_ok=True)
    with Ground(Sizes()) as ground:
        for name, staged, work in WORKS:
            with ground.site("postgresql") as site:
                staged(site, count)  # connections, plans and caches are made
            with ground.site("postgresql") as site:
                stages = staged(site, count)
                listed = profiled(work(site, count))
                title = f"{name}: {count:,} touchpoints, all that the main thread did and waited for"
                flames = svg(sampled(work(site, count)), title)
            whole = Stage("sum", sum(stage.busy_us for stage in stages), sum(stage.waiting_us for stage in stages))
            page += ["", f"## {name.capitalize()}", "", "| stage | busy µs | waiting µs |", "|---|--:|--:|"]
            page += [f"| {stage.name} | {stage.busy_us:.1f} | {stage.waiting_us:.1f} |" for stage in (*stages, whole)]
            page += ["", f"[Flame graph]({name}.svg): open it in a browser; a bar under the pointer tells its share."]
            page += ["", "```text", listed, "```"]
            (PAGES / f"{name}.svg").write_text(flames, encoding="utf-8")
            print(f"{name}: {whole.busy_us:.1f} µs busy, {whole.waiting_us:.1f} µs waiting", file=sys.stderr)
    (PAGES / "profiles.md").write_text("\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else TOUCHPOINTS)
