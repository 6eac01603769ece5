"""A person is handed all that is held of them, and nothing of anybody else; that is recorded."""

import json
from hashlib import sha256
from pathlib import Path

from adapters.data_subjects.handover import hand_over
from adapters.data_subjects.opening import open_facts
from adapters.engine import Engine
from adapters.evidence import set_aside
from adapters.idkey import make_id_key
from adapters.log import QuarantinedRow
from tests.privacy.people import MAIL, NAME, WORDS, merged, registered, told


def test_everything_of_a_person_and_nothing_of_others(engine: Engine, tmp_path: Path) -> None:
    make_id_key(engine.url)
    engine.append([registered(engine), registered(engine, "bert", "Bert Earlier")])
    engine.append([registered(engine, "carl", "Carl Other")])
    engine.append([told(engine, "ContactMade", "anna", "c1", 2, mode="call", content=f"<b>{WORDS}</b>")])
    engine.append([merged(engine, "anna", "bert")])
    rows = [(1, f"{NAME};soon"), (2, "Carl Other;soon")]
    faulty = [QuarantinedRow("orders@1", row, "shop", "a time", "it is no time", raw, 1) for row, raw in rows]
    set_aside(engine, faulty, recordedby="test")
    open_facts(engine, engine.history("anna"), purpose="a complaint", by="omar")

    handed = hand_over(engine, "anna", tmp_path / "out", recordedby="test")
    document, page = handed.json.read_text(), handed.page.read_text()
    held = json.loads(document)
    assert "sealed:" not in document + page
    assert "Carl" not in document + page
    for value in (NAME, "Bert Earlier", MAIL, "bees"):
        assert value in document
        assert value in page
    assert f"&lt;b&gt;{WORDS}" in page
    assert [row["text"] for row in held["quarantine"]] == [f"{NAME};soon"]
    assert [row["purpose"] for row in held["opened"]] == ["a complaint"] * 2
    assert {"contacts", "customers", "identifiers", "traits"} <= held["views"].keys()
    for path in (handed.json, handed.page):
        assert path.stat().st_mode & 0o077 == 0
    (exported,) = [fact for fact in engine.history("anna") if fact.kind == "DataExported"]
    assert exported.data["digest"] == handed.digest == sha256(handed.json.read_bytes()).hexdigest()
    assert exported.data["recipient"] == "anna"
