"""Figures for Prometheus: each touchpoint is counted by what became of it, and no label names a customer."""

import re
from contextlib import closing
from typing import Any

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from adapters.apikeys import ApiKeys, Role
from adapters.audit.seal import seal_path
from adapters.audit.sealer import sealer
from adapters.clock import clock_us
from adapters.engine import Engine
from adapters.examiner import Examiner
from adapters.health import Trouble
from adapters.outgoing.subscriptions import Subscriptions
from adapters.outgoing.wanted import Wanted
from tests.cli.program import ROOT, event
from tests.http.calls import orders, send
from tests.http.test_reading import project

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(client: TestClient) -> Figures:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def figure(found: Figures, name: str, **labels: str) -> float:
    return found[f"lifecircle_{name}", frozenset(labels.items())]


def test_touchpoints_are_counted_by_what_became_of_them(file_client: TestClient) -> None:
    before = figures(file_client)
    assert figure(before, "touchpoints_total", outcome="new") == 0
    send(file_client, orders(3, "anna-karenina"))
    send(file_client, orders(3, "anna-karenina"))
    send(file_client, event(subject="bert"), **{"If-Match": '"7"'})
    send(file_client, [event(id="x", subject="bert", data={}), event(id="y", subject="cleo")])
    service: Any = file_client.app.state.service  # type: ignore[attr-defined]
    service.examiner = Examiner(service.engine)  # which has not looked yet
    found = figures(file_client)
    assert {outcome: figure(found, "touchpoints_total", outcome=outcome) for outcome in ("new", "repeat")} == {
        "new": 4,
        "repeat": 3,
    }
    assert figure(found, "touchpoints_total", outcome="conflict") == 1
    assert figure(found, "touchpoints_total", outcome="refused") == 1
    assert figure(found, "append_seconds_count") == 4
    assert figure(found, "round_touchpoints_sum") == 8, "of three, three, one and one"
    assert figure(found, "http_request_seconds_count", method="POST", route="/events", status="409") == 1
    assert figure(found, "log_touchpoints") == 4
    assert figure(found, "ready") == 1


def test_lags_are_told_and_nobody_is_named(client: TestClient) -> None:
    service: Any = client.app.state.service  # type: ignore[attr-defined]
    send(client, orders(2, "anna-karenina"))
    project(client)
    client.get("/subjects/anna-karenina/history", params={"as_of": "anna-karenina"})
    client.request("ANNA", "/anna-karenina")
    send(client, orders(3, "bert"))
    service.examiner = Examiner(service.engine, (), lambda: clock_us() + 60_000_000)
    found = figures(client)
    assert figure(found, "view_lag_touchpoints", view="orders") == 3
    assert 60 <= figure(found, "view_lag_seconds", view="orders") < 90
    assert figure(found, "trouble", trouble="projector-away") == 1
    assert figure(found, "http_request_seconds_count", method="other", route="none", status="404") == 1
    if service.engine.url.startswith("postgres"):
        assert figure(found, "database_connections", state="idle") >= 1
    assert "anna" not in client.get("/metrics").text.lower()


def test_every_figure_that_the_page_names_is_told(file_client: TestClient) -> None:
    service: Any = file_client.app.state.service  # type: ignore[attr-defined]
    project(file_client)
    with closing(Subscriptions(service.engine.url)) as subscriptions:
        subscriptions.add(Wanted(name="hook", to="https://example.org/hook"), service.engine.log.heads())
    with sealer(service.engine.log, service.engine.url, seal_path(service.engine.url, None)) as sealing:
        sealing.seal()
    file_client.get("/livez")
    told = {name for name, _ in figures(file_client)}
    page = (ROOT / "docs" / "how-to" / "watch.md").read_text("utf-8")
    named = set(re.findall(r"lifecircle_\w+", page))
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in told}
    assert len(named) > 20
    assert named - told - families == {"lifecircle_database_connections", "lifecircle_database_waiting"}, "of a server"
    alerts = re.search(r"```yaml lifecircle.rules.yml\n(.*?)```", page, re.DOTALL)
    assert alerts
    troubles = set(re.findall(r"[\w.*-]+", "".join(re.findall(r'trouble=~"(.*?)"', alerts[1]))))
    assert troubles
    assert all(any(re.fullmatch(trouble, each) for each in Trouble) for trouble in troubles)


def test_figures_are_for_who_watches_and_a_watcher_sees_nothing_else(file_client: TestClient, keyring: ApiKeys) -> None:
    file_client.headers["Authorization"] = f"Bearer {keyring.make('prometheus', [Role.MONITOR])}"
    assert file_client.get("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert file_client.get("/status").json()["ready"] is True
    assert {file_client.get(path).status_code for path in ("/events", "/views", "/quarantine")} == {403}
    file_client.headers["Authorization"] = f"Bearer {keyring.make('asker', [Role.ANALYST])}"
    assert file_client.get("/metrics").status_code == 403
    del file_client.headers["Authorization"]
    assert file_client.get("/metrics").status_code == 401


def test_what_keeps_nothing_from_being_appended_is_told_by_a_service_that_is_ready(file_client: TestClient) -> None:
    service: Any = file_client.app.state.service  # type: ignore[attr-defined]
    engine: Engine = service.engine
    project(file_client)
    send(file_client, event())
    service.examiner = Examiner(engine, (), lambda: clock_us() + 60_000_000)
    told = file_client.get("/readyz")
    assert (told.status_code, told.json()["status"]) == (200, "ready")
    (cause,) = told.json()["causes"]
    assert (cause["trouble"], cause["about"], cause["touchpoints"]) == ("projector-away", "all views", 1)
    assert (cause["blocks"], cause["way_out"]) == (False, "start one: lifecircle run")
