"""Backups: taken while everything goes on, refused when cut or altered, and no way round an erasure."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

import pytest

from adapters.addresses import open_log
from adapters.apikeys import ApiKeys, Role
from adapters.audit.seal import seal_path
from adapters.audit.sealer import sealer
from adapters.backup.manifest import MANIFEST, BackupDamaged, Manifest
from adapters.backup.restoring import Restored, SubscriptionsDiffer, restore
from adapters.backup.taking import BackupExists, take_backup
from adapters.copying import copy_log
from adapters.cursor import Cursor
from adapters.data_subjects.erasure import erase
from adapters.engine import Engine
from adapters.idkey import make_id_key, read_id_key
from adapters.log import Stored
from adapters.outgoing.carrying import Carried, carry
from adapters.outgoing.signing import Secrets
from adapters.outgoing.subscriptions import Held, Settled, Subscriptions
from adapters.outgoing.wanted import Wanted
from adapters.privacy.kek import kek_path
from adapters.privacy.keystore import keystore_url
from domain.errors import KeysUnusable, LogExists, LogNotFound
from tests.conftest import fresh_database
from tests.privacy.people import registered
from tests.read_side.story import called

MOVES = pytest.mark.parametrize(
    ("shop", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")], indirect=["shop"]
)
PLACES = ("KEYS", "KEK_FILE", "KEY", "API_KEYS", "SEAL", "WEBHOOK_SECRETS")
SALT = b"\x01" * 5


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What belongs to a log lies beside it: the files of a PostgreSQL log in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    for name in PLACES:
        monkeypatch.delenv(f"LIFECIRCLE_{name}", raising=False)


@dataclass(frozen=True)
class Shop:
    """A log with all that belongs to one, and an account with its receiver."""

    url: str
    api_key: str

    @property
    def seal(self) -> Path:
        return seal_path(self.url, None)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An address without a log on each database, in a folder of its own."""
    with ExitStack() as stack:
        yield {"sqlite": f"sqlite:///{tmp_path}/back.db", "postgresql": stack.enter_context(fresh_database())}


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/shop.db"
        if getattr(request, "param", "") == "postgresql":
            url = stack.enter_context(fresh_database())
        with Engine.create(url, buckets=2) as engine:
            make_id_key(url)
            engine.append([registered(engine), *(called(f"c{n}", f"a{n}") for n in range(600))])
            with sealer(engine.log, url, seal_path(url, None)) as leading:
                leading.seal()
            with closing(Subscriptions(url)) as subscriptions:
                subscriptions.add(Wanted(name="till", to="https://till.example/hook"), engine.log.heads())
            Secrets(url, "till").make()
        yield Shop(url, ApiKeys.of_log(url).make("till", [Role.APPENDER]))


def _nobody(_doing: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def _backup(shop: Shop, folder: Path) -> Manifest:
    return take_backup(shop.url, folder, shop.seal, _nobody)


def _restore(folder: Path, url: str) -> Restored:
    return restore(folder, url, seal_path(url, None), _nobody)


def _rows(url: str) -> list[Stored]:
    with closing(open_log(url)) as log:
        return log.read(log.start(), 10**6)


def _lend_kek(shop: Shop, url: str) -> None:
    """Put the key-encryption key, which is in no backup, where the log at an address looks for it."""
    shutil.copy(kek_path(shop.url), kek_path(url))


@MOVES
def test_what_was_backed_up_while_touchpoints_came_is_the_same_log_again(
    shop: Shop, place: dict[str, str], target: str, tmp_path: Path
) -> None:
    stop, url = Event(), place[target]
    with Engine.open(shop.url) as engine:

        def seal() -> None:
            with sealer(engine.log, shop.url, shop.seal) as leading:
                leading.follow(stop, lambda _: None)

        def trade() -> None:
            for n in range(10**6):
                if stop.is_set():
                    return
                engine.append([called(f"c{n % 50}", f"b{n}"), registered(engine, f"p{n}")])

        works = [Thread(target=trade), Thread(target=seal)]
        for work in works:
            work.start()
        before = sum(engine.log.heads().numbers)
        manifest = _backup(shop, tmp_path / "backup")
        after = sum(engine.log.heads().numbers)
        stop.set()
        for work in works:
            work.join()
        cut = engine.cursor(manifest.cut)
        log_id, realm = engine.log.log_id, engine.sealing.realm

    assert before < manifest.touchpoints < after
    _lend_kek(shop, url)
    restored = _restore(tmp_path / "backup", url)

    assert 601 <= restored.sealed <= manifest.touchpoints
    within = [row for row in _rows(shop.url) if row.number <= cut.numbers[row.bucket - 1]]
    assert _rows(url) == within
    with Engine.open(url) as engine:
        assert (engine.log.log_id, engine.sealing.realm) == (log_id, realm)
        assert engine.cursor(manifest.cut) == engine.log.heads()
        for subject in ("anna", *(row.stream for row in within if row.stream.startswith("p"))):
            assert engine.sealing.opened(engine.log.stream(subject)[0].state)
        again = engine.append([called("c1", "a1")])
        assert again[0].repeat
    assert read_id_key(url) == read_id_key(shop.url)
    assert ApiKeys.of_log(url).principal(shop.api_key)
    assert Secrets(url, "till").all() == Secrets(shop.url, "till").all()
    assert Carried.of_log(url) == Carried.of_log(shop.url)
    with Engine.open(url) as engine, sealer(engine.log, url, seal_path(url, None)) as leading:
        # The sealer goes on under the same key, from where it was.
        assert sum(leading.seal().sizes) == manifest.touchpoints


def test_a_backup_that_is_cut_or_altered_is_refused_and_writes_nothing(
    shop: Shop, place: dict[str, str], tmp_path: Path
) -> None:
    whole, url = tmp_path / "backup", place["sqlite"]
    _backup(shop, whole)
    _lend_kek(shop, url)
    beside = set(tmp_path.iterdir())
    names = [path.relative_to(whole) for path in sorted(whole.rglob("*")) if path.is_file()]
    assert {name.parts[0] for name in names} == {
        "log.db", "keys.db", "seal", "outgoing.json", "secrets.sealed", MANIFEST
    }  # fmt: skip

    for name in names:
        content = (whole / name).read_bytes()
        middle = len(content) // 2
        (whole / name).unlink()
        with pytest.raises(BackupDamaged):
            _restore(whole, url)
        for damaged in (content[:middle], content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]):
            (whole / name).write_bytes(damaged)
            with pytest.raises(BackupDamaged):
                _restore(whole, url)
        (whole / name).write_bytes(content)
    (whole / "more").touch()
    with pytest.raises(BackupDamaged, match="damaged"):
        _restore(whole, url)

    assert set(tmp_path.iterdir()) == beside
    with pytest.raises(LogNotFound):
        open_log(url)


@pytest.mark.parametrize("part", ["outgoing.json", "log.db"])
def test_whoever_alters_a_backup_and_its_digests_is_found_by_the_key_of_the_log(
    shop: Shop, place: dict[str, str], tmp_path: Path, part: str
) -> None:
    folder, url = tmp_path / "backup", place["sqlite"]
    _backup(shop, folder)
    _lend_kek(shop, url)
    content = (folder / part).read_bytes().replace(b"till.example", b"evil.example").replace(b"c17", b"c18")
    (folder / part).write_bytes(content)
    told = json.loads((folder / MANIFEST).read_bytes())
    told["files"][part] = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(told))

    with pytest.raises(BackupDamaged, match="altered"):
        _restore(folder, url)
    with pytest.raises(LogNotFound):
        open_log(url)


def test_a_backup_brings_nobody_back_who_was_forgotten(shop: Shop, place: dict[str, str], tmp_path: Path) -> None:
    folder, url = tmp_path / "backup", place["postgresql"]
    _backup(shop, folder)
    with Engine.open(shop.url) as engine:
        erase(engine, "anna", basis="GDPR 17", by="dpo", recordedby="test")
        state = engine.log.stream("anna")[0].state
        forgotten = engine.sealing.opened(state)

    # The key store that is in use stays, and is newer than the backup: no rotation is needed.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIFECIRCLE_KEYS", keystore_url(shop.url))
        patch.setenv("LIFECIRCLE_KEK_FILE", str(kek_path(shop.url)))
        _restore(folder, url)
        with Engine.open(url) as engine:
            assert engine.sealing.opened(state) == forgotten

    # Where it is lost, the keys of a backup open until the next rotation, and under the key-encryption key of then.
    with pytest.raises(KeysUnusable, match="cannot be opened") as unprotected:
        _restore(folder, place["sqlite"])
    assert str(kek_path(place["sqlite"])) in unprotected.value.way_out
    with Engine.open(shop.url) as engine:
        engine.sealing.keyring.rotate()
    _lend_kek(shop, place["sqlite"])
    with pytest.raises(KeysUnusable, match="cannot be opened"):
        _restore(folder, place["sqlite"])
    with pytest.raises(LogNotFound):
        open_log(place["sqlite"])


def test_nothing_is_restored_or_backed_up_over_what_is_there(shop: Shop, place: dict[str, str], tmp_path: Path) -> None:
    folder, url = tmp_path / "backup", place["sqlite"]
    _backup(shop, folder)

    with pytest.raises(BackupExists):
        _backup(shop, folder)
    with pytest.raises(LogExists):
        _restore(folder, shop.url)
    (folder / MANIFEST).unlink()
    with pytest.raises(BackupDamaged, match="came to its end"):
        _restore(folder, url)
    shutil.rmtree(folder)
    _backup(shop, folder)
    _lend_kek(shop, url)
    with closing(Subscriptions(url)) as subscriptions:
        subscriptions.add(Wanted(name="other", to="https://other.example/hook"), Cursor(SALT, (0, 0)))
    with pytest.raises(SubscriptionsDiffer):
        _restore(folder, url)
    with pytest.raises(LogNotFound):
        open_log(url)


@MOVES
def test_subscriptions_come_along_with_a_copy_and_rest_there(shop: Shop, place: dict[str, str], target: str) -> None:
    with Engine.open(shop.url) as engine, closing(Subscriptions(shop.url)) as subscriptions:
        standing = subscriptions.get("till")
        waiting = engine.log.stream("c7")[0]
        held = Held("c7", waiting.bucket, waiting.number, waiting.id, 2, 0, parked=True, answer="500", answered_us=1)
        subscriptions.settle(standing, Settled(engine.log.heads(), delivered=3, hold=[held]))
        engine.append([called("c1", "later")])
    copy_log(shop.url, place[target], 3)

    assert carry(shop.url, place[target]) == ["till"]

    with Engine.open(place[target]) as engine, closing(Subscriptions(place[target])) as subscriptions:
        standing = subscriptions.get("till")
        (moved,) = subscriptions.held("till")
        unseen = engine.log.read(engine.cursor(standing.cursor), 10**6)
        assert (standing.state, standing.delivered) == ("paused", 3)
        assert "later" in {row.id for row in unseen}
        assert (moved.subject, moved.parked) == ("c7", True)
        (row,) = engine.log.stream("c7")
        assert (moved.bucket, moved.number) == (row.bucket, row.number)
