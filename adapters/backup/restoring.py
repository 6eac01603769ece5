"""The way back: a backup checked, put where nothing is yet, and verified there."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import orjson

from adapters.addresses import open_log, open_reading, open_writing
from adapters.audit.seal import Seal, read_key
from adapters.audit.snapshot import copy_seal
from adapters.backup import belongings
from adapters.backup.manifest import Manifest, read_manifest
from adapters.backup.taking import KEYS, LOG, OUTGOING, SEAL, SECRETS, verify
from adapters.configuration import without_password
from adapters.copying import write_all
from adapters.cursor import Cursor
from adapters.outgoing.carrying import Carried
from adapters.privacy.kek import kek_told
from adapters.privacy.keyring import THE_LOG, DataKey, Keyring
from adapters.privacy.keystore import KeyStore, keystore_file, keystore_told, keystore_url
from adapters.progress import StagedProgress
from adapters.schema_steps import checked_format
from domain.company import Company
from domain.errors import KeysUnusable, LifecircleError, LogExists, LogNotFound


class SubscriptionsDiffer(LifecircleError):
    """There are other subscriptions where those of a backup are to be."""

    exit_code = 4


class Restored(NamedTuple):
    """What was restored, how many touchpoints of it are as they were sealed, and what an operator should know."""

    manifest: Manifest
    sealed: int
    told: list[str]


def restore(folder: Path, url: str, seal: Path, on_progress: StagedProgress) -> Restored:
    """Put the log of a backup, and what belongs to it, where no log is yet, and verify it there.

    It is the same log: id, positions, cursors and checkpoints are those of before. A key store that is there stays, and
    so does every other secret file: they are newer than the backup, and whoever was forgotten stays forgotten.

    Args:
        folder: the backup.
        url: where the log is to be; either database, whatever it was in.
        seal: where the log's seal is to be.
        on_progress: told how far copying, checking and verifying have come.

    Raises:
        BackupDamaged: the backup is cut or altered, or the folder holds none.
        LogExists: there is a log already.
        KeysUnusable: neither the key store that is there nor that of the backup can be used.
        SubscriptionsDiffer: there are other subscriptions already.
        LogUnavailable, LogNotWritable: the database was lost, or its disk is full; there is no log yet.
    """
    manifest = read_manifest(folder)
    _nothing_there(url)
    realm, told = bytes.fromhex(manifest.realm), list[str]()
    with _keys(folder, url, realm, manifest.epoch) as (keyring, brought):
        key = keyring.of_log(realm)
        manifest.check(folder, key)
        carried = _carried(folder, url)
        if brought is not None:
            with closing(KeyStore.make(keystore_url(url))) as store:
                if brought.copy_to(store, realm) is None:
                    raise _others(url)
            told.append(f"keys of personal data: restored to {keystore_told(url)}, as they were in the backup")
        else:
            told.append(f"keys of personal data: those at {keystore_told(url)} stay as they are")
        told += _secrets(folder, url, seal, carried, key)
    told += _seal(folder / SEAL, seal)
    _write(folder, url, manifest, on_progress)
    with closing(open_log(url)) as log:
        return Restored(manifest, verify(log, url, folder / SEAL, on_progress), told)


def _write(folder: Path, url: str, manifest: Manifest, on_progress: StagedProgress) -> None:
    """Write the log; the backup is only read, for it may lie where nothing can be written."""
    with closing(open_reading(f"sqlite:///{folder / LOG}?mode=ro")) as reading:
        columns, rows = reading.table("log")
        told = dict(zip(columns, next(rows), strict=True))
        checked_format(told["format_version"], str(folder))
        log_id = bytes.fromhex(manifest.log)
        cut = Cursor.read(manifest.cut, log_id, manifest.buckets)
        with open_writing(url, Company.model_validate_json(told["company"]), manifest.buckets, log_id) as writing:
            write_all(lambda: cut, reading, writing, manifest.buckets, on_progress)


def _nothing_there(url: str) -> None:
    try:
        open_log(url).close()
    except LogNotFound:
        return
    raise LogExists(
        "there is a log already",
        where=without_password(url),
        rule="a backup is restored where nothing is, so that nothing is lost by it",
        way_out="name another place, or move the log that is there away first",
    )


@contextmanager
def _keys(folder: Path, url: str, realm: bytes, epoch: int) -> Iterator[tuple[Keyring, KeyStore | None]]:
    """The keys to go on with: those that are there, or those of the backup, which then are to be brought there."""
    if _has_keys(url, realm):
        with closing(Keyring(url)) as keyring:
            yield keyring, None
        return
    with TemporaryDirectory(prefix="lifecircle-restore-") as scratch:
        # A copy, for a store that is opened is written, and a backup is only read.
        shutil.copyfile(folder / KEYS, Path(scratch) / KEYS)
        with closing(KeyStore(f"sqlite:///{scratch}/{KEYS}")) as store:
            keyring = Keyring(url, store=store)
            try:
                keyring.of_log(realm)
            except KeysUnusable as error:
                raise KeysUnusable(
                    "the keys in this backup cannot be opened",
                    where=str(folder / KEYS),
                    rule=f"{error.what}; they open under the key-encryption key of epoch {epoch} alone, which the next "
                    "rotation destroys, so that no backup brings back who was forgotten",
                    way_out=f"put that key at {kek_told(url)}, or name it by LIFECIRCLE_KEK_FILE; or give the address "
                    "of the key store that is in use in LIFECIRCLE_KEYS",
                ) from error
            yield keyring, store


def _has_keys(url: str, realm: bytes) -> bool:
    address = keystore_url(url)
    path = keystore_file(address)
    if path is not None and not path.exists():
        return False
    try:
        store = KeyStore(address)
    except KeysUnusable:
        if path is not None:
            raise
        return (
            False  # a database that is there and has no key store yet; whether it can be reached shows when it is made
        )
    with closing(store):
        if store.empty():
            return False
        _, found = store.keys(realm, [THE_LOG])
    if not found:
        raise _others(url)
    return True


def _others(url: str) -> KeysUnusable:
    return KeysUnusable(
        "the key store that is there holds the keys of other logs, and none of this one",
        where=keystore_told(url),
        rule="the keys of a backup are put where no keys are",
        way_out="name an empty place in LIFECIRCLE_KEYS, or the key store that this log had",
    )


def _carried(folder: Path, url: str) -> Carried:
    told = orjson.loads((folder / OUTGOING).read_bytes())
    carried = Carried(*([tuple(row) for row in told[name]] for name in Carried._fields))
    if not carried.put(url):
        raise SubscriptionsDiffer(
            "there are other subscriptions already where those of the backup are to be",
            where="subscriptions",
            rule="a subscription that has seen more than the log holds would leave out what is recorded next",
            way_out="move NAME.outgoing.db away, or drop schema lifecircle_outgoing, then do it again",
        )
    return carried


def _secrets(folder: Path, url: str, seal: Path, carried: Carried, key: DataKey) -> list[str]:
    paths = belongings.places(url, seal, carried)
    done = belongings.put(belongings.opened((folder / SECRETS).read_bytes(), key), paths)
    return [f"{name}: {'restored to' if new else 'stays as it is at'} {paths[name]}" for name, new in done]


def _seal(kept: Path, seal: Path) -> list[str]:
    """Put the seal of a backup in its place; one that is there stays, for it may have signed more."""
    if not (kept / "head").exists():
        return ["seal: none was made when the backup was; it was compared byte for byte only"]
    if not (seal / "head").exists():
        copy_seal(kept, seal)
        return [f"seal: restored to {seal}"]
    theirs, ours = (Seal(each, [read_key(str(each / "key.pub"))]).head for each in (seal, kept))
    if (lost := sum(theirs.sizes) - sum(ours.sizes)) > 0:
        more = f"seal: {seal} stays as it is, and has signed {lost} touchpoints more than the backup's"
        return [f"{more}; if they are lost, say so openly: lifecircle seal --new-origin"]
    return [f"seal: {seal} stays as it is"]
