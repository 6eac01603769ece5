"""Log lines: JSON, named by their request and what that belongs to, and with nothing in them that anybody sent."""

import io
import json
import logging
import os
import re
import signal
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
import structlog
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.apikeys import ApiKeys
from adapters.http.app import create
from adapters.http.noting import ids_of
from adapters.loglines import PIECE_MAX_BYTES, as_json, thread_failed
from adapters.loglines import lines as told_together
from tests.cli.program import Shell, event
from tests.http.serving import caller, free_port, serving

CANARY = "anna-karenina"
REQUEST, TOGETHER = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """What this process logs from now on."""
    as_json()

    def told() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield told
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each).__module__ == "adapters.loglines"]:
        root.removeHandler(handler)


def answered(client: TestClient, **headers: str) -> tuple[str, str]:
    answer = client.get("/livez", headers=headers)
    return answer.headers["X-Request-Id"], answer.headers["X-Correlation-Id"]


def test_every_line_of_a_request_has_its_ids_and_so_has_the_answer(file_client: TestClient, lines: Any) -> None:
    ids = {"X-Request-Id": REQUEST, "X-Correlation-Id": TOGETHER}
    assert answered(file_client, **ids) == (REQUEST, TOGETHER)
    (line,) = lines()
    assert (line["request_id"], line["correlation_id"], line["route"]) == (REQUEST, TOGETHER, "/livez")
    made, together = answered(file_client)
    assert made == together == UUID(made).hex
    assert answered(file_client, **{"X-Request-Id": REQUEST}) == (REQUEST, REQUEST)
    assert answered(file_client, traceparent=f"00-{TRACE}-b7ad6b7169203331-01")[1] == TRACE


def test_the_operator_is_told_where_what_is_amiss_lies_and_the_caller_is_not(
    file_client: TestClient, keyring: ApiKeys, lines: Any
) -> None:
    keyring.path.chmod(0o644)
    answer = file_client.get("/views")
    assert (answer.status_code, answer.json()["title"]) == (503, "ApiKeysUnusable")
    assert str(keyring.path.parent) not in answer.text
    assert answer.json()["way_out"].startswith("send the same again")
    assert [line["where"] for line in lines() if line["event"] == "cannot serve"] == [str(keyring.path)]


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40), st.sampled_from(["", "-", CANARY]))
def test_an_id_that_may_name_somebody_is_replaced(sent: str, more: str) -> None:
    given_id = sent + more
    found = ids_of(dict.fromkeys((b"x-request-id", b"x-correlation-id", b"traceparent"), given_id.encode()))
    assert all(re.fullmatch("[0-9A-Za-z-]{26,36}", each) for each in found)
    assert given_id not in found or len(re.sub("[^0-9A-Fa-f]", "", given_id)) >= 16
    assert CANARY not in "".join(found)


def test_lines_that_are_written_together_stay_whole_where_several_processes_write_into_one_pipe(
    lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", Pieces(written))
        told_together("request", [{"number": number, "more": "x" * (number % 400)} for number in range(1_000)])
        told_together("request", [{"number": 1_000, "more": "x" * 5_000}])
    assert len(written) < 200
    assert all(len(piece) <= PIECE_MAX_BYTES for piece in written[:-1])
    assert all(piece.endswith("\n") for piece in written)
    assert [json.loads(line)["number"] for piece in written for line in piece.splitlines()] == list(range(1_001))
    assert lines() == []


class Pieces(io.StringIO):
    """Keeps what is written in one piece apart."""

    def __init__(self, written: list[str]) -> None:
        super().__init__()
        self.write = written.append  # type: ignore[assignment,method-assign]


def test_a_failure_nobody_foresaw_is_told_by_its_type_and_place(sqlite_url: str, keyring: ApiKeys, lines: Any) -> None:
    from adapters.engine import Engine

    Engine.create(sqlite_url).close()
    app = create(sqlite_url, keyring)

    def fails() -> None:
        raise ValueError(CANARY)

    app.add_api_route("/fails", fails)
    with TestClient(app) as client:
        answer = client.get("/fails", headers={"X-Request-Id": REQUEST})
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (500, REQUEST)
    assert answer.json()["title"] == "RequestRefused"
    failed, request = lines()
    assert (failed["event"], failed["error"], failed["request_id"]) == ("request failed", "ValueError", REQUEST)
    assert f"{__file__}:" in failed["at"][0]
    assert (request["event"], request["status"], request["route"]) == ("request", 500, "/fails")
    assert CANARY not in json.dumps([failed, request, answer.json()])


def test_what_libraries_and_threads_tell_of_an_error_is_told_without_its_words(lines: Any) -> None:
    try:
        os.environ[CANARY]
    except KeyError as error:
        logging.getLogger("library").exception("it failed")
        structlog.get_logger().exception("ours failed")
        thread_failed(threading.ExceptHookArgs((KeyError, error, error.__traceback__, None)))
    told = lines()
    assert [(line["event"], line["error"]) for line in told] == [
        ("it failed", "KeyError"),
        ("ours failed", "KeyError"),
        ("a thread failed", "KeyError"),
    ]
    assert told[0]["logger"] == "library"
    assert CANARY not in json.dumps(told)


def hostile(client: httpx2.Client) -> None:
    """Put a name wherever a request can hold something."""
    name = {"X-Request-Id": CANARY, "X-Correlation-Id": CANARY, "User-Agent": CANARY, "Referer": CANARY}
    name |= {"traceparent": CANARY, "tracestate": f"a={CANARY}", "baggage": f"a={CANARY}", "Cookie": CANARY}
    form = "application/cloudevents+json"
    whole = event(subject=CANARY, actor=CANARY, channel=CANARY, custom={CANARY: CANARY})
    flawed = event(subject=CANARY, type=CANARY, data={CANARY: CANARY})
    bodies = [whole, whole | {"data": {"order": CANARY}}, flawed, [whole, flawed], {CANARY: CANARY}]
    for body in [*map(json.dumps, bodies), f'{{"{CANARY}": {CANARY}', CANARY]:
        for content_type in (form, form.replace("+", "-batch+"), CANARY):
            more = {"Content-Type": content_type, "If-Match": CANARY, "Prefer": CANARY}
            client.post("/events", content=body, headers=name | more, params={"expected": CANARY, CANARY: CANARY})
        client.post("/events", content=body, headers=name | {"Content-Type": form})
    for path in ("subjects/{}/history", "subjects/{}/evidence", "views/{}", "kinds/{}", "views/orders", "{}", "events"):
        for method in ("GET", "POST", CANARY.upper()):
            client.request(method, f"/{path.format(CANARY)}", headers=name, params={"as_of": CANARY, "subject": CANARY})
    client.get("/events", headers=name | {"Authorization": f"Bearer {CANARY}", "Last-Event-ID": CANARY})
    client.get("/receipts", params={"subject": CANARY, "source": CANARY, "id": CANARY}, headers=name)
    client.post(f"/subjects/{CANARY}/erasure", json={"basis": CANARY}, headers=name | {"Approval": CANARY})


def test_nothing_that_is_sent_is_ever_logged(file_shop: Shell) -> None:
    port = free_port()
    roles = [word for role in ("appender", "auditor", "analyst", "operator") for word in ("--role", role)]
    key = file_shop("apikey", "make", "tests", *roles).out.strip()
    assert file_shop("run", "--once").code == 0
    with serving(file_shop, port) as service, caller(port, key) as client:
        hostile(client)
        service.send_signal(signal.SIGTERM)
        service.wait(30)
        text = service.told
    lines = [json.loads(line) for line in text.splitlines()]
    asked = [line for line in lines if line["event"] == "request"]
    assert len(asked) > 40
    assert {line["request_id"] for line in asked} != {""}
    assert {200, 201, 400, 401, 404, 405, 415, 422} <= {line["status"] for line in asked}
    assert "/subjects/{subject:path}/history" in {line["route"] for line in asked}
    assert CANARY not in text.lower()
    assert key not in text


def test_whoever_lets_lines_go_another_way_gets_all_of_them_there(
    file_client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.reset_defaults()  # commands that ran in this process let them go our way
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        answered(file_client)
    finally:
        structlog.reset_defaults()
    assert capsys.readouterr() == ("", "")
