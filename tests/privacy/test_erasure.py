"""Forgetting: what is personal can be read no more, everything else goes on, and the log says who did it."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.audit.trail import trail
from adapters.data_subjects.erasure import erase
from adapters.data_subjects.opening import open_facts
from adapters.engine import Engine
from adapters.evidence import quarantined, set_aside
from adapters.idkey import make_id_key
from adapters.log import QuarantinedRow
from adapters.views.projector import Projector
from adapters.views.rebuild import rebuild
from adapters.views.tables import Tables, open_tables
from domain.errors import ErasureRefused, MergeRefused, SubjectErased, SubjectMerged, UnknownSubject
from tests.privacy.conftest import COMPANY
from tests.privacy.people import MAIL, NAME, WORDS, merged, registered, told
from tests.sources.shop import HEADER, bring_in, write


@pytest.fixture
def tables(engine: Engine) -> Iterator[Tables]:
    make_id_key(engine.url)
    with closing(open_tables(engine.url, engine.company)) as opened:
        yield opened


def forget(engine: Engine, subject: str, **more: Any) -> list[str]:
    return erase(engine, subject, basis="Art. 17", by="rosa", recordedby="test", **more)[1]


def shown(engine: Engine, tables: Tables, view: str) -> list[dict[str, Any]]:
    Projector(engine.log, tables, engine.company).run_once()
    names, rows = tables.rows(view)
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_views_say_erased_as_they_follow_and_when_they_are_rebuilt(engine: Engine, tables: Tables) -> None:
    engine.append([registered(engine)])
    assert {row["trait"]: row["band"][:7] for row in shown(engine, tables, "traits")} == {
        "age": "30-39",
        "region": "East",
        "hobby": "sealed:",
    }
    assert all(row["keyed"] for row in shown(engine, tables, "identifiers"))
    contacts = shown(engine, tables, "contacts")
    forget(engine, "anna")
    for _ in ("followed", "rebuilt"):
        assert {row["band"] for row in shown(engine, tables, "traits")} == {"[erased]"}
        assert shown(engine, tables, "customers")[0]["name"] == "[erased]"
        assert [(row["type"], row["keyed"]) for row in shown(engine, tables, "identifiers")] == [
            ("email", None),
            ("phone", None),
        ]
        assert shown(engine, tables, "contacts")[: len(contacts)] == contacts
        rebuild(engine.log, tables, engine.company)
    (fact, *_) = engine.history("anna")
    assert fact.data["name"] == "[erased]"
    assert open_facts(engine, [fact], purpose="a test", by="test") == [fact]


def test_all_who_were_merged_are_forgotten_together_and_for_good(engine: Engine) -> None:
    engine.append([registered(engine)])
    engine.append([registered(engine, "bert"), registered(engine, "carl")])
    engine.append([merged(engine, "anna", "bert")])
    with pytest.raises(SubjectMerged, match="anna"):
        forget(engine, "bert")
    assert forget(engine, "anna") == ["anna", "bert"]
    (_, of_bert, *_) = [fact for fact in engine.history("anna") if fact.kind == "CustomerRegistered"]
    assert (of_bert.stream, of_bert.data["name"]) == ("bert", "[erased]")
    (of_carl,) = open_facts(engine, engine.history("carl"), purpose="a test", by="test")
    assert of_carl.data["name"] == NAME
    revert: dict[str, Any] = {"merge": "m1", "survivor": "anna", "absorbed": "bert", "returned": []}
    with pytest.raises(MergeRefused):
        engine.append([told(engine, "CustomerMergeReverted", "anna", "v1", **revert)])
    with pytest.raises(SubjectErased):
        engine.append([told(engine, "ContactMade", "bert", "c1", mode="call", content=WORDS)])
    with pytest.raises(SubjectErased):
        forget(engine, "anna")
    with pytest.raises(UnknownSubject):
        forget(engine, "nobody")


def test_a_legal_hold_refuses_it_with_its_reason_until_it_is_lifted(engine: Engine) -> None:
    engine.append([registered(engine), registered(engine, "bert")])
    engine.append([told(engine, "LegalHoldPlaced", "bert", "h1", hold="case-7", basis="order of the court")])
    engine.append([merged(engine, "anna", "bert")])
    with pytest.raises(ErasureRefused, match="order of the court"):
        forget(engine, "anna")
    with pytest.raises(ErasureRefused):
        engine.append([told(engine, "PersonalDataErased", "anna", "e1", scope="all")])
    engine.append([told(engine, "LegalHoldLifted", "anna", "h2", 2, hold="case-7")])
    forget(engine, "anna")


def test_it_may_take_two(engine: Engine) -> None:
    engine.append([registered(engine)])
    engine.change_settings({"erasure_by_two": True})
    for second in (None, "rosa"):
        with pytest.raises(ErasureRefused, match="two of us"):
            forget(engine, "anna", second=second)
    forget(engine, "anna", second="omar")


def test_the_log_says_who_forgot_whom_and_why(engine: Engine) -> None:
    engine.append([registered(engine)])
    engine.append([told(engine, "ContactMade", "org-1", "c1", mode="call", content=f"{NAME} called, {MAIL}")])
    forget(engine, "anna")
    erased = engine.history("anna")[-1]
    assert (erased.kind, erased.data) == (
        "PersonalDataErased",
        {"scope": "all personal data", "legal_basis": "Art. 17"},
    )
    assert erased.envelope["actor"] == "rosa"
    assert [(each.by, each.actor, each.subject) for each in trail(engine.log, "erased")] == [("test", "rosa", "anna")]
    (noted,) = engine.history(f"log/{engine.log.log_id.hex()}")
    assert (noted.kind, noted.data) == ("KeyDestroyed", {"person": "anna"})
    (contact,) = open_facts(engine, engine.history("org-1"), purpose="a test", by="test")
    assert contact.data["content"].startswith(NAME)


def test_rows_in_quarantine_that_hold_somebody_are_emptied_in_whatever_spelling(engine: Engine) -> None:
    engine.append([registered(engine), registered(engine, "bert", "Bert Other")])
    texts = [
        f"1;soon;{NAME.upper()}",
        "2;soon;+49 (30) 123-4567",
        "3;soon;0049/301234567",
        f"4;soon;<{MAIL}>",
        "5;soon;x",
    ]
    rows = [QuarantinedRow("b@1", at, "crm", "a time", "no time", raw, 1, f"k/{at}") for at, raw in enumerate(texts, 1)]
    set_aside(engine, rows, recordedby="test")
    forget(engine, "anna")
    left = [(row.raw, row.stem) for row in quarantined(engine)]
    assert left == [("[erased]", "")] * 4 + [(texts[4], "k/5")]


def test_nothing_of_a_row_can_be_found_by_trying(url: str, tmp_path: Path) -> None:
    """Two logs that read the same file have no digest in common: without a log's key there is nothing to compare."""
    file = write(tmp_path, HEADER + "anna,2026-03-01T10:00:00,1\n+49 30 1234567,soon,1\n")
    told: list[set[str]] = []
    for address in (url, f"sqlite:///{tmp_path}/other.db"):
        with Engine.create(address) as engine:
            batch = bring_in(engine, file).batch
            (waiting,) = engine.log.quarantined()
            (run,) = engine.log.imports(batch=batch)
            ids = [each.id for each in engine.log.read(engine.log.start(), 100)]
            texts = " ".join(map(str, [*ids, *waiting, *run._replace(plan="")]))
            told.append(set(re.findall(r"(?=[0-9]*[a-f])[0-9a-f]{16,}", texts)))
            assert len(told[-1]) >= 4
    assert told[0].isdisjoint(told[1])


def test_another_process_stops_within_a_second(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.privacy.keyring.monotonic", iter(range(0, 10_000, 2)).__next__)
    with Engine.create(sqlite_url, COMPANY) as engine, Engine.open(sqlite_url) as other:
        other.append([registered(other)])
        forget(engine, "anna")
        with pytest.raises(SubjectErased):
            other.append([told(other, "ContactMade", "anna", "c1", mode="call", content=WORDS)])
