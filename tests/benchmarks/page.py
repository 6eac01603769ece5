"""Put results into docs/benchmarks.md: `python -m tests.benchmarks.page [FILE…]` takes what `make bench` wrote.

Files are named where several runs were kept, one after the other; each run is a table of its own.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.catalogue import MEASURES, PEERS
from tests.benchmarks.report import BENCH, BENCH_PEERS, HEADINGS, lines
from tests.benchmarks.sizes import Sizes

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: written by make bench-page -->", "<!-- end of results -->"
_ABOUT = (
    "machine", "filesystem", "load_at_start", "python", "lifecircle", "eventsourcing", "psycopg", "sqlite", "duckdb",
    "polars",
)  # fmt: skip


def section(found: Mapping[str, Any]) -> Iterator[str]:
    """What one run found, as lines of a page."""
    told = [f"{name} {found[name]}" for name in found if name in _ABOUT or name.startswith("postgresql_")]
    sizes = [f"{name} {found[f'size_{name}']:,}" for name in asdict(Sizes())]
    yield from (f"Measured on {found['measured_on']} in {found['rounds']} rounds: {'; '.join(told)}.", "")
    yield from (f"Sizes: {', '.join(sizes)}.", "")
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|---|---|---|--:|--:|--:|--:|--:|---|"
    for line in lines((*MEASURES, *PEERS), found):
        yield f"| `{line.key}` | {' | '.join(line[1:])} |"
    yield ""


def with_results(page: str, runs: list[Mapping[str, Any]]) -> str:
    """The page with these results in the place of those before.

    Raises:
        ValueError: it has no place for results.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    written = [line for run in runs for line in section(run)]
    return "\n".join([before + begin, "", *written, end + after])


if __name__ == "__main__":
    named = [Path(word) for word in sys.argv[1:]]
    runs = [json.loads(path.read_text()) for path in named or [BENCH, BENCH_PEERS] if named or path.exists()]
    if not runs:
        sys.exit(f"there is no {BENCH}: run make bench first")
    PAGE.write_text(with_results(PAGE.read_text(encoding="utf-8"), runs), encoding="utf-8")
    print(f"{PAGE.name} written from {len(runs)} runs")
