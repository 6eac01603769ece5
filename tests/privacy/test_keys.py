"""Keys: one for each person, made once however many ask, protected in epochs, in a file or on a server."""

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from adapters.engine import Engine
from adapters.privacy.keyring import DataKey, Keyring
from domain.errors import KeysUnusable
from tests.cli.program import Shell
from tests.conftest import fresh_database
from tests.privacy.people import registered, told
from tests.privacy.service import KEY

REALM = bytes(16)


@pytest.fixture(params=["file", "server"])
def keyring_url(request: pytest.FixtureRequest, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A log whose key store is a file, or on a PostgreSQL server."""
    if request.param == "server":
        keys = request.getfixturevalue("postgres_url")
        monkeypatch.setenv("LIFECIRCLE_KEYS", keys)
    return sqlite_url


def test_a_person_has_one_key_whoever_asks_for_it_first(keyring_url: str) -> None:
    rings = [Keyring(keyring_url) for _ in range(3)]
    rings[0].prepare()
    persons = [f"p{number}" for number in range(20)]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda at: [rings[at % 3].of(REALM, person) for person in persons], range(6)))
    for ring in rings:
        assert ring.at_hand(REALM, ["nobody"]) == {}
    tags = {tuple(key.derived(b"x") if key else b"" for key in keys) for keys in made}
    assert len(tags) == 1
    assert len(set(tags.pop())) == len(persons)
    for ring in rings:
        ring.close()


def test_of_several_keys_those_that_others_made_meanwhile_are_taken(keyring_url: str) -> None:
    ours, theirs = Keyring(keyring_url), Keyring(keyring_url)
    ours.prepare()
    ours.ensure(REALM, ["o"])
    theirs.ensure(REALM, ["b", "d"])
    theirs.destroy(REALM, ["d"])
    made = {person: ours.unsettled(REALM, person) for person in "abcd"}
    assert ours.settle(REALM, made.items()) == {"b", "d"}
    for person, key in made.items():
        assert key.same_as(theirs.at_hand(REALM, [person])[person]) is (person in "ac")
    theirs.rotate()
    assert ours.settle(REALM, [("e", ours.unsettled(REALM, "e"))]) == set(), "sealed under the new epoch"
    assert theirs.known(REALM, "e").same_as(ours.known(REALM, "e"))
    for ring in (ours, theirs):
        ring.close()


def test_a_rotation_keeps_all_keys_and_ends_older_copies(keyring_url: str, tmp_path: Path) -> None:
    with Engine.create(keyring_url) as engine:
        engine.append([registered(engine), registered(engine, "bert")])
        other = Engine.open(keyring_url)
        other.append([told(other, "ContactMade", "anna", "c1", mode="call", content="hello")])
        copy = tmp_path / "copy"
        copy.mkdir()
        store = tmp_path / "log.keys.db"
        for path in (store, tmp_path / "log.db"):
            if path.exists():
                with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy / path.name)) as target:
                    source.backup(target)
        before = (tmp_path / "log.kek").read_text()
        assert engine.sealing.keyring.rotate() == 2
        assert (tmp_path / "log.kek").read_text() != before
        # What another process has in memory goes on; what it makes anew is made under the new epoch.
        other.append([told(other, "ContactMade", "carl", "c1", mode="call", content="hello")])
        other.close()
    with Engine.open(keyring_url) as engine:
        for subject in ("anna", "bert", "carl"):
            assert engine.sealing.opened(engine.log.stream(subject)[-1].state)
    if store.exists():
        shutil.copy(tmp_path / "log.kek", copy / "log.kek")
        with Engine.open(f"sqlite:///{copy}/log.db") as engine, pytest.raises(KeysUnusable):
            engine.sealing.opened(engine.log.stream("anna")[0].state)


def test_keys_that_are_made_while_others_rotate_open_afterwards(keyring_url: str) -> None:
    def make(ring: Keyring, at: int) -> list[DataKey | None]:
        return [ring.of(REALM, f"p{at}-{number}") for number in range(60)]

    rings = [Keyring(keyring_url) for _ in range(3)]
    rings[0].prepare()
    with ThreadPoolExecutor(2) as pool:
        making = [pool.submit(make, rings[at], at) for at in (1, 2)]
        while not all(each.done() for each in making):
            rings[0].rotate()
        made = {key.derived(b"x") for each in making for key in each.result() if key}
    with closing(Keyring(keyring_url)) as fresh:
        found = fresh.at_hand(REALM, [f"p{at}-{number}" for at in (1, 2) for number in range(60)])
    assert {key.derived(b"x") for key in found.values() if key} == made
    assert len(made) == 120
    for ring in rings:
        ring.close()
    assert [path.name for path in Path().glob("*.kek*")] == ["log.kek"]


def test_a_rotation_that_was_cut_off_is_finished_by_whoever_comes_next(sqlite_url: str, tmp_path: Path) -> None:
    with Engine.create(sqlite_url) as engine:
        engine.append([registered(engine)])
        kek = tmp_path / "log.kek"
        before = kek.read_bytes()
        engine.sealing.keyring.rotate()
    kek.rename(tmp_path / "log.kek.next")  # the store has changed, the file has not yet
    kek.touch(0o600)
    kek.write_bytes(before)
    with Engine.open(sqlite_url) as engine:
        assert engine.sealing.opened(engine.log.stream("anna")[0].state)
    assert not (tmp_path / "log.kek.next").exists()
    with Engine.open(sqlite_url) as engine:
        assert engine.sealing.keyring.rotate() == 3


def test_the_key_may_come_in_the_environment(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFECIRCLE_KEK", "ab" * 32)
    shell = Shell(sqlite_url)
    assert "protected by: the environment, LIFECIRCLE_KEK" in shell("init").out
    assert not (tmp_path / "log.kek").exists()
    assert shell("record", "ContactMade", "--subject", "anna", "mode=call", "content=hello").code == 0
    assert shell("keys", "rotate").code == 8
    monkeypatch.setenv("LIFECIRCLE_KEK_NEXT", "cd" * 32)
    assert "epoch 2" in shell("keys", "rotate").out
    assert shell("history", "anna", "--open", "--purpose", "a test").code == 8
    monkeypatch.setenv("LIFECIRCLE_KEK", "cd" * 32)
    assert "content hello" in shell("history", "anna", "--open", "--purpose", "a test").out
    log_id = shell("status", "--format", "json").json["log"]
    assert [each["type"] for each in shell("history", f"log/{log_id}", "--format", "json").json] == [
        "KeyRotated",
        "PersonalDataOpened",
    ]


def test_a_service_is_asked_once_for_a_program_and_not_for_a_person(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFECIRCLE_KEK", "tests.privacy.service:KEY")
    with Engine.create(sqlite_url) as engine:
        engine.append([registered(engine, f"p{number}") for number in range(20)])
    assert not (tmp_path / "log.kek").exists()
    before = KEY.asked
    with Engine.open(sqlite_url) as engine:
        for number in range(20):
            assert engine.sealing.opened(engine.log.stream(f"p{number}")[0].state)
        assert KEY.asked == before + 1
        assert engine.sealing.keyring.rotate() == 2
    with Engine.open(sqlite_url) as engine:
        assert engine.sealing.opened(engine.log.stream("p3")[0].state)
    monkeypatch.setenv("LIFECIRCLE_KEK", "tests.privacy.service:NONE")
    with Engine.open(sqlite_url) as engine, pytest.raises(KeysUnusable, match="AttributeError"):
        engine.sealing.opened(engine.log.stream("p3")[0].state)


def test_a_copied_log_opens_with_the_keys_of_the_log_before(sqlite_url: str, tmp_path: Path) -> None:
    shell = Shell(sqlite_url)
    assert shell("init").code == 0
    assert shell("record", "ContactMade", "--subject", "anna", "--id", "c1", "mode=call", "content=hello").code == 0
    with fresh_database() as target:
        assert shell("copy", sqlite_url, target).code == 0
        assert shell.at(target)("history", "anna", "--open", "--purpose", "a test").code == 8
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LIFECIRCLE_KEYS", f"sqlite:///{tmp_path}/log.keys.db")
            patch.setenv("LIFECIRCLE_KEK_FILE", f"{tmp_path}/log.kek")
            assert "content hello" in shell.at(target)("history", "anna", "--open", "--purpose", "a test").out
