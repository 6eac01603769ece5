"""Building views from the whole log: three (contacts, opportunities and loyalty), or all there are."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial

from adapters.engine import Engine
from adapters.views.rebuild import rebuild
from adapters.views.tables import open_tables
from projections import view_named, views
from tests.benchmarks import stock
from tests.benchmarks.appends import fill
from tests.benchmarks.ground import Site
from tests.benchmarks.measures import rate
from tests.benchmarks.touchpoints import envelopes

VIEWS = ("contacts", "opportunities", "loyalty")


def stock_rebuild(site: Site) -> float:
    """The library's ProjectionRunner, one event a transaction."""
    count = site.sizes.rebuild_peer
    return count / stock.rebuild(site.fresh(), list(envelopes(count)))


def rebuild_three(site: Site) -> float:
    """Our rebuild, by two processes, to the switch."""
    return _rebuild(site, VIEWS)


def rebuild_all(site: Site) -> float:
    """The same of every view there is."""
    return _rebuild(site, tuple(views()))


def _rebuild(site: Site, names: Sequence[str]) -> float:
    url = site.kept(f"log {site.sizes.rebuild}", partial(fill, site.sizes.rebuild))
    with Engine.open(url) as engine:
        chosen = {name: view_named(name) for name in names}
        with closing(open_tables(url, engine.company, chosen)) as tables:
            return rate(site.sizes.rebuild, lambda: rebuild(engine.log, tables, engine.company, names))


def rebuild_figure(site: Site) -> dict[str, float]:
    """The same where the library has no tracking recorder of this shape to compare with."""
    return {"sqlite_rebuild_per_s": rebuild_three(site)}
