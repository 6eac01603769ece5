"""Sealing and verifying on both databases: what is signed, what is refused, what is found."""

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event
from time import monotonic, sleep, time_ns

import pytest

from adapters.audit.seal import Seal, read_key
from adapters.audit.sealer import key_path, sealer
from adapters.audit.store import Store
from adapters.audit.verifier import verify_log
from adapters.durable_files import write_whole
from adapters.engine import Engine
from adapters.settings import LIMITS
from domain.company import Company
from domain.errors import SealContradicted, SealerFenced, SealUnusable
from domain.merkle import consistency_proof, consistent
from domain.tails import slot_of, stream_key
from tests.audit.conftest import Sealed
from tests.audit.tamper import (
    Database,
    PostgresDatabase,
    SQLiteDatabase,
    flips,
    lied_to,
    row_operations,
    sealed_flips,
    tampered,
    tampered_seal,
)
from tests.cli.program import Shell, orders

PATIENCE_S = 60


def test_what_is_sealed_verifies_and_the_rest_is_said_to_be_unsealed(sealed: Sealed) -> None:
    assert sealed.seal().sizes == (0,) * sealed.engine.log.buckets
    sealed.record("anna", "bert", "anna")
    head = sealed.seal()
    assert (sum(head.sizes), head.streams) == (3, 2)
    sealed.record("carl")
    assert sealed.verify() == (3, 1, [])
    assert sealed.seal().streams == 3
    assert sealed.verify() == (4, 0, [])


def test_every_bucket_has_its_tree_and_one_head_lists_them(url: str, tmp_path: Path) -> None:
    with Engine.create(url, Company(), buckets=3) as engine:
        sealed = Sealed(url, tmp_path / "shop.seal", engine)
        sealed.record(*(f"c{at}" for at in range(30)))
        head = sealed.seal()
        assert head.sizes == engine.log.heads().numbers
        assert len([size for size in head.sizes if size]) == 3
        assert sealed.verify() == (30, 0, [])
        database = database_of(sealed)
        rows = database.rows()
        assert database.put([row for row in rows if row[0] != 2])
        assert sealed.verify().problems[0][:2] == (2, 1)
        assert database.put([*rows, (4, *rows[0][1:])])
        assert "a bucket that the log does not have" in str(sealed.verify().problems)
        database.close()


def test_every_head_extends_the_one_before(sealed: Sealed) -> None:
    heads = []
    for size in (1, 2, 255, 258, 300):
        while (count := sum(sealed.engine.log.heads().numbers)) < size:
            sealed.record(*(f"c{at % 7}" for at in range(count, size)))
        heads.append(sealed.seal())
    tiles = Seal(sealed.folder, [read_key(sealed.key)]).tiles(1)
    for before, after in pairwise(heads):
        (old, old_root), (new, new_root) = before.trees[0], after.trees[0]
        proof = consistency_proof(old, new, tiles.of_size(new))
        assert consistent(old, new, old_root, new_root, proof)
    assert sealed.verify() == (300, 0, [])


def test_what_the_sealer_remembers_can_be_lost(sealed: Sealed) -> None:
    sealed.record("anna", "bert")
    before = sealed.seal()
    (sealed.folder / "sealer-1.db").unlink()
    sealed.record("anna")
    after = sealed.seal()
    assert after.origin == before.origin
    assert sealed.verify() == (3, 0, [])


def database_of(sealed: Sealed) -> SQLiteDatabase | PostgresDatabase:
    if sealed.url.startswith("sqlite"):
        return SQLiteDatabase(Path(sealed.url.removeprefix("sqlite:///")))
    return PostgresDatabase(sealed.url)


def cut(database: Database, rows: int) -> None:
    assert database.put(database.rows()[:rows])


def test_a_log_restored_from_a_backup_is_refused_until_it_begins_anew(sealed: Sealed) -> None:
    sealed.record("anna", "bert", "anna", "carl")
    first = sealed.seal()
    database = database_of(sealed)
    cut(database, 2)
    with pytest.raises(SealContradicted) as refused:
        sealed.seal()
    assert "1/3" in refused.value.where
    sealed.record("dora", "emil", "dora")
    with pytest.raises(SealContradicted) as refused:
        sealed.seal()
    assert "1/3" in refused.value.where, "regrown beyond what was sealed, it is still another history"
    assert sealed.verify().problems[0][:2] == (1, 3)
    anew = sealed.seal(new_origin=True)
    assert anew.origin == first.origin[:-1] + "2"
    assert anew.supersedes.startswith(first.origin)
    assert sealed.verify() == (5, 0, [])
    sealed.record("anna")
    assert sealed.seal().supersedes == anew.supersedes, "it is said for ever"
    database.close()


def test_one_sealer_leads(sealed: Sealed) -> None:
    with sealer(sealed.engine.log, sealed.url, sealed.folder), pytest.raises(SealerFenced):
        sealed.seal()
    sealed.seal()


def test_a_key_that_others_may_read_or_that_is_gone_is_refused(sealed: Sealed) -> None:
    sealed.seal()
    key = key_path(sealed.folder)
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    with pytest.raises(SealUnusable, match="others may read"):
        sealed.seal()
    key.unlink()
    with pytest.raises(SealUnusable, match="missing"):
        sealed.seal()


def test_a_head_forged_with_another_key_is_found(sealed: Sealed, tmp_path: Path) -> None:
    sealed.record("anna")
    sealed.seal()
    trusted = sealed.key
    shutil.rmtree(sealed.folder)
    key_path(sealed.folder).unlink()
    sealed.seal()
    with pytest.raises(SealContradicted, match="not signed by a trusted key"):
        Seal(sealed.folder, [read_key(trusted)])


def test_a_key_hands_over_to_a_new_one_and_who_trusts_the_old_one_trusts_it(sealed: Sealed) -> None:
    sealed.record("anna")
    sealed.seal()
    first = sealed.key
    with sealer(sealed.engine.log, sealed.url, sealed.folder) as leading:
        leading.rotate()
    assert sealed.key != first
    sealed.record("bert")
    sealed.seal()
    for key in (first, sealed.key):
        seal = Seal(sealed.folder, [read_key(key)])
        assert verify_log(sealed.engine.log, sealed.url, seal) == (2, 0, [])


def test_a_hand_over_that_was_killed_before_its_last_step_goes_on(sealed: Sealed) -> None:
    sealed.record("anna")
    sealed.seal()
    first, path = sealed.key, key_path(sealed.folder)
    old = path.read_bytes()
    with sealer(sealed.engine.log, sealed.url, sealed.folder) as leading:
        leading.rotate()
    path.rename(path.with_name(f"{path.name}.next"))
    write_whole(path, old, mode=0o600)
    sealed.record("bert")
    sealed.seal()
    with sealer(sealed.engine.log, sealed.url, sealed.folder) as leading:
        leading.rotate()
    assert sealed.key != first
    assert verify_log(sealed.engine.log, sealed.url, Seal(sealed.folder, [read_key(first)])) == (2, 0, [])


def test_times_of_sealing_never_go_back_and_a_clock_behind_the_logs_is_told(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.record("anna")
    first = sealed.seal()
    sealed.record("bert")
    hour_ago = time_ns() - 3_600 * 10**9
    monkeypatch.setattr("adapters.audit.sealer.time_ns", lambda: hour_ago)
    told = Shell(sealed.url)("seal", "--seal", str(sealed.folder))
    assert (told.code, "clock is 3600 s behind the log" in told.err.replace("3599", "3600")) == (0, True), told
    assert Seal(sealed.folder, [read_key(sealed.key)]).head.sealed == first.sealed + 1


def test_a_share_of_the_tamper_campaign(sealed: Sealed) -> None:
    sealed.fill_small()
    database = database_of(sealed)
    for changes, every in ((flips, 401), (sealed_flips, 301)):
        found = tampered(sealed, database, changes, every=every)
        assert found.missed == ()
        assert found.done >= 4
    found = tampered(sealed, database, row_operations, every=3)
    assert found.missed == ()
    assert found.done > 5
    found = tampered_seal(sealed, every=97)
    assert found.missed == ()
    database.close()


def test_a_server_that_lies_to_the_verifier_is_found_out(postgres_url: str, tmp_path: Path) -> None:
    with Engine.create(postgres_url, Company()) as engine:
        sealed = Sealed(postgres_url, tmp_path / "shop.seal", engine)
        sealed.record("anna", "bert", "anna")
        sealed.seal()
        found = lied_to(sealed, postgres_url, every=5)
        assert found.missed == ()
        assert found.done > 8


def test_what_is_recorded_while_it_is_verified_is_no_problem(sealed: Sealed) -> None:
    sealed.record(*(f"c{at % 40}" for at in range(300)))
    sealed.seal()
    stop = Event()

    def record() -> None:
        while not stop.is_set():
            sealed.record("anna")

    with ThreadPoolExecutor(1) as beside:
        recording = beside.submit(record)
        try:
            assert [sealed.verify().problems for _ in range(5)] == [[]] * 5
        finally:
            stop.set()
        recording.result()


def test_many_parts_and_several_processes(sealed: Sealed) -> None:
    sealed.record(*(f"c{at % 40}" for at in range(600)))
    sealed.seal()
    object.__setattr__(LIMITS, "verify_part_touchpoints", 100)
    try:
        assert sealed.verify() == (600, 0, [])
        database = database_of(sealed)
        cut(database, 599)
        assert sealed.verify().problems[0][:2] == (1, 600)
        database.close()
    finally:
        object.__setattr__(LIMITS, "verify_part_touchpoints", 20_000)


def test_a_sealer_that_is_killed_goes_on(shop_folder: Path, url: str) -> None:
    shell = Shell(url)
    assert shell("init").code == 0
    for round_ in range(3):
        with shell.start("seal", "--seal", "shop.seal", "--follow") as running:
            shell("record", "--json", "-", stdin=orders([f"{round_}-{n}" for n in range(100)]))
            head, until = shop_folder / "shop.seal" / "head", monotonic() + PATIENCE_S
            seen = head.read_bytes() if head.exists() else b""
            while not head.exists() or head.read_bytes() == seen:
                assert monotonic() < until
                sleep(0.01 * round_)
            os.kill(running.pid, signal.SIGKILL)
    assert shell("seal", "--seal", "shop.seal").code == 0
    told = shell("verify", "--seal", "shop.seal", "--key", "shop.seal/key.pub", "--format", "json")
    assert told.json == [{"sealed": 300, "unsealed": 0}]


@pytest.fixture
def shop_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIFECIRCLE_ID_KEY", raising=False)
    return tmp_path


def test_what_a_sealer_remembers_is_the_same_asked_one_by_one_or_all_at_once(tmp_path: Path) -> None:
    with closing(Store.writing(tmp_path / "sealer.db")) as store:
        keys = sorted(stream_key(b"%d" % at) for at in range(400))
        store.put({}, [(key, 1, key) for key in keys])
        store.put({}, [(key, 2, bytes(32)) for key in keys[::2]])
        every, few = dict(store.slots()), set(map(slot_of, keys[:5]))
        assert dict(store.slots_among(few)) == {slot: every[slot] for slot in few}
        assert dict(store.slots_among(set(every))) == every
        assert store.tails([keys[3], bytes(32), keys[4]]) == {keys[3]: (1, keys[3]), keys[4]: (2, bytes(32))}
        assert store.tails([]) == {}


def test_much_to_read_is_signed_on_the_way_and_a_killed_sealer_loses_none_of_that(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "adapters.audit.sealer.LIMITS", replace(LIMITS, seal_page_touchpoints=10, seal_unsigned_max_s=0)
    )

    def killed(done: int, total: int) -> None:
        if done * 2 > total:
            raise KeyboardInterrupt

    with Engine.create(url, Company()) as engine:
        sealed = Sealed(url, tmp_path / "shop.seal", engine)
        sealed.record(*(f"c{at % 7}" for at in range(60)))
        with sealer(engine.log, url, sealed.folder) as leading, pytest.raises(KeyboardInterrupt):
            leading.seal(killed)
        assert 0 < sealed.verify().sealed < 60
        assert sealed.verify().problems == []
        assert sealed.seal().sizes == engine.log.heads().numbers
        assert sealed.verify() == (60, 0, [])
