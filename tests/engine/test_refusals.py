"""What is refused is noted under the log's own subject: after the answer, without a value, and only so often."""

import asyncio
import json
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.apikeys import ApiKeys, Role
from adapters.engine import Engine
from adapters.notes import log_subject
from adapters.settings import LIMITS
from domain.errors import IdReused, InvalidTouchpoint, MergeRefused, Refused, RuleBroken
from tests.cli.program import Shell, event
from tests.engine.conftest import Touch
from tests.http.conftest import served

Note = dict[str, object]


def notes_of(url: str) -> list[Note]:
    """The notes of a log as they are after it was closed, with who was refused."""
    with Engine.open(url) as engine:
        facts = engine.history(log_subject(engine.log.log_id))
        return [fact.data for fact in facts if fact.kind == "TouchpointRefused"]


def test_every_way_to_be_refused_leaves_a_note(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OrderPlaced", "c1", "id1", order="o1", total="1 EUR")])
    other = touch("OrderPlaced", "c1", "id1", order="secret", total="2 EUR")
    with pytest.raises(IdReused):
        engine.append([other], recordedby="shop")
    with pytest.raises(RuleBroken):
        engine.append([touch("OrderConfirmed", "c1", "id2", order="o9")], strict=True)
    with pytest.raises(MergeRefused):
        engine.append([touch("CustomersMerged", "c1", "id3", survivor="c1", absorbed="c1", method="manual")])
    with pytest.raises(InvalidTouchpoint):
        engine.append([touch("CartUpdated", f"d{n}", f"i{n}", cart="a") for n in range(2)], expected=1)
    with pytest.raises(IdReused):
        asyncio.run(engine.append_async([other], recordedby="shop"))
    groups = [[other], [touch("CartUpdated", "c3", "id4", cart="a")]]
    engine.refusals.note_all(engine.append_each(groups), groups, "shop")
    engine.close()
    notes = notes_of(engine.url)
    digest = sha256(b"id1").hexdigest()
    rules = ["IdReused", "RuleBroken", "MergeRefused", "InvalidTouchpoint", "IdReused", "IdReused"]
    assert [note["rule"] for note in notes] == rules
    assert (notes[0]["kind"], notes[0]["id_digest"]) == ("OrderPlaced", digest)
    with Engine.open(engine.url) as again:
        rows = again.log.stream(log_subject(again.log.log_id))
    assert [row.recordedby for row in rows] == ["shop", "embedded", "embedded", "embedded", "shop", "shop"]
    assert not any(b'"secret"' in row.state or b'"c1"' in row.state for row in rows)


def test_a_flood_of_refusals_is_counted_and_does_not_fill_the_log(engine: Engine, touch: Touch) -> None:
    first = touch("OrderPlaced", "c1", "id1", order="o1", total="1 EUR")
    engine.append([first])
    other = touch("OrderPlaced", "c1", "id1", order="o2", total="1 EUR")
    for _ in range(LIMITS.refusals_noted_per_minute + 40):
        with pytest.raises(Refused):
            engine.append([other], recordedby="shop")
    engine.close()
    notes = notes_of(engine.url)
    assert len(notes) == LIMITS.refusals_noted_per_minute + 1
    assert notes[-1] == {"rule": "IdReused", "times": 40}


def test_what_the_program_refuses_at_its_door_is_noted_without_what_was_typed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shell = Shell(url)
    assert shell("init").code == 0
    assert shell("record", "--json", json.dumps(event(type="Mary Jane"))).code == 3
    assert shell("record", "--json", "{").code == 3
    assert shell("record", "--json", json.dumps(event(id="mary@example.org"))).code == 3
    told = shell("audit", "refused", "--format", "json").json
    assert [each["about"] for each in told] == [
        {"rule": "UnknownKind", "id_digest": sha256(b"e1").hexdigest()},
        {"rule": "UnreadableInput"},
        {"rule": "InvalidTouchpoint", "kind": "OrderPlaced"},  # a digest of what is personal could be found by trying
    ]
    assert {each["by"].partition(":")[0] for each in told} == {"cli"}


def test_refusals_that_cannot_be_noted_are_told_of(sqlite_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    Engine.create(sqlite_url).close()
    with Engine.open(f"{sqlite_url}?mode=ro") as engine:
        engine.refusals.note(InvalidTouchpoint("no"), "shop")
    assert "refusals could not be noted" in capfd.readouterr().err


def test_who_asks_a_service_for_what_its_key_does_not_open_is_noted(sqlite_url: str, tmp_path: Path) -> None:
    keys = ApiKeys(tmp_path / "keys")
    with served(sqlite_url, keys) as client:
        key = {"Authorization": f"Bearer {keys.make('till', [Role.APPENDER], subjects=('shop-',))}"}
        assert client.get("/status", headers=key).status_code == 403
        sent = client.post("/events", json=event(), headers={"Content-Type": "application/cloudevents+json"} | key)
        assert sent.status_code == 403
    told = Shell(sqlite_url)("audit", "denied", "--format", "json").json
    assert [(each["by"], each["about"]["route"]) for each in told] == [
        ("key:till", "GET /status"),
        ("key:till", "POST /events"),
    ]
