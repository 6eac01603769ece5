"""Connections cut after every byte: of the service's replies, of what it is sent, and of its database's replies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapters.apikeys import ApiKeys, Role
from adapters.engine import Engine
from adapters.http.app import create
from domain.company import Company
from lifecircle_client import Client, Receipt, Retries
from tests.cli.program import event
from tests.faults.proxy import Fuse, PostgresProxy, ServiceProxy
from tests.http.serving import listening

AT_ONCE = Retries(times=5, first_s=0.001)
"""How the client goes on after a cut: it waits for nobody."""


@contextmanager
def served(url: str, folder: Path) -> Iterator[tuple[int, str]]:
    """A service over a log that is there, by a thread of this process: its port, and a key to it."""
    keys = ApiKeys(folder / "keys")
    with listening(create(url, keys)) as port:
        yield port, keys.make("cut", [Role.APPENDER])


def cut_calls(url: str, folder: Path, *, way: str, every: int = 1) -> dict[str, Any]:
    """Cut between the service and its caller, which goes on by itself as the client does.

    Args:
        url: the address of an empty database.
        folder: where the shop's files may lie.
        way: `replies` or `requests`.
        every: after every so many bytes.
    """
    Engine.create(url, Company()).close()
    with served(url, folder) as (port, key), ServiceProxy(port) as proxy:
        with Client(proxy.url, key, retries=AT_ONCE) as caller:
            receipts = _cut_everywhere(caller, getattr(proxy, way), every)
        return _found(url, receipts, getattr(proxy, way))


def cut_database(url: str, folder: Path, *, every: int = 1) -> dict[str, Any]:
    """Cut the replies of PostgreSQL to the service, whose caller is to notice nothing."""
    Engine.create(url, Company()).close()
    with PostgresProxy(url) as proxy, served(proxy.url, folder) as (port, key):
        with Client(f"http://127.0.0.1:{port}", key, retries=Retries(times=1)) as caller:
            receipts = _cut_everywhere(caller, proxy.replies, every)
        return _found(url, receipts, proxy.replies)


def _cut_everywhere(caller: Client, fuse: Fuse, every: int) -> list[Receipt]:
    """Append one touchpoint after the other, each cut later than the one before, until nothing is left to be cut."""
    receipts: list[Receipt] = []
    place, cuts = 0, -1
    while fuse.cuts > cuts:
        cuts = fuse.cuts
        fuse.cut_after(place)
        number = len(receipts)
        receipts.append(caller.append(event(id=f"e{number}"), expected=number))
        place += every
    return receipts


def _found(url: str, receipts: list[Receipt], fuse: Fuse) -> dict[str, Any]:
    with Engine.open(url) as engine:
        stored = engine.log.stream("c1")
    places = {each.id: (each.version, f"{each.bucket}/{each.number}") for each in stored}
    lost = sum(places.get(f"e{at}") != (each.version, each.position) for at, each in enumerate(receipts))
    return {
        "cuts": fuse.cuts,
        "acknowledged": len(receipts),
        "by_a_repeat": sum(each.repeat for each in receipts),
        "lost": lost,
        "doubled": len(stored) - len(places),
        "false_conflicts": sum(each.version != at for at, each in enumerate(receipts, 1)),
    }
