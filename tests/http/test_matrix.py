"""Who may what: every route against every sort of caller, as the one table of rights has it."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from adapters.apikeys import ApiKeys, Role
from adapters.http.app import create
from tests.http.routes import HIDDEN, OPEN, PUBLIC, RIGHTS, STREAM, Right, Somebody, ask, declared
from tests.http.worlds import populate, somebody

ALL = frozenset(Role)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, ApiKeys, Somebody]]:
    folder, about = tmp_path_factory.mktemp("matrix"), somebody("eu")
    url, keyring = f"sqlite:///{folder}/log.db", ApiKeys(folder / "keys")
    populate(url, about)
    with TestClient(create(url, keyring)) as client:
        yield client, keyring, about


def test_every_route_is_public_by_name_or_has_its_line_in_the_table() -> None:
    found = {(method, path): roles for method, path, roles in declared() if path not in PUBLIC}
    assert found == {route: right.roles for route, right in RIGHTS.items()}
    assert {path for _, path, roles in declared() if not roles} == PUBLIC


def callers(keyring: ApiKeys) -> dict[str, str]:
    """Every sort of caller, and what each sends."""
    other = ApiKeys(Path(f"{keyring.path}-of-another-tenant"))
    made = {role.value: keyring.make(role.value, [role]) for role in Role}
    made |= {
        "of no role": keyring.make("none", []),
        "expired": keyring.make("late", Role, valid_for=timedelta(microseconds=1)),
        "out of scope by subject": keyring.make("us", Role, subjects=["us-"]),
        "out of scope by kind": keyring.make("tickets", Role, kinds=["TicketOpened"]),
        "of another tenant": other.make("other", Role),
        "revoked": keyring.make("gone", Role),
    }
    keyring.revoke(made["revoked"].split("_")[1])
    forged = made["operator"]
    sent = {caller: f"Bearer {key}" for caller, key in made.items()}
    return sent | {
        "none": "",
        "without scheme": forged,
        "by another scheme": f"Basic {forged}",
        "forged": f"Bearer {forged[:-1]}{'A' if forged[-1] != 'A' else 'B'}",
    }


def expected(right: Right, caller: str) -> tuple[int, str]:
    """What the table says: the status, and whether somebody is in the answer."""
    if caller in ("out of scope by subject", "out of scope by kind"):
        what = right.subjects if caller.endswith("subject") else right.kinds
        return (right.status, what) if what in (HIDDEN, OPEN) else (403, HIDDEN)
    if caller not in (*Role, "of no role"):
        return 401, HIDDEN
    return (right.status, OPEN) if caller in right.roles else (403, HIDDEN)


def test_every_caller_gets_on_every_route_what_the_table_says(world: tuple[TestClient, ApiKeys, Somebody]) -> None:
    client, keyring, about = world
    sent = callers(keyring)
    routes = [route for route in RIGHTS if route != STREAM]
    wrong: list[tuple[object, ...]] = []
    # Whoever may comes last: what they do may leave nothing to be kept from the others.
    for route, caller in product(routes, sorted(sent, key=lambda caller: caller in list(Role))):
        answer = ask(client, route, about, Authorization=sent[caller])
        status, shown = expected(RIGHTS[route], caller)
        if answer.status_code != status:
            wrong.append((route, caller, answer.status_code, status))
        if shown == HIDDEN and about.order in answer.text:
            wrong.append((route, caller, "told of somebody who is hidden"))
    assert wrong == []


def test_what_is_public_is_the_same_for_everybody(world: tuple[TestClient, ApiKeys, Somebody]) -> None:
    client, keyring, about = world
    sent = callers(keyring)
    for path in PUBLIC:
        asking = (sent[caller] for caller in ("operator", "none", "expired", "of another tenant"))
        answers = {ask(client, ("GET", path), about, Authorization=each).text for each in asking}
        assert len(answers) == 1, path
        assert ask(client, ("GET", path), about).status_code == 200, path


def test_other_methods_are_refused_whoever_asks_and_whatever_they_call_themselves(
    world: tuple[TestClient, ApiKeys, Somebody],
) -> None:
    client, keyring, about = world
    there = {(method, path) for method, path, _ in declared()}
    key = f"Bearer {keyring.make('all', Role)}"
    for path, method in product({path for _, path in there}, METHODS):
        if (method, path) not in there:
            address = path.replace("{subject:path}", about.subject)
            headers = {"Authorization": key, "X-HTTP-Method-Override": "GET", "X-Method-Override": "GET"}
            assert client.request(method, address, headers=headers).status_code == 405, (method, path)
