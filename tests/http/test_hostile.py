"""What a hostile caller sends: none of it breaks the service, is taken for something else, or shows another's data."""

import hmac
import json
from asyncio import Semaphore
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.apikeys import ApiKeys, Role
from adapters.engine import Engine
from adapters.http.app import create
from adapters.http.pages import _COMPARISONS as COMPARISONS
from adapters.http.pages import page
from adapters.settings import LIMITS
from adapters.views.tables import open_tables
from domain.company import Company
from domain.errors import QueryRefused
from projections import views
from tests.cli.program import event
from tests.conftest import fresh_database
from tests.http.calls import orders, send
from tests.http.test_reading import project

INJECTED = (
    "'",
    "''; DROP TABLE orders; --",
    "x' OR '1'='1",
    '" OR ""="',
    "1; SELECT pg_sleep(9)",
    "\\' OR 1=1 --",
    "$$ OR 1=1 $$",
    "%' OR 1=1 /*",
    "\u02bc OR 1=1",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "1e999",
    "-0",
    "9" * 29,
    "\x00",
    "%00",
    "\r\nX-Injected: 1",
)
"""Values that would be SQL, or something else that they are not."""


@contextmanager
def served(url: str, folder: Path) -> Iterator[TestClient]:
    """A service with views that are built; nothing here leaves anything that others would miss."""
    Engine.create(url, Company(zone="Europe/London")).close()
    keyring = ApiKeys(folder / "keys")
    with TestClient(create(url, keyring)) as client:
        client.headers["Authorization"] = f"Bearer {keyring.make('all', Role)}"
        send(client, orders(3))
        project(client)
        yield client


@pytest.fixture(scope="module")
def file_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """On SQLite, for what does not depend on the database."""
    folder = tmp_path_factory.mktemp("hostile")
    with served(f"sqlite:///{folder}/log.db", folder) as client:
        yield client


@pytest.fixture(scope="module")
def postgres_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """On PostgreSQL."""
    with fresh_database() as url, served(url, tmp_path_factory.mktemp("hostile")) as client:
        yield client


@pytest.fixture(params=["file_shop", "postgres_shop"])
def shop(request: pytest.FixtureRequest) -> TestClient:
    """On each database."""
    client: TestClient = request.getfixturevalue(request.param)
    return client


def asked(client: TestClient, path: str, parameters: dict[str, str]) -> Any:
    """Ask; what comes is an answer or a refusal with its reason, never a failure."""
    answer = client.get(path, params=parameters)
    assert answer.status_code in (200, 400, 404), (path, parameters, answer.text)
    assert "X-Injected" not in answer.headers
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json", (path, parameters)
    return answer


def test_sql_in_the_filters_order_or_cursor_of_a_view_is_a_value_or_refused(shop: TestClient) -> None:
    whole = shop.get("/views/orders").json()["rows"]
    asking = ("order", "after", "limit", "format", "as_of", "known_at")
    for place, value in enumerate(INJECTED):
        for name in ("subject.ne", "net_micros.ge", value):
            asked(shop, "/views/orders", {name: value})
        for name in asking[place % 3 :: 3]:
            assert shop.get("/views/orders", params={name: value}).status_code in (400, 406)
        assert asked(shop, f"/views/{quote(value, safe='')}", {}).status_code in (400, 404)
    assert shop.get("/views/orders").json()["rows"] == whole


def test_no_view_nor_question_takes_a_name_or_a_value_for_sql(shop: TestClient) -> None:
    engine: Engine = shop.app.state.service.engine  # type: ignore[attr-defined]
    asked_for = [(view.name, [column.name for column in view.columns()]) for view in views().values()]
    asked_for += [(each.name, list(each.columns)) for view in views().values() for each in view.questions]
    with closing(open_tables(engine.url, engine.company)) as tables:
        for place, (name, columns) in enumerate(asked_for):
            value, column = INJECTED[place % len(INJECTED)], columns[place % len(columns)]
            comparison = list(COMPARISONS)[place % len(COMPARISONS)]
            if place % 3 == 0:  # what is a value here is one everywhere; the names differ
                with suppress(QueryRefused):  # of what is no number
                    page(tables, name, [(f"{column}.{comparison}" if comparison else column, value)])
            for refused in (
                partial(page, filters=[(value, "1")]),
                partial(page, filters=[(f"{column}.{value}", "1")]),
                partial(page, order=value),
                partial(page, order=f"{column},{value}"),
                partial(page, after=value),
            ):
                with pytest.raises(QueryRefused):
                    refused(tables, name)


def test_a_text_that_would_be_sql_is_found_as_what_it_is(shop: TestClient) -> None:
    names = [value for value in INJECTED if value.isprintable() and value.strip() == value]
    for place, value in enumerate(names):
        sent = send(shop, event(id=f"h{place}", subject=f"h{place}", data={"order": value, "total": "1 EUR"}))
        assert sent.status_code in (200, 201, 422), (value, sent.text)
    project(shop)
    stored = {row["order_id"] for row in shop.get("/views/orders").json()["rows"]}
    for value in names:
        if value in stored:
            found = asked(shop, "/views/orders", {"order_id": value}).json()["rows"]
            assert [row["order_id"] for row in found] == [value]


PATHS = (
    "/subjects/a%00b/history",
    "/subjects/%2e%2e/history",
    "/subjects/..%2f..%2fetc%2fpasswd/history",
    "/subjects/c1%2Fhistory/history",
    "/subjects//history",
    "/subjects/c1/history%20",
    "/subjects/%ff%fe/history",
    "/subjects/%F0%9F%92%A9/history",
    "/subjects/a%0d%0aX-Injected:%201/history",
    "/views/%2e%2e%2fkinds",
    "/views/orders%00",
    "/kinds/..%2f..%2fviews",
    "/kinds/OrderPlaced%00",
    "/kinds/object",
    "/seal/1/1/tile/0/..%2f..%2f..%2fkey",
    "/seal/1/1/tile/0/%2e%2e/%2e%2e/key.pub",
    "/seal/../../keys",
    "/events/",
    "//events",
    "/EVENTS",
    "/receipts?subject=a%00&source=b&id=c",
    "/receipts?subject=a&source=%00&id=%00",
    "/quarantine?batch=%00",
    "/events?after=%00",
    "/events?wait=nan",
    "/events?wait=inf",
    "/events?limit=1e3",
    "/subjects/c1/history?as_of=%00",
    "/subjects/c1/history?known_at=9999-12-31T23:59:59Z",
    "/subjects/c1/history?as_of=0001-01-01",
    "/subjects/c1/history?as_of=" + "x" * 30_000,
    "/subjects/c1/history?as_of=9999-12-31",
    "/subjects/c1/export?recipient=%00",
    "/subjects/c1/export?recipient=" + "x" * 5_000,
    "/tenants/alpha/events",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_what_it_names_or_nothing(shop: TestClient, path: str) -> None:
    answer = shop.get(path, follow_redirects=False)
    assert answer.status_code in (200, 307, 400, 404, 405, 422), answer.text
    assert "X-Injected" not in answer.headers
    assert "PRIVATE" not in answer.text
    assert answer.status_code < 400 or len(answer.content) < 10_000


def binary(**changed: str | bytes) -> list[tuple[str, Any]]:
    """An order in binary mode, some of its attributes changed; what is changed may be bytes."""
    whole = {f"ce-{name}": value for name, value in event(id="bin").items() if name != "data"} | changed
    return [("Content-Type", "application/json"), *whole.items()]


def test_attributes_in_headers_carry_no_line_nor_byte_that_is_none(shop: TestClient) -> None:
    data = json.dumps(event()["data"])
    flawed = [
        {"ce-subject": "c1%0D%0AX-Injected: 1"},
        {"ce-subject": "%00"},
        {"ce-subject": b"\xff\xfe"},
        {"ce-id": "x" * 10_000},
        {"ce-time": "%"},
        {"ce-time": "%E2%80%AE2026-03-01T10:00:00Z"},
        {"ce-type": "OrderPlaced%00"},
        {"ce-type": "__class__"},
        {"ce-dataschema": "file:///etc/passwd"},
        {"ce-sequence": "9" * 30},
        {"ce-data": "{}"},
        {"ce-": "x"},
        {"ce-recordedby": "somebody"},
        {"ce-version": "7"},
    ]
    for changed in flawed:
        headers = binary(**changed)  # type: ignore[arg-type]
        answer = shop.post("/events", content=data, headers=headers)
        assert answer.status_code in (400, 422), (changed, answer.text)
        assert "X-Injected" not in answer.headers


def test_a_header_that_comes_twice_is_not_chosen_from(file_shop: TestClient) -> None:
    key = file_shop.headers["Authorization"]
    for pair in ([("Authorization", key), ("Authorization", "Bearer lc_0_0")], [("Authorization", key)] * 2):
        request = file_shop.build_request("GET", "/views")
        del request.headers["Authorization"]
        request.headers.raw.extend((name.encode(), value.encode()) for name, value in pair)
        assert file_shop.send(request).status_code == 401
    twice = [*binary(), ("ce-subject", "c2")]
    assert file_shop.post("/events", content=json.dumps(event()["data"]), headers=twice).status_code == 400
    assert file_shop.post(
        "/events", json=event(id="m"), headers=[("If-Match", '"0"'), ("If-Match", '"3"'), FORM]
    ).status_code in (400, 422)


FORM = ("Content-Type", "application/cloudevents+json")


def deep(opening: bytes, closing: bytes, levels: int) -> bytes:
    return opening * levels + b"1" + closing * levels


BOMBS: dict[str, bytes] = {
    "nested lists": deep(b"[", b"]", 200_000),
    "nested lists that do not end": b"[" * 900_000,
    "nested objects": deep(b'{"a":', b"}", 100_000),
    "a long number": b'{"n": ' + b"9" * 900_000 + b"}",
    "a long fraction": b'{"n": 0.' + b"3" * 900_000 + b"}",
    "many names": b"{" + b",".join(b'"k%d":0' % place for place in range(20_000)) + b"}",
    "one name often": b"{" + b",".join([b'"k":0'] * 100_000) + b"}",
    "escapes": b'{"a": "' + b"\\u0041" * 150_000 + b'"}',
    "half a character": b'{"a": "\\ud800"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "another encoding": '{"a": 1}'.encode("utf-16"),
    "packed": b"\x1f\x8b\x08" + b"\0" * 100_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_body_that_would_burst_is_refused_before_it_does(file_shop: TestClient, bomb: str) -> None:
    for form in ("cloudevents+json", "cloudevents-batch+json"):
        answer = file_shop.post("/events", content=BOMBS[bomb], headers={"Content-Type": f"application/{form}"})
        assert answer.status_code in (400, 422), answer.text
        assert len(answer.content) < 10_000
    wrong = event(data={f"k{place}": 0 for place in range(5_000)})
    assert len(send(file_shop, wrong).content) < 10_000
    assert file_shop.post("/subjects/c1/opened", content=BOMBS[bomb]).status_code == 400


def test_bodies_count_until_they_are_answered(file_shop: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    service, turn = file_shop.app.state.service, Semaphore(0)  # type: ignore[attr-defined]
    monkeypatch.setattr("adapters.http.service.LIMITS", replace(LIMITS, http_bodies_max_bytes=1_000_000))
    monkeypatch.setattr(service, "aside", turn)
    large: list[dict[str, str]] = [{}] * 100_000
    with ThreadPoolExecutor(8) as pool:
        asked = as_completed([pool.submit(send, file_shop, large) for _ in range(8)], timeout=60)
        assert [next(asked).result().status_code for _ in range(5)] == [429] * 5
        file_shop.portal.call(turn.release)  # type: ignore[union-attr]
        assert [each.result().status_code for each in asked] == [413] * 3, "each gives the turn on"
    assert send(file_shop, large).status_code == 413


def test_no_text_takes_longer_to_be_refused_than_to_be_read(file_shop: TestClient) -> None:
    # Each but for its length looks like an address, to be tried at every full stop and from there to its end.
    for long in ("a@" + "." * 900_000 + " x", "+" + "1 " * 400_000, "(" + "1" * 900_000):
        for name in ("id", "subject", "source", "type"):
            assert send(file_shop, event(**{name: long})).status_code == 422, name


def test_what_anybody_may_ask_for_is_not_made_anew_each_time(file_shop: TestClient) -> None:
    told = {path: file_shop.get(path).content for path in ("/kinds", "/openapi.json")}
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("pydantic.json_schema.GenerateJsonSchema.generate")
        for path, content in told.items():
            assert file_shop.get(path).content == content


def test_packed_bodies_are_not_unpacked(file_shop: TestClient) -> None:
    for coding in ("gzip", "deflate", "br", "gzip, gzip", "identity, gzip"):
        headers = {"Content-Type": "application/cloudevents+json", "Content-Encoding": coding}
        answer = file_shop.post("/events", content=json.dumps(event(id="packed")), headers=headers)
        assert answer.status_code == 415, coding
        assert file_shop.post("/subjects/c1/opened", json={"purpose": "x"}, headers=headers).status_code == 415


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.text(max_size=60) | st.text("lc_0123456789abcdef.-=", max_size=90) | st.binary(max_size=40).map(str))
def test_no_text_opens_anything(file_shop: TestClient, sent: str) -> None:
    value = f"Bearer {sent}".encode("utf-8", "surrogatepass")
    assert file_shop.get("/views", headers=[(b"Authorization", value)]).status_code == 401


def test_tokens_that_are_deep_or_large_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    import base64

    from adapters.http.tokens import Tokens, identity
    from tests.http.test_tokens import PROVIDER, RSA, key_set, token

    folder = tmp_path_factory.mktemp("provider")
    (folder / "jwks.json").write_bytes(key_set(k1=RSA))
    (folder / "oidc.toml").write_text('tenant_claim = "org"\n' + PROVIDER)
    tokens = Tokens(identity(folder / "oidc.toml")).of_tenant("alpha")
    parts = token(org="alpha").split(".")
    assert tokens.principal(".".join(parts)) is not None
    deep_ = base64.urlsafe_b64encode(b"[" * 8_000).decode().rstrip("=")
    for place in range(3):
        flawed = ".".join([*parts[:place], deep_, *parts[place + 1 :]])
        assert tokens.principal(flawed) is None
        assert tokens.tenant_named(flawed) in (None, "alpha")


def test_a_secret_is_compared_by_its_digest_in_the_same_time_whoever_sends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring, compared = ApiKeys(tmp_path / "keys"), list[tuple[int, int]]()
    key = ring.make("shop", [Role.APPENDER])

    def compare(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr("adapters.apikeys.hmac", SimpleNamespace(compare_digest=compare))
    sent = [key, key[:-1], "lc_0_0", "", "x", key + "x" * 10_000]
    assert [ring.principal(each) is not None for each in sent] == [True, False, False, False, False, False]
    # Once for each, known or not, and of digests: how much of a secret is right shows in nothing.
    assert compared == [(64, 64)] * len(sent)
