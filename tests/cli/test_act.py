"""Deciding from the command line: shown beforehand, recorded once, looked at as of the past, and on a schedule."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Shell, event

NOW = datetime.now(UTC)


def ago(days: int) -> str:
    return (NOW - timedelta(days=days)).isoformat()


STORY = [
    event(id="i", type="InvoiceIssued", time=ago(60), data={"invoice": "i1", "amount": "5 EUR", "due": ago(30)[:10]}),
    event(id="t", type="TicketOpened", subject="c2", time=ago(20), data={"ticket": "t1"}),
    event(id="o", subject="c2", time=ago(3)),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A log with an overdue invoice, a ticket without an answer and a purchase, and its views."""
    shell = Shell(f"sqlite:///{tmp_path_factory.mktemp('act')}/log.db")
    shell("init")
    shell("record", "--json", json.dumps(STORY))
    shell("run", "--once")
    return shell


def results(done: Any) -> list[tuple[str, str]]:
    return [(each["decision"], each["result"]) for each in done.json]


def test_what_follows_is_shown_then_recorded_and_then_done(told: Shell) -> None:
    everything = [("dunning", "proposed"), ("first-response", "refused"), ("thanks", "proposed")]
    dry = told("act", "--dry-run", "--format", "json")
    assert (dry.code, results(dry)) == (0, everything)
    assert dry.json[1]["refused_by"] == "task/on nobody: it names nobody who is to do it"
    acted = told("act", "dunning", "thanks", "--format", "json")
    assert results(acted) == [("dunning", "recorded"), ("thanks", "recorded")]
    assert [each["rests_on"] for each in acted.json] == ["i", "o"]
    assert results(told("act", "dunning", "thanks", "--format", "json"))[1] == ("thanks", "done before")
    assert "DunningNoticeSent" in told("history", "c1").out


def test_the_past_can_be_looked_at_and_nobody_acts_in_it(told: Shell) -> None:
    then = ago(25)
    refused = told("act", "--as-of", then)
    assert (refused.code, refused.out) == (2, "")
    assert "nobody can act in the past" in refused.err
    looked = told("act", "dunning", "thanks", "--as-of", then, "--dry-run", "--format", "json")
    assert results(looked) == [("dunning", "proposed")]


def test_decisions_are_listed_without_a_log_and_an_unknown_one_is_told() -> None:
    listed = Shell("")("act", "--list", "--format", "json").json
    assert {"dunning", "thanks", "churn-risk", "send-offer"} <= {each["decision"] for each in listed}
    unknown = Shell("")("act", "bribe")
    assert (unknown.code, unknown.out) == (6, "")
    assert "dunning" in unknown.err


def test_run_takes_decisions_on_a_schedule_only_where_asked(told: Shell, tmp_path: Path) -> None:
    shell = told.at(f"sqlite:///{tmp_path}/log.db")
    shell("init")
    shell("record", "--json", json.dumps(STORY))
    wrong = shell("run", "--decision", "dunning")
    assert (wrong.code, "--act" in wrong.err) == (2, True)
    with shell.start("run", "--act", "0.2", "--decision", "dunning") as running:
        assert running.stderr is not None
        recorded = next(line for line in running.stderr if '"decided"' in line)
        running.terminate()
        running.stderr.read()
        assert running.wait(timeout=30) == 0
    told_of = json.loads(recorded)
    assert (told_of["decision"], told_of["subject"], told_of["result"]) == ("dunning", "c1", "recorded")
    assert "MessageSent" not in shell("history", "c2").out
