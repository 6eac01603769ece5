"""Whoever may read personal data opens it on the command line, which is noted; nobody else sees any."""

from pathlib import Path

import pytest

from tests.cli.program import Shell

NAME, WORDS = "Zuzana Příkladná", "My knee hurts since the accident"


@pytest.fixture
def shop(url: str) -> Shell:
    shell = Shell(url)
    assert shell("init").code == 0
    assert shell("record", "CustomerRegistered", "--subject", "anna", "party=person", f"name={NAME}").code == 0
    assert shell("record", "ContactMade", "--subject", "anna", "mode=call", f"content={WORDS}").code == 0
    return shell


def test_history_is_sealed_until_it_is_opened_and_that_is_noted(shop: Shell) -> None:
    closed = shop("history", "anna")
    assert "name [sealed]" in closed.out
    assert WORDS not in closed.out
    assert WORDS not in shop("history", "anna", "--format", "json").out
    opened = shop("history", "anna", "--open", "--purpose", "a complaint")
    assert f"name {NAME}" in opened.out
    assert WORDS in opened.out
    log_id = shop("status", "--format", "json").json["log"]
    noted = shop("history", f"log/{log_id}", "--format", "json").json
    assert [(each["type"], each["data"]) for each in noted] == [
        (
            "PersonalDataOpened",
            {"person": "anna", "fields": ["CustomerRegistered.name", "ContactMade.content"], "purpose": "a complaint"},
        )
    ]


def test_opening_says_what_for(shop: Shell) -> None:
    assert shop("history", "anna", "--open").code == 2
    assert shop("history", "anna", "--purpose", "curiosity").code == 2


def test_init_says_where_the_keys_are(sqlite_url: str, tmp_path: Path) -> None:
    shell = Shell(sqlite_url)
    said = shell("init").out
    assert f"keys of personal data: {tmp_path}/log.keys.db" in said
    assert f"protected by: {tmp_path}/log.kek" in said
    for name in ("log.keys.db", "log.kek", "log.key"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_keys_that_cannot_be_used_are_said_with_the_way_out(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(sqlite_url)
    assert shell("init").code == 0
    kek, store = tmp_path / "log.kek", tmp_path / "log.keys.db"
    record = ("record", "ContactMade", "--subject", "anna", "mode=call", f"content={WORDS}", "--format", "json")

    kek.chmod(0o644)
    done = shell(*record)
    assert (done.code, done.error["error"], done.error["way_out"]) == (8, "KeysUnusable", f"chmod 600 {kek}")
    kek.chmod(0o600)

    right = kek.read_text()
    kek.write_text("ab" * 32)
    assert "not the one that protects" in shell(*record).error["what"]
    kek.write_text("ab")
    assert "no key-encryption key" in shell(*record).error["what"]
    kek.unlink()
    assert "cannot be read" in shell(*record).error["what"]
    kek.touch(0o600)
    kek.write_text(right)

    store.rename(tmp_path / "away")
    done = shell(*record)
    assert (done.code, done.error["error"], done.error["where"]) == (8, "KeysUnusable", str(store))
    (tmp_path / "away").rename(store)
    assert shell("record", "ContactMade", "--subject", "anna", "mode=call").code == 0
    assert shell(*record).code == 0

    other = Shell(f"sqlite:///{tmp_path}/other.db")
    assert other("init").code == 0
    monkeypatch.setenv("LIFECIRCLE_KEYS", f"sqlite:///{tmp_path}/other.keys.db")
    monkeypatch.setenv("LIFECIRCLE_KEK_FILE", f"{tmp_path}/other.kek")
    done = shell(*record)
    assert (done.code, done.error["what"]) == (8, "the key store holds no keys of this log")
    assert WORDS not in done.err
