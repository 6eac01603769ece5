"""The columnar mirror: made from a log, and asked for a funnel over all of its history."""

from functools import partial
from pathlib import Path

from adapters.engine import Engine
from adapters.funnels.conversion import Conversion
from adapters.funnels.sources import from_mirror
from adapters.mirror.manifest import read_manifest
from adapters.mirror.mirroring import mirror
from domain.funnel import Order, read_funnel
from tests.benchmarks.appends import fill
from tests.benchmarks.ground import Site
from tests.benchmarks.measures import rate

_STEPS = ("PageViewed", "OpportunityOpened where amount >= 100 EUR", "OrderPlaced")


def funnel(site: Site) -> dict[str, float]:
    """A mirror from nothing, and then funnels of three steps told apart by channel: touchpoints of the log a second."""
    count = site.sizes.rebuild
    url = site.kept(f"log {count}", partial(fill, count))
    folder = site.folder() / "mirror"
    with Engine.open(url) as engine:
        mirrored = rate(count, lambda: mirror(engine, folder))
    asked: tuple[tuple[str, Order], ...] = (("funnel_per_s", "loose"), ("funnel_strict_per_s", "strict"))
    for _, order in asked:  # its libraries are loaded, its threads made
        _ask(folder, order)
    return {"mirror_per_s": mirrored, **{key: rate(count, partial(_ask, folder, order)) for key, order in asked}}


def _ask(folder: Path, order: Order) -> None:
    stated = read_funnel(_STEPS, "30 days", order, "channel")
    Conversion(stated, from_mirror(folder, read_manifest(folder), stated, None)).figures()
