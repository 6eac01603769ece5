"""An auditor's questions: why is this row so, what caused what, and who did what; each answer with its proof."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.audit.seal import Seal, read_key
from domain.merkle import included
from tests.audit.conftest import Sealed
from tests.audit.test_seal import database_of
from tests.cli.program import Shell, event
from tests.conftest import fresh_database


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A deal of anna, once known as ann, which was corrected and won; and what it led to, at bert's."""
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch, fresh_database() as database:
        patch.chdir(folder)
        shell = Shell(f"sqlite:///{folder}/shop.db" if request.param == "sqlite" else database)
        assert shell("init").code == 0
        amount = {"amount": "25", "currency": "EUR"}
        merge = {"survivor": "anna", "absorbed": "ann", "method": "manual", "evidence": "same address"}
        correction = {"target": "e1", "reason": "typo", "replacement": {"opportunity": "d1", "amount": amount}}
        order = {"order": "o1", "total": "1 EUR"}
        for at, (subject, kind, more, data) in enumerate(
            (
                ("ann", "OpportunityOpened", {}, {"opportunity": "d1", "amount": "20 EUR"}),
                ("ann", "OpportunityOpened", {}, {"opportunity": "d2", "amount": "1 EUR"}),
                ("ann", "TouchpointCorrected", {}, correction),
                ("anna", "OrderPlaced", {"actor": "rosa"}, order),
                ("anna", "CustomersMerged", {}, merge),
                ("anna", "OpportunityWon", {}, {"opportunity": "d1", "reason": "price"}),
                ("bert", "OrderPlaced", {"causationid": "e6", "correlationid": "k1"}, order),
                ("carl", "OrderPlaced", {"causationid": "e7"}, order),
                ("dora", "OrderPlaced", {"causationid": "lost", "correlationid": "k1"}, order),
                ("bert", "DataExported", {}, {"recipient": "court", "scope": "all of it"}),
            ),
            1,
        ):
            changes = {"id": f"e{at}", "subject": subject, "type": kind, "data": data, **more}
            done = shell("record", "--json", json.dumps(event(**changes)))
            assert done.code == 0, done.err
        assert shell("record", "--json", json.dumps(event(subject="anna", id="e4", source="shop", data={}))).code == 3
        assert shell("seal", "--seal", "shop.seal").code == 0
        yield shell


def test_a_row_names_the_touchpoints_it_came_from_and_each_is_proved(shop: Shell) -> None:
    told = shop("why", "opportunities", "anna", "d1", "--format", "json", "--seal", "shop.seal")
    assert told.code == 0, told.err
    assert (told.json["row"]["status"], told.json["row"]["amount_micros"]) == ("won", 25_000_000)
    found = [(each["id"], each["how"]) for each in told.json["touchpoints"]]
    assert found[:2] == [("e1", "folded"), ("e6", "folded")]
    assert sorted(set(found[2:])) == [("e3", "corrected"), ("e5", "joined")]
    assert told.json["touchpoints"][1]["changed"]["status"] == "won"
    key = read_key("shop.seal/key.pub")
    head = Seal(Path("shop.seal"), [key]).head
    for each in told.json["touchpoints"]:
        bucket, number = map(int, each["position"].split("/"))
        proof = each["proof"]
        path = [bytes.fromhex(part) for part in proof["path"]]
        assert included(bytes.fromhex(proof["leaf"]), number - 1, proof["size"], path, head.trees[bucket - 1][1])


def test_a_row_of_the_past_and_a_row_that_is_not_there(shop: Shell) -> None:
    told = shop("why", "opportunities", "ann", "d1", "--format", "json", "--as-of", "2026-01-01")
    assert (told.code, "RowUnknown" in told.err) == (6, True)
    told = shop("why", "opportunities", "anna")
    assert (told.code, "subject, opportunity" in told.err) == (6, True)
    assert shop("why", "opportunities", "nobody", "d1").code == 6
    assert shop("why", "nothing", "anna").code == 6


def test_causes_lead_over_subjects_and_what_is_not_in_the_log_is_named(shop: Shell) -> None:
    tree = [("e6", 0, None), ("e7", 1, "e6"), ("e8", 2, "e7"), ("e9", 0, "lost")]
    for asked in (("anna", "e6"), ("bert",), ("carl",), ("dora", "e9")):
        links = shop("causes", *asked, "--format", "json")
        assert links.code == 0, links.err
        found = [(each["id"], each["depth"], each["causationid"]) for each in links.json]
        assert found == tree, asked
    assert shop("causes", "anna", "nothing").code == 6


def test_the_trail_says_who_did_what(shop: Shell) -> None:
    told: list[dict[str, Any]] = shop("audit", "--format", "json").json
    assert [each["what"] for each in told] == ["DataExported", "TouchpointRefused"]
    assert (told[0]["subject"], told[0]["about"]) == ("bert", {"recipient": "court", "scope": "all of it"})
    assert shop("audit", "exported", "--subject", "anna", "--format", "json").json == []
    writers = shop("audit", "writers", "--subject", "anna", "--format", "json").json
    assert [(each["actor"], each["touchpoints"]) for each in writers] == [("", 2), ("rosa", 1)]
    assert "recordedby" in shop("audit", "writers").out
    assert shop("audit", "refused", "--format", "csv").out.count("\n") == 2


def test_a_reason_that_is_not_what_was_sealed_is_refused(sealed: Sealed) -> None:
    sealed.record("anna", "bert")
    sealed.seal()
    database = database_of(sealed)
    rows = database.rows()
    assert database.put([(*rows[0][:8], rows[0][8] + 1, *rows[0][9:]), *rows[1:]])
    database.close()
    told = Shell(sealed.url)("why", "loyalty", "anna", "EUR", "--seal", str(sealed.folder))
    assert (told.code, "position 1/1" in told.err) == (12, True), told
