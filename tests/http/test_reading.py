"""Reading over HTTP: histories as of any moment, and views page by page."""

import base64
import csv
import json
import sys
from contextlib import closing
from typing import Any
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.engine import Engine
from adapters.export.delimited import as_it_was
from adapters.views.projector import Projector
from adapters.views.tables import open_tables
from projections import view_named
from tests.cli.program import event
from tests.http.calls import orders, send


def project(client: TestClient) -> None:
    engine: Engine = client.app.state.service.engine  # type: ignore[attr-defined]
    with closing(open_tables(engine.url, engine.company)) as tables:
        Projector(engine.log, tables, engine.company).run_once()


def test_a_history_is_told_as_of_what_had_happened_and_of_what_was_known(client: TestClient) -> None:
    send(client, orders(3))
    cursor = client.get("/events").json()["cursor"]
    send(client, event(id="late", time="2026-02-01T10:00:00Z", data={"order": "o9", "total": "1 EUR"}))

    def told(**moment: str) -> list[str]:
        found = client.get("/subjects/c1/history", params=moment).json()["touchpoints"]
        return [each["id"] for each in found]

    assert told() == ["late", "c1-0", "c1-1", "c1-2"]
    assert told(as_of="2026-03-01") == ["late", "c1-0"]
    assert told(known_at=cursor) == ["c1-0", "c1-1", "c1-2"]
    assert told(known_at=cursor, as_of="2026-03-02T11:00:00Z") == ["c1-0", "c1-1"]
    assert client.get("/subjects/nobody/history").status_code == 404
    assert client.get("/subjects/c1/history", params={"as_of": "soon"}).status_code == 400
    assert client.get("/subjects/c1/history", params={"known_at": "AAAA"}).status_code == 400


@pytest.fixture
def shop(client: TestClient) -> TestClient:
    for subject in ("c1", "c2", "d1"):
        send(client, orders(9, subject))
    project(client)
    return client


def test_pages_of_any_size_and_order_together_are_the_whole_view(shop: TestClient) -> None:
    for number, channel in enumerate(("web", "phone", "", "web")):
        sent = event(id=f"e{number}", subject="e1", data={"order": f"e1-o{number}", "total": "3 EUR"})
        send(shop, sent | {"channel": channel} if channel else sent)
    project(shop)
    whole = shop.get("/views/orders", params={"limit": 100}).json()["rows"]
    assert len(whole) == 31

    @settings(max_examples=14, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        limit=st.integers(1, 40),
        order=st.sampled_from(["", "order_id", "-status,subject", "-net_micros", "channel", "-channel,net_micros"]),
    )
    def law(limit: int, order: str) -> None:
        rows, after = list[dict[str, Any]](), None
        while True:
            asked = {"limit": str(limit), "order": order} | ({"after": after} if after else {})
            page = shop.get("/views/orders", params=asked).json()
            assert len(page["rows"]) <= limit
            rows += page["rows"]
            if (after := page["next"]) is None:
                break
        falling = order.startswith("-")
        names = [*filter(None, order.removeprefix("-").split(",")), "subject", "order_id"]
        # What is null comes last, whichever way the others go.
        keys = [[((row[name] is None) != falling, row[name] or 0) for name in names] for row in rows]
        assert keys == sorted(keys, reverse=falling)
        assert sorted(rows, key=lambda row: row["order_id"]) == sorted(whole, key=lambda row: row["order_id"])

    law()


def test_the_link_to_the_next_page_asks_the_same_again(shop: TestClient) -> None:
    for form in ("json", "ndjson", "csv", "arrow"):
        asked = {"subject.ne": "c2", "order": "-order_id", "limit": "7", "format": form}
        answer = shop.get("/views/orders", params=asked)
        pages = [answer.content]
        while "next" in answer.links:
            answer = shop.get(urljoin(str(answer.url), answer.links["next"]["url"]))
            pages.append(answer.content)
        rows = [row for content in pages for row in read_as(form, content)]
        assert [row["order_id"] for row in rows] == [f"{who}-o{n:03}" for who in ("d1", "c1") for n in range(8, -1, -1)]


def read_as(form: str, content: bytes) -> list[dict[str, Any]]:
    """The rows of a page in one of the forms."""
    if form == "arrow":
        import pyarrow as pa

        found: list[dict[str, Any]] = pa.ipc.open_stream(content).read_all().to_pylist()
        return found
    if form == "csv":
        return list(csv.DictReader(content.decode().splitlines()))
    return list(json.loads(content)["rows"]) if form == "json" else list(map(json.loads, content.splitlines()))


def test_all_rows_of_a_question_are_to_be_had_page_after_page_in_its_own_order(shop: TestClient) -> None:
    send(shop, orders(2, "c3"))
    project(shop)
    whole = shop.get("/views/profit_by_customer").json()["rows"]
    assert len(whole) == 4
    rows, asked = list[dict[str, Any]](), {"limit": "1", "currency": "EUR"}
    while True:
        page = shop.get("/views/profit_by_customer", params=asked).json()
        rows += page["rows"]
        if page["next"] is None:
            break
        asked["after"] = page["next"]
    assert rows == whole
    for wrong in (b"-1", b"1.5", b'"x"', b"1,2", b"true", b"9223372036854775808"):
        after = base64.urlsafe_b64encode(b"[%b]" % wrong).decode()
        assert shop.get("/views/profit_by_customer", params={"after": after}).status_code == 400, wrong


def test_filters_hold_values_that_would_be_sql(shop: TestClient) -> None:
    def found(**filters: str) -> int:
        return len(shop.get("/views/orders", params=filters).json()["rows"])

    assert found(subject="c1") == 9
    assert found(**{"net_micros.ge": "5000000", "net_micros.lt": "8000000", "subject": "c2"}) == 3
    assert found(subject="c1' OR '1'='1") == 0
    assert found(order_id="c1-o001\\' --") == 0
    answer = shop.get("/views/orders", params={"currency": "EUR", 'x" OR 1=1 --': "1"})
    assert (answer.status_code, answer.json()["title"]) == (400, "QueryRefused")


@pytest.mark.parametrize(
    ("name", "asked", "status"),
    [
        ("nowhere", {}, 404),
        ("orders; drop table orders", {}, 404),
        ("orders", {"net_micros": "1; drop"}, 400),
        ("orders", {"net_micros": "9" * 25}, 400),
        ("orders", {"subject.like": "c%"}, 400),
        ("orders", {"order": "nothing"}, 400),
        ("orders", {"order": "1; drop"}, 400),
        ("orders", {"after": "AAAA"}, 400),
        ("orders", {"after": "WzFd"}, 400),
        ("orders", {"limit": "0"}, 400),
        ("orders", {"limit": "1000000"}, 400),
        ("orders", {"format": "xml"}, 406),
        ("orders", {"as_of": "2026-03-02"}, 400),
        ("funnel", {"order": "stage"}, 400),
    ],
)
def test_what_cannot_be_asked_is_a_clear_error(
    file_client: TestClient, name: str, asked: dict[str, str], status: int
) -> None:
    project(file_client)
    refused = file_client.get(f"/views/{name}", params=asked)
    assert (refused.status_code, refused.headers["Content-Type"]) == (status, "application/problem+json")
    assert refused.json()["detail"]


def test_rows_come_in_three_forms_and_as_of_a_moment_of_one_subject(shop: TestClient) -> None:
    rows = shop.get("/views/orders", params={"subject": "c1"}).json()["rows"]
    lines = shop.get("/views/orders", params={"subject": "c1", "format": "ndjson"})
    assert [json.loads(line) for line in lines.text.splitlines()] == rows
    table = list(csv.DictReader(shop.get("/views/orders", params={"subject": "c1", "format": "csv"}).text.splitlines()))
    assert [row["order_id"] for row in table] == [row["order_id"] for row in rows]
    then = shop.get("/views/orders", params={"subject": "c1", "as_of": "2026-03-02"}).json()["rows"]
    assert then == rows[:2]
    assert shop.get("/views/repeat_purchases").json()["rows"][0]["customers"] == 3


def test_a_spreadsheet_runs_nothing_that_a_producer_sent(file_client: TestClient) -> None:
    run = '=HYPERLINK("https://evil.example")'
    send(file_client, event(id="f", data={"order": run, "total": "-5 EUR"}))
    project(file_client)
    (row,) = csv.DictReader(file_client.get("/views/orders", params={"format": "csv"}).text.splitlines())
    assert (row["order_id"], row["net_micros"]) == (f"'{run}", "-5000000")
    assert as_it_was(row["order_id"]) == file_client.get("/views/orders").json()["rows"][0]["order_id"] == run


def test_the_catalogue_and_the_schemas_of_kinds_are_told(client: TestClient) -> None:
    names = {view["name"] for view in client.get("/views").json()["views"]}
    assert {"contacts", "orders", "loyalty"} <= names
    listed = {each["kind"]: each for each in client.get("/kinds").json()["kinds"]}
    schema = client.get(listed["OrderPlaced"]["schema"]).json()
    assert schema["properties"]["type"]["const"] == "OrderPlaced"
    assert client.get("/kinds/NoSuch").status_code == 422


def test_rows_come_as_arrow(shop: TestClient) -> None:
    import pyarrow as pa

    answer = shop.get("/views/orders", params={"format": "arrow", "limit": 5})
    assert answer.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
    rows = shop.get("/views/orders", params={"limit": 5}).json()["rows"]
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.to_pylist() == rows
    declared = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    wanted = {column.name: declared[column.type] for column in view_named("orders").columns()}
    # Also where a column, or the page, holds nothing to tell them by.
    nothing = shop.get("/views/orders", params={"format": "arrow", "subject": "nobody"})
    for found in (table, pa.ipc.open_stream(nothing.content).read_all()):
        assert dict(zip(found.schema.names, found.schema.types, strict=True)) == wanted


def test_rows_as_arrow_are_refused_where_what_makes_them_is_not_installed(
    shop: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as the import system says that there is none
    answer = shop.get("/views/orders", params={"format": "arrow"})
    assert (answer.status_code, answer.json()["title"]) == (501, "ExtraMissing")
    assert shop.get("/views/orders", params={"format": "ndjson"}).status_code == 200
