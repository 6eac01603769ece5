"""Who has an identifier is found in any spelling, with the views up to date or behind, and not once forgotten."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.data_subjects.erasure import erase
from adapters.data_subjects.finding import find
from adapters.engine import Engine
from adapters.idkey import make_id_key
from adapters.views.projector import Projector
from adapters.views.tables import open_tables
from tests.cli.program import Shell
from tests.privacy.people import MAIL, merged, registered, told


def test_views_up_to_date_or_behind_answer_the_same(engine: Engine) -> None:
    make_id_key(engine.url)
    with closing(open_tables(engine.url, engine.company)) as tables:

        def subjects(value: str) -> list[tuple[str, str | None]]:
            behind = find(engine, tables, value)
            Projector(engine.log, tables, engine.company).run_once()
            assert find(engine, tables, value) == behind
            return [(each.subject, each.until_day) for each in behind]

        card: dict[str, Any] = {"type": "card", "value": "C-77 01"}
        engine.append([registered(engine), told(engine, "IdentifierLinked", "bert", "i1", **card)])
        assert subjects(f" {MAIL.upper()} ") == subjects("+49 (30) 123-4567") == [("anna", None)]
        assert subjects("c-77 01") == [("bert", None)]
        assert subjects("nobody@example.org") == []
        engine.append([told(engine, "IdentifierUnlinked", "bert", "i2", 5, **card)])
        assert subjects("C-77 01") == [("bert", "2026-03-05")]
        engine.append([merged(engine, "carl", "bert")])
        assert subjects("C-77 01") == [("carl", "2026-03-05")]
        erase(engine, "carl", basis="Art. 17", by="rosa", recordedby="test")
        assert subjects("C-77 01") == []
        assert subjects(MAIL) == [("anna", None)]


def test_the_command_finds_by_what_was_never_shown(sqlite_url: str, tmp_path: Path) -> None:
    shell = Shell(sqlite_url)
    assert shell("init").code == 0
    assert shell("record", "IdentifierLinked", "--subject", "anna", "type=email", f"value={MAIL}").code == 0
    assert [each["subject"] for each in shell("find", MAIL, "--format", "json").json] == ["anna"]
    nobody = shell("find", "x@example.org", "--format", "json")
    assert (nobody.code, nobody.error["error"]) == (6, "UnknownSubject")
    assert "x@example.org" not in nobody.err
    (tmp_path / "log.key").unlink()
    assert shell("find", MAIL).code == 8


@pytest.mark.parametrize(
    ("subject", "error"), [("nobody", "UnknownSubject"), ("bert", "SubjectMerged"), ("carl", "SubjectErased")]
)
def test_unknown_merged_and_forgotten_customers_are_said_by_name(
    sqlite_url: str, tmp_path: Path, subject: str, error: str
) -> None:
    shell = Shell(sqlite_url)
    assert shell("init").code == 0
    with Engine.open(sqlite_url) as engine:
        engine.append([registered(engine), registered(engine, "bert"), registered(engine, "carl")])
        engine.append([merged(engine, "anna", "bert")])
    assert shell("erase", "carl", "--basis", "Art. 17", "--by", "rosa").code == 0
    for command in (
        ("erase", subject, "--basis", "Art. 17", "--by", "rosa"),
        ("export-subject", subject, "--to", str(tmp_path / "out")),
    ):
        done = shell(*command)
        assert done.code == 6
        assert done.err.startswith(f"{error}: ")
        assert not (tmp_path / "out").exists()
