"""Moments and differences at the command line: days of the company, views of all, what changed; rebuilds cut off."""

import csv
import io
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.engine import Engine
from projections.loyalty import Loyalty
from tests.cli.program import Shell, event, orders

PATIENCE_S = 60


def _order(subject: str, id: str, time: str, total: str = "10 EUR") -> dict[str, Any]:  # noqa: A002
    line = {"line": "1", "sku": "mug", "quantity": "1", "net": total}
    return event(id=id, subject=subject, time=time, data={"order": id, "total": total, "lines": [line]})


@pytest.fixture
def told(shop: Shell) -> Shell:
    """Two customers in London: an order each in spring, and one an hour before and after a summer's midnight."""
    given = [
        _order("anna", "a1", "2026-03-01T10:00:00Z"),
        _order("ben", "b1", "2026-03-02T10:00:00Z"),
        _order("anna", "a2", "2026-06-30T22:30:00Z"),
        _order("anna", "a3", "2026-06-30T23:30:00Z"),
    ]
    assert shop("record", "--json", json.dumps(given)).code == 0
    return shop


def _orders_of(shell: Shell, *typed: str) -> dict[str, int]:
    done = shell("view", "loyalty", *typed, "--format", "json")
    assert done.code == 0, done.err
    return {row["subject"]: row["orders"] for row in done.json}


def test_a_day_ends_in_the_companys_zone(told: Shell) -> None:
    # Half past eleven in UTC is half past midnight in London's summer.
    assert len(told("history", "anna", "--as-of", "2026-06-30", "--format", "json").json) == 2
    assert len(told("history", "anna", "--as-of", "2026-07-01", "--format", "json").json) == 3
    assert _orders_of(told, "--subject", "anna", "--as-of", "2026-06-30") == {"anna": 2}
    assert _orders_of(told, "--as-of", "2026-06-30") == {"anna": 2, "ben": 1}
    assert "no goal had been set" in told("goals", "--as-of", "1990-01-01").err
    shown = told(
        "query", "select sum(gross_micros) / 8e2 as large, 2 / 3.0 as small from loyalty", "--as-of", "2026-06-30"
    )
    assert [word for word in shown.out.split() if word[0].isdigit()] == ["37500", "0.6667"]
    day = told("query", "select day, at from moment", "--as-of", "2026-06-30", "--format", "json").json
    assert day == [{"day": "2026-06-30", "at": 1_782_860_399_999_999}]


def test_what_was_known_at_the_end_of_a_day(told: Shell) -> None:
    with Engine.open(told.url) as engine:
        last = engine.log.read(engine.log.start(), 10)[-1].recorded
        today = engine.company.day_at(last)
    assert _orders_of(told, "--known-at", today) == {"anna": 3, "ben": 1}
    assert _orders_of(told, "--known-at", "2026-01-01") == {}
    assert told("history", "anna", "--known-at", "2026-01-01").code == 6


def test_all_subjects_as_of_a_moment_need_no_live_views(told: Shell, tmp_path: Path) -> None:
    assert _orders_of(told, "--as-of", "2026-03-01") == {"anna": 1}
    asked = told("query", "select subject from rfm order by subject", "--as-of", "2026-03-02", "--format", "csv")
    assert (asked.code, asked.out) == (0, "subject\nanna\nben\n")
    cursor = told("status", "--format", "json").json["cursor"]
    told("record", "--json", json.dumps(_order("cleo", "c1", "2026-03-03T10:00:00Z")))
    assert _orders_of(told, "--known-at", cursor) == {"anna": 3, "ben": 1}
    assert _orders_of(told, "--known-at", cursor, "--as-of", "2026-03-01T10:00:00Z") == {"anna": 1}
    assert told("view", "loyalty").code == 6, "nothing was built"
    assert not list(tmp_path.glob("*moment*"))


@pytest.mark.parametrize(
    "typed",
    [
        ("view", "loyalty", "--as-of", "yesterday"),
        ("view", "loyalty", "--as-of", "2026-02-30"),
        ("view", "loyalty", "--as-of", "9999-12-31"),
        ("view", "loyalty", "--as-of", "2026-03-01T10:00:00"),
        ("diff", "anna", "--from", "as-of=soon"),
        ("diff", "anna", "--from", "when=2026-03-01"),
        ("diff", "anna", "--from", ""),
        ("diff", "anna"),
        ("diff", "--from", "2026-03-01"),
        ("diff", "anna", "--view", "loyalty", "--from", "2026-03-01"),
        ("diff", "anna", "--subject", "anna", "--from", "2026-03-01"),
    ],
)
def test_moments_that_are_none(told: Shell, typed: tuple[str, ...]) -> None:
    done = told(*typed)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


def test_unknown_things_are_not_found(told: Shell) -> None:
    for typed in (("diff", "nobody"), ("diff", "--view", "loyalty", "--subject", "nobody"), ("diff", "--view", "no")):
        done = told(*typed, "--from", "2026-03-01")
        assert (done.code, done.out) == (6, ""), typed
    assert told("diff", "anna", "--from", "notacursor").code == 3


def test_what_became_of_a_history(told: Shell) -> None:
    before = told("status", "--format", "json").json["cursor"]
    corrected = {"target": "a1", "replacement": {"total": "12 EUR"}, "reason": "typing"}
    retracted = {"target": "a2", "retraction": True, "reason": "twice"}
    merged = {"survivor": "anna", "absorbed": "ben", "method": "manual"}
    for at, (kind, data) in enumerate(
        [("TouchpointCorrected", corrected), ("TouchpointCorrected", retracted), ("CustomersMerged", merged)]
    ):
        sent = event(id=f"x{at}", type=kind, subject="anna", time="2026-07-02T10:00:00Z", data=data)
        assert told("record", "--json", json.dumps(sent)).code == 0
    found = told("diff", "anna", "--from", before, "--format", "json").json
    assert {(each["new"] or each["old"])["id"]: each["became"] for each in found} == {
        "a1": "corrected",
        "a2": "retracted",
        "b1": "merged in",
        "x2": "came",
    }
    (change,) = (each for each in found if each["became"] == "corrected")
    assert [change[side]["data"]["total"]["micros"] for side in ("old", "new")] == [10_000_000, 12_000_000]
    table = told("diff", "anna", "--from", before).out
    assert "total 10 EUR → 12 EUR" in table
    assert "anna: 4 differences" in table
    cells = list(csv.DictReader(io.StringIO(told("diff", "anna", "--from", before, "--format", "csv").out)))
    assert [row["became"] for row in cells] == [each["became"] for each in found]
    assert json.loads(cells[0]["new"])["total"]["micros"] == 12_000_000
    assert told("diff", "anna", "--from", before, "--to", before, "--format", "json").json == []


def test_what_became_of_the_rows_of_a_view(told: Shell) -> None:
    spring, summer = "as-of=2026-03-01", "as-of=2026-06-30"
    for only in ((), ("--subject", "anna")):
        typed = ("diff", "--view", "loyalty", *only, "--from", spring, "--to", summer)
        found = told(*typed, "--format", "json").json
        became = {(each["new"] or each["old"])["subject"]: each["became"] for each in found}
        assert became == {"anna": "changed"} if only else {"anna": "changed", "ben": "added"}
        assert [found[0][side]["orders"] for side in ("old", "new")] == [1, 2]
        cells = list(csv.DictReader(io.StringIO(told(*typed, "--format", "csv").out)))
        assert ("orders", "1", "2") in {(row["column"], row["old"], row["new"]) for row in cells}
        assert "orders 1 → 2" in told(*typed).out
    backwards = told("diff", "--view", "loyalty", "--from", summer, "--to", spring, "--format", "json").json
    assert {each["became"] for each in backwards} == {"changed", "removed"}


def test_generations_are_compared_before_they_go_live(told: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told("rebuild", "--compare").code == 6, "nothing is live yet"
    told("run", "--once")
    same = told("rebuild", "--compare", "--format", "json")
    assert (same.code, same.json["rows"]) == (0, [])

    # The fold was changed, in its numbers and in who has a row.
    row: Any = Loyalty.row

    def changed(self: Loyalty, state: Any, key: str) -> Any:
        found: Any = row(self, state, key)
        named: Any = found and Loyalty.row_type._make(found)
        return named._replace(orders=named.orders + 1) if named and named.orders > 1 else None

    monkeypatch.setattr(Loyalty, "revision", 99)
    monkeypatch.setattr(Loyalty, "row", changed)
    told("record", "--json", json.dumps(_order("cleo", "c1", "2026-03-03T10:00:00Z")))
    done = told("rebuild", "--compare", "loyalty", "--format", "json")
    assert done.code == 11
    (view,) = done.json["views"]
    assert {name: view[name] for name in ("added", "removed", "changed")} == {"added": 0, "removed": 1, "changed": 1}
    assert {each["became"] for each in done.json["rows"]} == {"changed", "removed"}
    assert "cleo" not in done.out, "it is compared as far as the live rows go"
    shown = told("rebuild", "--compare", "loyalty", "--limit", "1").out
    assert "loyalty: the first 1" in shown
    cells = told("rebuild", "--compare", "loyalty", "--format", "csv").out
    assert "orders,3,4" in cells.replace("\r", "")
    assert _orders_of(told) == {"anna": 3, "ben": 1}, "the old ones are live"

    went = told("rebuild", "loyalty")
    assert (went.code, "going on" in went.err) == (0, True), "what was built is taken up"
    assert _orders_of(told) == {"anna": 4}


# A rebuild in small parts, by processes as ever, that tells what it has folded and waits for a word to go on.
_STEPWISE = """
from contextlib import contextmanager
from dataclasses import replace
import adapters.views.folding, cli.output
from cli.main import main

@contextmanager
def folding():
    yield lambda done, total: (print(done, flush=True), input())

cli.output.folding = folding
adapters.views.folding.LIMITS = replace(adapters.views.folding.LIMITS, rebuild_part_touchpoints=100)
main(["rebuild", "purchases", "loyalty"])
"""
_CUSTOMERS = 1_500


def _stepwise(shell: Shell) -> "subprocess.Popen[str]":
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    typed = [sys.executable, "-c", _STEPWISE]
    return subprocess.Popen(typed, **pipes, text=True, env=shell.environment(), start_new_session=True)  # type: ignore[call-overload,no-any-return]


def test_a_rebuild_goes_on_after_signals_a_kill_and_a_full_disk(file_shop: Shell) -> None:
    assert file_shop("record", "--json", "-", stdin=orders([f"c{n}" for n in range(_CUSTOMERS)])).code == 0
    folded = 0
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with _stepwise(file_shop) as running:
            assert running.stdin
            assert running.stdout
            found = int(running.stdout.readline())
            assert found >= folded, "what was folded before is folded"
            assert found > 0 or stop == signal.SIGINT
            running.stdin.write("\n")
            running.stdin.flush()
            folded = int(running.stdout.readline())
            # Ctrl-C reaches every process of a terminal, the others this one alone.
            (os.killpg if stop == signal.SIGINT else os.kill)(running.pid, stop)
            _, told = running.communicate("\n", timeout=PATIENCE_S)
        assert running.returncode == (-9 if stop == signal.SIGKILL else 130)
        assert "Traceback" not in told
        assert (f"{folded} of {_CUSTOMERS} touchpoints folded" in told) == (stop != signal.SIGKILL)
        assert ("go on with: lifecircle rebuild purchases loyalty" in told) == (stop != signal.SIGKILL)
        assert file_shop("view", "loyalty").code == 6, "nothing went live"

    def quota() -> None:
        room = sum(path.stat().st_size for path in Path().glob("log.views.db*")) // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    full = file_shop.run("rebuild", "purchases", "loyalty", begin=quota)
    assert full.code == 7
    assert "free space" in full.err
    assert "Traceback" not in full.err
    assert file_shop("view", "loyalty").code == 6, "nothing went live"
    with_room = file_shop.run("rebuild", "purchases", "loyalty")
    assert (with_room.code, with_room.out) == (0, "rebuilt: purchases, loyalty\n")
    assert "going on where a rebuild was cut off" in with_room.err
    counted = file_shop("query", "select count(*) as n, sum(orders) as orders from loyalty", "--format", "json").json
    assert counted == [{"n": _CUSTOMERS, "orders": _CUSTOMERS}]
