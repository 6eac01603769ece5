"""What a scope bounds, and the keys themselves."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest
from fastapi.testclient import TestClient

from adapters.apikeys import ApiKeys, ApiKeysUnusable, Role, UnknownApiKey, key_id
from adapters.engine import Engine
from adapters.http.app import create
from tests.cli.program import Shell, event
from tests.http.calls import orders, send
from tests.http.serving import caller, listening


def test_a_scope_bounds_what_is_written_and_what_is_read(file_client: TestClient, keyring: ApiKeys) -> None:
    send(file_client, [*orders(2, "eu-1"), *orders(2, "us-1")])
    send(file_client, event(id="t", subject="eu-1", type="TicketOpened", data={"ticket": "t1"}))
    bounded = keyring.make("eu", Role, subjects=["eu-"], kinds=["OrderPlaced"])
    file_client.headers["Authorization"] = f"Bearer {bounded}"
    assert send(file_client, event(subject="eu-2")).status_code == 201
    assert send(file_client, event(subject="us-2")).status_code == 403
    assert send(file_client, event(id="x", subject="eu-2", type="TicketOpened", data={})).status_code == 403
    mixed = send(file_client, [event(id="y", subject="eu-3"), event(id="z", subject="us-3")])
    assert [each["status"] for each in mixed.json()["results"]] == [201, 403]
    assert file_client.get("/subjects/us-1/history").status_code == 403
    history = file_client.get("/subjects/eu-1/history").json()["touchpoints"]
    assert {each["type"] for each in history} == {"OrderPlaced"}
    followed = file_client.get("/events").json()["touchpoints"]
    assert {(each["subject"][:2], each["type"]) for each in followed} == {("eu", "OrderPlaced")}
    asked = {"subject": "us-1", "source": "shop", "id": "us-1-0"}
    assert file_client.get("/receipts", params=asked).status_code == 403
    assert file_client.get("/receipts", params=asked | {"subject": "eu-1", "id": "t"}).status_code == 403
    assert file_client.get("/views/orders").status_code == 403


def test_rows_of_views_are_those_within_the_scope(file_client: TestClient, keyring: ApiKeys) -> None:
    from tests.http.test_reading import project

    send(file_client, [*orders(2, "eu-1"), *orders(2, "us-1")])
    project(file_client)
    file_client.headers["Authorization"] = f"Bearer {keyring.make('eu', Role, subjects=['eu-'])}"
    assert {row["subject"] for row in file_client.get("/views/orders").json()["rows"]} == {"eu-1"}
    assert file_client.get("/views/orders", params={"subject": "us-1"}).json()["rows"] == []
    assert file_client.get("/views/repeat_purchases").status_code == 400
    assert file_client.get("/views/orders", params={"subject": "us-1", "as_of": "2026-04-01"}).status_code == 403


def test_who_follows_is_told_nothing_more_once_their_key_is_revoked(sqlite_url: str, keyring: ApiKeys) -> None:
    Engine.create(sqlite_url).close()
    waiting, streaming = (keyring.make(name, [Role.AUDITOR]) for name in ("waiting", "streaming"))
    with (
        listening(create(sqlite_url, keyring)) as port,
        caller(port, keyring.make("all", Role)) as client,
        caller(port, streaming) as follower,
        follower.stream("GET", "/stream") as stream,
        ThreadPoolExecutor(1) as pool,
        caller(port, waiting) as waiter,
    ):
        assert stream.status_code == 200
        asked = pool.submit(waiter.get, "/events", params={"wait": 20})
        while client.get("/status").json()["followers"] < 2:
            sleep(0.01)
        for key in (waiting, streaming):
            keyring.revoke(key_id(key))
        assert client.post("/events", content=json.dumps(event())).status_code == 201
        assert asked.result().status_code == 401
        assert [line for line in stream.iter_lines() if line.startswith("data:")] == [], "and it ends"


def test_keys_lie_as_digests_for_their_owner_alone(tmp_path: Path) -> None:
    ring = ApiKeys(tmp_path / "keys")
    key = ring.make("shop", [Role.APPENDER])
    assert ring.path.stat().st_mode & 0o777 == 0o600
    assert key.split("_", 2)[2] not in ring.path.read_text()
    found = ApiKeys(ring.path).principal(key)
    assert found is not None
    assert (found.name, found.roles) == ("shop", frozenset({Role.APPENDER}))
    for wrong in ("", "lc", "lc__", key[:-1], key + "A", key.replace("lc_", "lx_"), "lc_0_" + key[-43:]):
        assert ring.principal(wrong) is None
    with pytest.raises(UnknownApiKey):
        ring.revoke("0")
    ring.path.chmod(0o644)
    for looked_at_before_or_not in (ring, ApiKeys(ring.path)):
        with pytest.raises(ApiKeysUnusable, match="others may read"):
            looked_at_before_or_not.principal(key)
    ring.path.chmod(0o600)
    ring.path.write_text("[{}]")
    with pytest.raises(ApiKeysUnusable, match="no file of API keys"):
        ApiKeys(ring.path).principal(key)


def test_keys_are_made_listed_and_revoked_by_command(shop: Shell) -> None:
    made = shop("apikey", "make", "web shop", "--role", "appender", "--subjects", "eu-", "--days", "30").out.strip()
    (row,) = shop("apikey", "list", "--format", "json").json
    assert (row["name"], row["roles"], row["subjects"]) == ("web shop", "appender", "eu-")
    assert row["expires"] > row["made"]
    assert made.startswith(f"lc_{row['id']}_")
    assert shop("apikey", "make", "x", "--role", "appender", "--kind", "NoSuch").code == 3
    assert shop("apikey", "revoke", row["id"]).code == 0
    assert shop("apikey", "revoke", row["id"]).code == 6
    assert shop("apikey", "list", "--format", "json").json == []
