"""All effective histories of a log within a cut, one family after the other; memory does not grow with the log."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import groupby
from operator import attrgetter

from adapters.codec import Foldable, fact_of, fact_to_fold
from adapters.cursor import Cursor
from adapters.log import Log
from adapters.settings import LIMITS
from adapters.views.folding import missing
from adapters.views.replay import linked
from adapters.views.sweep import Sweep, open_sweep
from domain.history import components, effective_histories
from domain.touchpoint import Fact

Parked = Callable[[str, str], None]
"""Told of each stream whose family cannot be read or folded, and the name of what was raised."""


def histories(
    log: Log, url: str, cut: Cursor, parked: Parked, until: int | None = None
) -> Iterator[tuple[str, list[Fact]]]:
    """Every subject with its effective history, oldest first: merged families, then all others by bucket and name.

    Args:
        log: what is read.
        url: its address.
        cut: what of it is known.
        parked: told of what is left out because it cannot be folded.
        until: leaves out what effectively occurred later, in microseconds since 1970 UTC.
    """
    with closing(open_sweep(url)) as sweep:
        for touchpoints in _families(log, sweep, cut):
            try:
                found = effective_histories(list(map(fact_to_fold, touchpoints)), until)
            except Exception as error:  # noqa: BLE001 - what cannot be folded is told of, and the others go on
                for stream in dict.fromkeys(each.stream for each in touchpoints):
                    parked(stream, type(error).__name__)
                continue
            yield from found.items()


def _families(log: Log, sweep: Sweep, cut: Cursor) -> Iterator[list[Foldable]]:
    links = [fact_of(stored) for stored in log.links(cut)]
    joined = components(links)
    families = sorted({joined.of(side) for link in links for side in linked(link)}, key=min)
    apart = frozenset[str]().union(*families)
    for family in families:
        yield [each for stream in sorted(family) for each in sweep.stream(stream, cut)]

    def end(bucket: int, after: str) -> str | None:
        return sweep.end_of_part(bucket, after, LIMITS.rebuild_part_touchpoints)

    for bucket in range(1, len(cut.numbers) + 1):
        for part in missing(bucket, {}, end):
            for stream, touchpoints in groupby(sweep.read(part, cut), key=attrgetter("stream")):
                if stream not in apart:
                    yield list(touchpoints)
