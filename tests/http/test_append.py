"""Appending over HTTP, in the three modes of the CloudEvents binding."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapters.apikeys import ApiKeys
from adapters.engine import Engine
from adapters.http.app import create
from adapters.settings import LIMITS
from tests.cli.program import event
from tests.http.calls import orders, send
from tests.http.conftest import served


def test_a_touchpoint_is_recorded_once_however_often_and_in_whichever_mode_it_is_sent(client: TestClient) -> None:
    first = send(client)
    assert first.status_code == 201
    assert first.headers["ETag"] == '"1"'
    whole = event()
    attributes = {f"ce-{name}": value for name, value in whole.items() if name != "data"}
    again = [
        send(client),
        send(client, [whole]),
        client.post("/events", json=whole["data"], headers={"Content-Type": "application/json"} | attributes),
    ]
    assert [each.status_code for each in again] == [200, 200, 200]
    receipt = first.json() | {"repeat": True}
    assert [again[0].json(), again[1].json()["results"][0]["receipt"], again[2].json()] == [receipt] * 3
    assert client.get("/receipts", params={"subject": "c1", "source": "shop", "id": "e1"}).json() == receipt
    (told,) = client.get("/events").json()["touchpoints"]
    assert told["recordedby"] == "key:all"


def test_a_clock_that_was_set_back_refuses_no_repeat(sqlite_url: str, keyring: ApiKeys) -> None:
    ahead = event(time=(datetime.now(UTC) + timedelta(seconds=200)).isoformat())  # within what is allowed
    with served(sqlite_url, keyring) as client:
        receipt = send(client, ahead).json()
    with Engine.open(sqlite_url) as engine:
        engine.change_settings({"future_limit_s": 0})  # from now on it is too far ahead, as if the clock were behind
    with TestClient(create(sqlite_url, keyring), headers=dict(client.headers)) as client:
        again = send(client, ahead)
        assert (again.status_code, again.json()) == (200, receipt | {"repeat": True})
        assert send(client, ahead | {"data": {"order": "o2", "total": "1 EUR"}}).status_code == 409
        assert send(client, ahead | {"id": "e2"}).status_code == 422
        assert send(client, [ahead, ahead | {"id": "e2"}]).status_code == 422


def test_attributes_in_headers_are_percent_decoded_and_numbers_are_numbers(client: TestClient) -> None:
    headers = {f"ce-{name}": value for name, value in event(channel="Caf%C3%A9 %22No. 1%22").items() if name != "data"}
    headers |= {"ce-sequence": "-7", "Content-Type": "application/json; charset=utf-8"}
    assert client.post("/events", json=event()["data"], headers=headers).status_code == 201
    (told,) = client.get("/events").json()["touchpoints"]
    assert (told["channel"], told["sequence"]) == ('Café "No. 1"', -7)


def test_an_id_used_again_with_other_content_tells_where_the_first_stands(client: TestClient) -> None:
    receipt = send(client).json()
    refused = send(client, event(data={"order": "o2", "total": "1 EUR"}))
    assert refused.status_code == 409
    assert refused.headers["Content-Type"] == "application/problem+json"
    problem = refused.json()
    assert problem["type"] == "urn:lifecircle:error:IdReused"
    assert problem["stored"] == {name: receipt[name] for name in ("version", "position", "sha256")}
    assert problem["way_out"]
    assert "o2" not in refused.text


def test_an_expected_version_is_that_of_the_subject_or_of_one_of_its_processes(client: TestClient) -> None:
    assert send(client, **{"If-Match": '"0"'}).status_code == 201
    stale = send(client, event(id="e2"), **{"If-Match": '"0"'})
    assert (stale.status_code, stale.json()["current"]) == (409, 1)
    confirmed = event(id="e3", type="OrderConfirmed", time="2026-03-02T10:00:00Z", data={"order": "o1"})
    assert send(client, confirmed, "/events?expected=order/o1=7").status_code == 409
    assert send(client, confirmed, "/events?expected=order/o1=1").status_code == 201
    assert send(client, event(id="e4"), **{"If-Match": "*"}).status_code == 400
    assert send(client, [event(id="e5"), event(subject="c2")], **{"If-Match": '"2"'}).status_code == 422


def test_whoever_waits_learns_of_breaches_and_whoever_is_strict_is_refused(client: TestClient) -> None:
    cancelled = event(type="OrderCancelled", data={"order": "o7"})
    waited = send(client, cancelled, Prefer="respond-async, wait=5")
    assert waited.status_code == 201
    assert waited.headers["Preference-Applied"] == "wait"
    assert [each["rule"] for each in waited.json()["breaches"]] == ["order/never placed"]
    refused = send(client, event(id="e2", type="OrderCancelled", data={"order": "o8"}), "/events?strict=true")
    assert (refused.status_code, refused.json()["title"]) == (422, "RuleBroken")


def test_of_a_batch_each_subject_stands_or_falls_by_itself(client: TestClient) -> None:
    sent = [
        event(id="1", subject="a"),
        event(id="2", subject="b"),
        event(id="3", subject="a", data={"order": 7, "surprise": "x"}),
        event(id="4", subject="b"),
    ]
    answer = send(client, sent, Prefer="wait")
    assert answer.status_code == 207
    assert [each["status"] for each in answer.json()["results"]] == [424, 201, 422, 201]
    assert "surprise" in answer.json()["results"][2]["problem"]["where"]
    stored = client.get("/events").json()["touchpoints"]
    assert [(each["subject"], each["id"]) for each in stored] == [("b", "2"), ("b", "4")]
    lost = send(client, [sent[2], sent[0]])
    assert (lost.status_code, lost.json()["title"]) == (422, "InvalidTouchpoint")
    assert [each["status"] for each in lost.json()["results"]] == [422, 424]


def test_a_receipt_proves_the_bytes_that_are_stored(client: TestClient) -> None:
    receipts = [each["receipt"] for each in send(client, orders(5)).json()["results"]]
    assert [each["version"] for each in receipts] == [1, 2, 3, 4, 5]
    engine = client.app.state.service.engine  # type: ignore[attr-defined]
    assert [each["sha256"] for each in receipts] == [
        sha256(stored.state).hexdigest() for stored in engine.log.stream("c1")
    ]


@pytest.mark.parametrize(
    ("body", "form", "status"),
    [
        (b"{", "application/cloudevents+json", 400),
        (b'{"id": 1, "id": 2}', "application/cloudevents+json", 400),
        (b"[]", "application/cloudevents+json", 400),
        (b"[]", "application/cloudevents-batch+json", 400),
        (b"[1]", "application/cloudevents-batch+json", 400),
        (b'{"a": ' * 90 + b"1" + b"}" * 90, "application/cloudevents+json", 400),
        (b'{"n": 18446744073709551616}', "application/cloudevents+json", 400),
        (b'{"n": NaN}', "application/cloudevents+json", 400),
        (json.dumps(event(type="NoSuchKind")).encode(), "application/cloudevents+json", 422),
        (json.dumps(event(time="2026-03-01T10:00:00")).encode(), "application/cloudevents+json", 422),
        (json.dumps(event(time="2999-03-01T10:00:00Z")).encode(), "application/cloudevents+json", 422),
        (json.dumps(event(subject="anna@example.org")).encode(), "application/cloudevents+json", 422),
        (json.dumps(event(subject=["c1"])).encode(), "application/cloudevents+json", 422),
        (json.dumps(event(subject={"c": 1})).encode(), "application/cloudevents+json", 422),
        (b"{}", "application/cloudevents+json", 422),
        (b"{}", "application/json", 415),
        (b"{}", "text/plain", 415),
        (b"", "", 415),
        (b" " * (LIMITS.touchpoint_size_max_bytes + 1), "application/cloudevents+json", 413),
        (b" " * (LIMITS.http_body_max_bytes + 1), "application/cloudevents+json", 413),
        (json.dumps([event()] * (LIMITS.http_batch_max + 1)).encode(), "application/cloudevents-batch+json", 413),
    ],
)
def test_bad_input_is_refused_with_its_rule_and_nothing_is_stored(
    file_client: TestClient, body: bytes, form: str, status: int
) -> None:
    refused = file_client.post("/events", content=body, headers={"Content-Type": form} if form else {})
    assert refused.status_code == status
    problem: dict[str, Any] = refused.json()
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["detail"]
    assert "anna@example.org" not in refused.text
    assert file_client.get("/events").json()["touchpoints"] == []


def test_under_pressure_callers_are_asked_to_come_again(client: TestClient) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    service._appends = LIMITS.http_appends_max  # noqa: SLF001 - a thousand slow callers would take a minute
    refused = send(client)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    service._appends = 0  # noqa: SLF001
    assert send(client).status_code == 201


def test_what_is_wrong_in_thousands_of_places_is_refused_without_naming_them(file_client: TestClient) -> None:
    refused = send(file_client, event(data={f"field{number}": number for number in range(3_000)}))
    assert refused.status_code == 422
    assert "wrong in 3002 places" in refused.json()["rule"]
    assert len(refused.content) < 1_000
