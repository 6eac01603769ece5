"""What was measured, for machines (`build/bench.json`, flat), on the terminal, and as the table of a page."""

import json
import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.benchmarks.ground import Ground
from tests.benchmarks.measures import Aim, Figures, Measure, Measured, Ratio
from tests.benchmarks.sizes import Sizes

BENCH, BENCH_PEERS = Path("build/bench.json"), Path("build/bench-peers.json")
HEADINGS = ("key", "work", "on", "peer", "ours", "figure", "lowest", "highest", "aim")
_PACKAGES = ("lifecircle", "eventsourcing", "psycopg", "pydantic", "duckdb", "polars")


class Line(NamedTuple):
    """One line of the table, in the order of HEADINGS."""

    key: str
    work: str
    on: str
    peer: str
    ours: str
    figure: str
    lowest: str
    highest: str
    aim: str


def machine(ground: Ground) -> dict[str, str | int]:
    """What the figures depend on besides the code."""
    told: dict[str, str | int] = {
        "measured_on": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {_processor()}",
        "filesystem": ground.filesystem(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    told |= {name: version(name) for name in _PACKAGES}
    return told | ground.settings()


def load() -> dict[str, str]:
    """How busy the machine is, where it tells: processes that run or want to, over the last minute."""
    return {"load_at_start": f"{os.getloadavg()[0]:.1f}"} if hasattr(os, "getloadavg") else {}


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "processor unknown"
    )


def results(told: Mapping[str, str | int], sizes: Sizes, measured: Measured) -> dict[str, Any]:
    """Everything, flat: the machine, the sizes, then each key's median with its spread."""
    found: dict[str, Any] = {**told, "rounds": measured.rounds}
    found |= {f"size_{name}": size for name, size in asdict(sizes).items()}
    found |= {f"left_out_{key}": reason for key, reason in measured.left_out.items()}
    found |= {f"failed_{key}": reason for key, reason in measured.failed.items()}
    return found | measured.figures()


def write(found: Mapping[str, Any], path: Path = BENCH) -> None:
    """Keep results."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


def lines(measures: Sequence[Measure], found: Mapping[str, Any]) -> Iterator[Line]:
    """The table of what was measured, and of what was left out."""
    for measure in measures:
        for key, aim in _keys(measure).items():
            if key in found:
                peer, ours = "", ""
                if isinstance(measure, Ratio):
                    name = key.removesuffix("_x")
                    unit = {"per_s": "/s"}.get(measure.unit, f" {measure.unit}")
                    peer = _number(found[f"{name}_peer_{measure.unit}"]) + unit
                    ours = _number(found[f"{name}_{measure.unit}"]) + unit
                low, high = found.get(f"{key}_lowest"), found.get(f"{key}_highest")
                spread = (_number(low), _number(high)) if low is not None and high is not None else ("", "")
                yield Line(
                    key, measure.what, measure.on, peer, ours, _number(found[key]), *spread, _aim(aim, found[key])
                )
            for state in ("left_out", "failed"):
                if why := found.get(f"{state}_{key}"):
                    yield Line(key, measure.what, measure.on, "", "", state.replace("_", " "), "", "", str(why))


def _keys(measure: Measure) -> Mapping[str, Aim | None]:
    return measure.aims if isinstance(measure, Figures) else {measure.key: measure.aim}


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1_000 else f"{figure:.3g}"


def _aim(aim: Aim | None, figure: float) -> str:
    return "" if aim is None else f"{aim}{'' if aim.met(figure) else ' (missed)'}"


def show(measures: Sequence[Measure], found: Mapping[str, Any]) -> None:
    """The table on the terminal."""
    table = Table(title=f"Touchpoints a second unless the key says otherwise; median of {found['rounds']} rounds")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("key", "work", "on", "aim") else "right")
    for line in lines(measures, found):
        table.add_row(*line)
    console = Console(width=160)
    console.print(table)
    sizes = {name: found[f"size_{name}"] for name in asdict(Sizes())}
    changed = [f"{name}={size}" for name, size in sizes.items() if size != getattr(Sizes, name)]
    if changed:
        console.print(f"Not the usual sizes: {' '.join(changed)}")
    console.print(
        f"{found['machine']}, load {found.get('load_at_start', 'unknown')} at the start, {found['filesystem']}"
    )
    console.print(" · ".join(f"{name} {found[name]}" for name in found if name.startswith("postgresql_")))
