"""Every route of the service: who may ask it, what a scope does to it, and how it is asked about somebody."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from adapters.apikeys import Role
from adapters.http import events, quarantine, reading, rights, sealed, watching
from adapters.http.app import application
from tests.cli.program import event

STREAM = ("GET", "/stream")
"""It does not end by itself; what guards it is what guards the others, and tests of followers open it."""

REFUSED, HIDDEN, OPEN = "refused", "hidden", "open"
"""What a scope does to a route that asks for somebody beyond it: 403; an answer without them; nothing."""


class Right(NamedTuple):
    """Who may ask a route, what a scope of subjects and one of kinds do to it, and what is answered to who may."""

    roles: frozenset[Role]
    subjects: str
    kinds: str
    status: int = 200


def _right(roles: str, subjects: str, kinds: str, status: int = 200) -> Right:
    return Right(frozenset(map(Role, roles.split())), subjects, kinds, status)


RIGHTS: dict[tuple[str, str], Right] = {
    ("POST", "/events"): _right("appender", REFUSED, REFUSED, 201),
    ("GET", "/receipts"): _right("appender auditor", REFUSED, REFUSED),
    ("GET", "/events"): _right("auditor", HIDDEN, HIDDEN),
    STREAM: _right("auditor", HIDDEN, HIDDEN),
    ("GET", "/subjects/{subject:path}/history"): _right("auditor", REFUSED, HIDDEN),
    ("GET", "/subjects/{subject:path}/evidence"): _right("auditor", REFUSED, REFUSED),
    ("POST", "/subjects/{subject:path}/opened"): _right("operator", REFUSED, HIDDEN),
    ("GET", "/subjects/{subject:path}/export"): _right("operator", REFUSED, REFUSED),
    ("GET", "/quarantine"): _right("operator", REFUSED, REFUSED),
    ("POST", "/quarantine/release"): _right("operator", REFUSED, REFUSED),
    ("GET", "/views"): _right("analyst", OPEN, OPEN),
    ("GET", "/views/{name}"): _right("analyst", HIDDEN, REFUSED),
    ("GET", "/status"): _right("monitor operator", OPEN, OPEN),
    ("GET", "/metrics"): _right("monitor operator", OPEN, OPEN),
    ("POST", "/subjects/{subject:path}/erasure"): _right("operator", REFUSED, REFUSED),
}
"""Every route that is not public. The last one leaves nothing of whom it is about."""

PUBLIC = {
    "/livez",
    "/readyz",
    "/kinds",
    "/kinds/{kind}",
    "/seal/head",
    "/seal/key",
    "/seal/{origin}/{bucket}/checkpoint",
    "/seal/{origin}/{bucket}/tile/{level}/{index:path}",
}
"""Every route that is open to everybody."""


class Somebody(NamedTuple):
    """Whose things a request is about, and by which names they are known."""

    subject: str
    id: str
    order: str
    batch: str


def declared() -> Iterator[tuple[str, str, frozenset[Role]]]:
    """The routes that there are, as the application has them: method, path, and the roles that it asks for."""
    parts = (events, reading, rights, sealed, quarantine, watching)
    for route in (*application(None).routes, *(each for part in parts for each in part.router.routes)):
        if isinstance(route, APIRoute):
            asked = {role for each in route.dependant.dependencies for role in getattr(each.call, "roles", ())}
            yield from ((method, route.path, frozenset(asked)) for method in route.methods or ())


def ask(
    client: TestClient, route: tuple[str, str], about: Somebody, prefix: str = "", **headers: str
) -> httpx2.Response:
    """Ask a route about somebody, perhaps below the prefix of a tenant."""
    method, path = route
    names = {
        "{subject:path}": about.subject,
        "{name}": "orders",
        "{kind}": "OrderPlaced",
        "{origin}": "1",
        "{bucket}": "1",
        "{level}": "0",
        "{index:path}": "000.p/1",
    }
    for name, value in names.items():
        path = path.replace(name, value)
    queries: dict[str, dict[str, str]] = {
        "/receipts": {"subject": about.subject, "source": "shop", "id": about.id},
        "/views/orders": {"order_id": about.order},
        "/quarantine": {"batch": about.batch},
    }
    bodies: dict[str, Any] = {
        "/events": event(id=f"{about.id}-next", subject=about.subject, data={"order": about.order, "total": "1 EUR"}),
        f"/subjects/{about.subject}/opened": {"purpose": "ticket T-1"},
        f"/subjects/{about.subject}/erasure": {"basis": "Art. 17"},
        "/quarantine/release": {"batch": about.batch, "rows": [{"row": 7}]},
    }
    body = bodies[path] if method == "POST" else None
    if body:
        headers = {
            "Content-Type": "application/cloudevents+json" if path == "/events" else "application/json"
        } | headers
    answer: httpx2.Response = client.request(
        method,
        prefix + path,
        params=queries.get(path),
        json=bodies[path] if method == "POST" else None,
        headers=headers,
    )
    return answer
