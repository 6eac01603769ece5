"""What is answered on the connection itself is answered, noted and counted as what goes by way of the application.

The same bytes go over sockets to two services over logs of their own, one of which lets the application answer all.
"""

import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import httpx2
import pytest
import structlog

from adapters.apikeys import ApiKeys, Role
from adapters.codec import fact_of
from adapters.engine import Engine
from adapters.loglines import as_json
from adapters.settings import LIMITS
from tests.cli.program import event
from tests.http.ways import REQUEST, TOGETHER, WITHIN_S, Way, both, post, requests

REFUSALS = ("AccessDenied", "TouchpointRefused")


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Way, Way]]:
    with both(tmp_path_factory.mktemp("ways")) as ways:
        yield ways


class Noted(NamedTuple):
    """What one service noted of the same requests: answers, lines without times, figures; and what passed it by."""

    answers: dict[str, bytes]
    lines: list[dict[str, Any]]
    figures: list[str]
    direct: dict[str, bool]


def _sent_all(to: Way, monkeypatch: pytest.MonkeyPatch) -> Noted:
    answers, direct, lines = {}, {}, io.StringIO()
    with monkeypatch.context() as patch:
        as_json()
        patch.setattr(sys, "stderr", lines)
        for name, (sent, _) in requests(to.keys).items():
            before = len(to.seen)
            answers[name] = to.asked(sent)
            direct[name] = len(to.seen) == before
        figures = _figures(to, "lifecircle_http_request_seconds_count", "lifecircle_touchpoints_total")
        structlog.reset_defaults()
    own = [json.loads(line) for line in lines.getvalue().splitlines()]
    shown = [{name: value for name, value in line.items() if name not in ("ms", "timestamp")} for line in own]
    for line in shown:
        for name in ("request_id", "correlation_id"):
            line[name] = line.get(name) if line.get(name) in (REQUEST, TOGETHER, "a" * 32) else len(line.get(name, ""))
    return Noted(answers, [line for line in shown if line["event"] == "request"], figures, direct)


def _figures(to: Way, *begin: str) -> list[str]:
    headers = {"Authorization": f"Bearer {to.keys['all']}"}
    told = httpx2.get(f"http://127.0.0.1:{to.port}/metrics", headers=headers).text
    return [line for line in told.splitlines() if line.startswith(begin)]


def _refusals(to: Way) -> list[tuple[str, str, str]]:
    """What a log has noted of who was refused what."""
    with Engine.open(to.url) as engine:
        noted = [each for each in engine.log.read(engine.log.start(), 1_000) if each.kind in REFUSALS]
    return [(each.kind, each.recordedby, json.dumps(fact_of(each).data, sort_keys=True)) for each in noted]


def test_both_ways_give_the_same_answers_lines_figures_and_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is noted of refusals has positions of its own in the log: it is to come after all that is asked here.
    monkeypatch.setattr("adapters.refusals.LIMITS", replace(LIMITS, refusals_pause_s=600))
    with both(tmp_path) as ways:
        direct, ordinary = (_sent_all(each, monkeypatch) for each in ways)
    assert direct.answers == ordinary.answers
    assert direct.lines == ordinary.lines
    assert direct.figures == ordinary.figures
    refused = {"two lengths", "chunks", "a folded header"}  # by the parser, before there is a request
    assert {name: passed for name, passed in direct.direct.items() if name not in refused} == {
        name: passed for name, (_, passed) in requests(ways[0].keys).items() if name not in refused
    }
    assert not any(passed for name, passed in ordinary.direct.items() if name not in refused)
    noted = [_refusals(to) for to in ways]
    assert noted[0] == noted[1]
    assert {each[0] for each in noted[0]} == set(REFUSALS)
    statuses = Counter(answer[9:12].decode() for answer in direct.answers.values())
    assert {"200", "201", "207", "400", "401", "403", "404", "409", "413", "415", "422"} <= set(statuses)


def test_a_request_in_two_pieces_is_the_same_wherever_it_is_cut(ways: tuple[Way, Way]) -> None:
    told = []
    for to in ways:
        sent = post(to.keys["all"], event(id="pieces"), ids=())
        to.asked(sent)
        with to.connect() as connection:
            for cut in range(1, len(sent)):
                connection.sendall(sent[:cut])
                sleep(0)
                connection.sendall(sent[cut:])
                told.append(to.told(connection))
            for byte in sent:
                connection.sendall(bytes([byte]))
            told.append(to.told(connection))
    assert len(set(told)) == 1
    assert told[0].startswith(b"HTTP/1.1 200 OK")


TWICE = ("and half of the next", "shorter than it says")
"""What is answered twice, or once and then closed."""


def _follows(to: Way) -> dict[str, list[bytes]]:
    """What is answered to an append, and to whatever is sent when that is answered."""
    first, sent = post(to.keys["all"], event(id="first")), post(to.keys["all"], event(id="follows"))
    length = b"Content-Length: %d" % (len(sent) - sent.index(b"\r\n\r\n") - 4)
    follows: dict[str, tuple[bytes, ...]] = {name: (each,) for name, (each, _) in requests(to.keys).items()}
    follows |= {
        "again": (first,),
        "an id that is none": (sent.replace(REQUEST.encode(), b"anna"),),
        "an id with a tab": (sent.replace(REQUEST.encode(), b"an\tna"),),
        "without its last byte": (sent[:-1], sent[-1:]),
        "more than it says": (sent + b"\r\n\r\n",),
        "and half of the next": (sent + first[:40], first[40:]),
        "shorter than it says": (sent.replace(length, b"Content-Length: 2"),),
        "a length with a sign": (sent.replace(length, length.replace(b": ", b": +")),),
        "a length with zeros": (sent.replace(length, length.replace(b": ", b": 000")),),
        "a length of none": (sent.replace(length, b"Content-Length: "),),
        "a length in words": (sent.replace(length, b"Content-Length: ten"),),
        "no return": (sent.replace(b"\r\nHost", b"\nHost"),),
    }
    answers = {}
    for name, parts in follows.items():
        with to.connect() as connection:
            connection.sendall(first)
            answers[name] = [to.told(connection)]
            for part in parts:
                connection.sendall(part)
                sleep(0.005 * (len(parts) - 1))
            answers[name].append(to.told(connection, 2 if name in TWICE else 1))
    return answers


def test_what_follows_an_append_on_its_connection_is_answered_as_what_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.refusals.LIMITS", replace(LIMITS, refusals_pause_s=600))
    with both(tmp_path) as ways:
        told = [_follows(to) for to in ways]
    assert told[0] == told[1]
    assert all(first.startswith(b"HTTP/1.1 20") for first, _ in told[0].values())


def test_a_line_is_written_before_its_answer_is_sent(ways: tuple[Way, Way], monkeypatch: pytest.MonkeyPatch) -> None:
    as_json()
    for to in ways:
        with monkeypatch.context() as patch, to.connect() as connection:
            patch.setattr(sys, "stderr", lines := io.StringIO())
            for number in range(1, 6):
                connection.sendall(post(to.keys["all"], event(id="line")))
                to.told(connection)
                assert lines.getvalue().count('"event":"request"') == number
    structlog.reset_defaults()


def test_what_is_sent_without_waiting_is_answered_in_its_order(ways: tuple[Way, Way]) -> None:
    told = []
    for to in ways:
        key = to.keys["all"]
        livez, ids = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", [f"q{number}" for number in range(4)]
        queue = [post(key, event(id=each, subject="q", data={"order": each, "total": "1 EUR"})) for each in ids]
        told.append(to.asked(b"".join([queue[0], livez, *queue[1:]]), answers=5))
        told.append(to.asked(queue[0] + post(to.keys["unknown"], event(id="q9")), answers=2))
        told.append(to.asked(queue[0] + b"GARBAGE\r\n\r\n", answers=2))
    assert told[:3] == told[3:]
    assert re.findall(rb"HTTP/1.1 (\d+)", told[0]) == [b"201", b"200", b"201", b"201", b"201"]
    assert [b'"version":%d' % version in told[0] for version in (1, 2, 3, 4, 5)] == [True] * 4 + [False]


def test_what_breaks_off_stores_nothing_and_what_came_whole_is_stored(ways: tuple[Way, Way]) -> None:
    for to in ways:
        key = to.keys["all"]
        sent = post(key, event(id="half", subject="broken"))
        for cut in range(1, len(sent), 40):
            with to.connect() as connection:
                connection.sendall(sent[:cut])
        with to.connect() as connection:  # whoever goes before the answer comes
            connection.sendall(post(key, event(id="whole", subject="broken")))
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=f"http://127.0.0.1:{to.port}", headers=headers) as client:
            asked = {"subject": "broken", "source": "shop"}
            deadline = monotonic() + WITHIN_S
            while client.get("/receipts", params=asked | {"id": "whole"}).status_code != 200:
                assert monotonic() < deadline
                sleep(0.02)
            assert client.get("/receipts", params=asked | {"id": "half"}).status_code == 404
    deadline, counted = monotonic() + WITHIN_S, 'lifecircle_http_request_seconds_count{method="POST"'
    while _figures(ways[0], counted) != _figures(ways[1], counted):
        assert monotonic() < deadline
        sleep(0.02)
    assert any('status="400"' in line for line in _figures(ways[0], counted))


def test_a_key_that_was_revoked_opens_nothing_on_a_connection_that_it_opened(ways: tuple[Way, Way]) -> None:
    for to in ways:
        keyring = ApiKeys(Path(to.url.removeprefix("sqlite:///")).parent / "keys")
        key = keyring.make("leaver", [Role.APPENDER])
        sent = post(key, event(id="leaver"))
        with to.connect() as connection:
            connection.sendall(sent)
            assert b" 201 " in to.told(connection)[:20]
            keyring.revoke(key.split("_")[1])
            connection.sendall(sent)
            assert b" 401 " in to.told(connection)[:20]


def test_pressure_and_what_nobody_foresaw_are_answered_alike(
    ways: tuple[Way, Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[bytes]] = []
    for to in ways:
        sent, before, service = post(to.keys["all"], event(id="late")), len(to.seen), to.app.state.service
        with monkeypatch.context() as patch:
            patch.setattr("adapters.http.service.LIMITS", replace(LIMITS, http_appends_max=0))
            pressed = to.asked(sent)
        with monkeypatch.context() as patch:
            patch.delattr(service, "engine")
            broken = to.asked(sent)
        told.append([pressed, broken, to.asked(sent)])
        assert len(to.seen) - before == (0 if to is ways[0] else 3)
    assert told[0] == told[1]
    assert [re.findall(rb"HTTP/1.1 (\d+)", each) for each in told[0]] == [[b"429"], [b"500"], [b"201"]]
    assert b"retry-after: 1" in told[0][0]
