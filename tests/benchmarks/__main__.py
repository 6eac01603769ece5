"""Run every comparison, print the table, write build/bench.json: `python -m tests.benchmarks [ROUNDS]`."""

import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

import psycopg
from rich.console import Console
from rich.table import Table

from tests.benchmarks import works
from tests.postgres_server import PostgresServer

ROUNDS = 5


class Comparison(NamedTuple):
    """Two ways to do one work: each answers touchpoints a second, on an empty database at a URL."""

    key: str
    work: str
    aim: float
    on: str
    peer: Callable[[str], float]
    ours: Callable[[str], float]


COMPARISONS = (
    Comparison("append_1_x", "one client, one by one", 2.5, "postgresql", works.stock_append_1, works.append_1),
    Comparison("append_64_x", "64 producers (tasks)", 20, "postgresql", works.stock_append_64, works.append_64),
    Comparison(
        "append_64_threads_x",
        "64 producers (threads)",
        10,
        "postgresql",
        works.stock_append_64,
        works.append_64_threads,
    ),
    Comparison("batch_1000_x", "batches of 1,000", 3, "postgresql", works.stock_batch, works.batch),
    Comparison("read_x", "reading the log", 3, "postgresql", works.stock_read, works.read),
    Comparison("read_decoded_x", "reading, decoded", 3, "postgresql", works.stock_read_decoded, works.read_decoded),
    Comparison("rebuild_x", "rebuilding three views", 100, "postgresql", works.stock_rebuild, works.rebuild_three),
    Comparison("import_copy_x", "import, against bare COPY", 0.3, "postgresql", works.bare_copy, works.import_csv),
    Comparison("sqlite_append_1_x", "one client, one by one", 1, "sqlite", works.stock_append_1, works.append_1),
    Comparison("sqlite_append_64_x", "64 producers (tasks)", 2, "sqlite", works.stock_append_64, works.append_64),
    Comparison("sqlite_batch_1000_x", "batches of 1,000", 1, "sqlite", works.stock_batch, works.batch),
    Comparison("sqlite_read_x", "reading the log", 1, "sqlite", works.stock_read, works.read),
)


def main(rounds: int, chosen: list[str]) -> None:
    """Measure each pair in turn, in every round, on fresh databases; ratios are taken within a round."""
    comparisons = [each for each in COMPARISONS if not chosen or each.key in chosen]
    measured: dict[str, list[tuple[float, float]]] = {each.key: [] for each in comparisons}
    server = PostgresServer()
    try:
        with TemporaryDirectory(prefix="lifecircle-bench-") as folder:
            for number in range(rounds):
                for each in comparisons:
                    peer, ours = (_on_fresh(each.on, work, server, Path(folder)) for work in (each.peer, each.ours))
                    measured[each.key].append((peer, ours))
                    print(f"round {number + 1}: {each.key} {ours / peer:.2f}", file=sys.stderr)
    finally:
        server.remove()
    _report(comparisons, measured, rounds)


def _on_fresh(kind: str, work: Callable[[str], float], server: PostgresServer, folder: Path) -> float:
    name = f"b{uuid4().hex}"
    if kind == "sqlite":
        return work(f"sqlite:///{folder / name}.db")
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            return work(server.url(name))
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _report(comparisons: list[Comparison], measured: dict[str, list[tuple[float, float]]], rounds: int) -> None:
    figures: dict[str, float | int | str] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "eventsourcing": version("eventsourcing"),
        "rounds": rounds,
    }
    table = Table(title=f"Touchpoints a second, median of {rounds} interleaved rounds")
    for column in ("work", "on", "peer", "lifecircle", "ratio", "lowest", "highest", "aim"):
        table.add_column(column, justify="left" if column in ("work", "on") else "right")
    for each in comparisons:
        pairs = measured[each.key]
        ratios = sorted(ours / peer for peer, ours in pairs)
        peer, ours = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        name = each.key.removesuffix("_x")
        figures |= {
            each.key: round(median(ratios), 3),
            f"{name}_x_lowest": round(ratios[0], 3),
            f"{name}_x_highest": round(ratios[-1], 3),
            f"{name}_per_s": round(ours),
            f"{name}_peer_per_s": round(peer),
        }
        cells = [f"{peer:,.0f}", f"{ours:,.0f}", *(f"{each:.2f}" for each in (median(ratios), ratios[0], ratios[-1]))]
        table.add_row(each.work, each.on, *cells, f"{each.aim:g}")
    Path("build").mkdir(exist_ok=True)
    Path("build/bench.json").write_text(json.dumps(figures, indent=1) + "\n")
    Console(width=120).print(table)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        int(arguments[0]) if arguments[:1] and arguments[0].isdecimal() else ROUNDS,
        [a for a in arguments if a[-2:] == "_x"],
    )
