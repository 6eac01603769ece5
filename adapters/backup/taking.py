"""Taking a backup while everything goes on: parts in an order in which none knows of what another lacks.

Subscriptions and the seal come before the touchpoints, so that neither has seen more than the log; the keys come after
them, so that none is missing under which something is sealed.
"""

from contextlib import closing
from functools import partial
from pathlib import Path

import orjson

from adapters.addresses import open_reading, open_writing
from adapters.audit.seal import Seal, read_key
from adapters.audit.snapshot import copy_seal
from adapters.audit.verifier import verify_log
from adapters.backup import belongings
from adapters.backup.manifest import BackupDamaged, Manifest, parts_of
from adapters.clock import clock_us
from adapters.copying import write_all
from adapters.engine import Engine
from adapters.log import Log
from adapters.outgoing.carrying import Carried
from adapters.privacy.keystore import KeyStore, keystore_url
from adapters.progress import StagedProgress
from domain.errors import LifecircleError

LOG, KEYS, SEAL, OUTGOING, SECRETS = "log.db", "keys.db", "seal", "outgoing.json", "secrets.sealed"
"""The parts of a backup: the log itself as a SQLite file, whatever database it is in."""


class BackupExists(LifecircleError):
    """There is something already where a backup is to be."""

    exit_code = 4


def take_backup(url: str, folder: Path, seal: Path, on_progress: StagedProgress) -> Manifest:
    """Write all that belongs to a log into a new folder, and check it.

    Args:
        url: the log.
        folder: is made; or is there, and empty.
        seal: where the log's seal is, if it has one.
        on_progress: told how far copying, checking and verifying have come.

    Raises:
        BackupExists: the folder holds something.
        BackupDamaged: what was written is not what was sealed.
        LogNotFound, NotOurLog, LogUnavailable: the log cannot be read.
        KeysUnusable: its keys are not to be had.
        SealUnusable, SealContradicted: the seal cannot be copied.
        CopyDiffers: what was read back is not what was written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(folder.iterdir()):
        raise BackupExists(
            "there is something already where the backup is to be",
            where=str(folder),
            rule="a backup is a folder of its own; one that was stopped on the way is none, and may be deleted",
            way_out="name another folder",
        )
    folder.chmod(0o700)
    with Engine.open(url) as engine:
        return _take(engine, folder, seal, on_progress)


def _take(engine: Engine, folder: Path, seal: Path, on_progress: StagedProgress) -> Manifest:
    url, log, realm = engine.url, engine.log, engine.sealing.realm
    key = engine.sealing.keyring.of_log(realm)
    carried = Carried.of_log(url)
    (folder / OUTGOING).write_bytes(orjson.dumps(carried._asdict(), option=orjson.OPT_INDENT_2))
    if (seal / "head").exists():
        copy_seal(seal, folder / SEAL)
    inside = f"sqlite:///{folder / LOG}"
    company = log.settings()[0].company
    with (
        closing(open_reading(url)) as reading,
        open_writing(inside, company, log.buckets, log.log_id) as writing,
    ):
        cut, _ = write_all(log.heads, reading, writing, log.buckets, on_progress)
    epoch = _copy_keys(url, folder, realm)
    (folder / SECRETS).write_bytes(belongings.sealed(belongings.places(url, seal, carried), key))
    verify(log, inside, folder / SEAL, on_progress)
    manifest = Manifest(
        log=log.log_id.hex(),
        realm=realm.hex(),
        buckets=log.buckets,
        cut=str(cut),
        touchpoints=sum(cut.numbers),
        epoch=epoch,
        taken=clock_us(),
        files=parts_of(folder),
    )
    manifest.write(folder, key)
    return manifest


def _copy_keys(url: str, folder: Path, realm: bytes) -> int:
    with (
        closing(KeyStore(keystore_url(url))) as store,
        closing(KeyStore.make(f"sqlite:///{folder / KEYS}")) as copy,
    ):
        epoch = store.copy_to(copy, realm)
    assert epoch is not None  # noqa: S101 - it was made empty
    return epoch


def verify(log: Log, url: str, seal: Path, on_progress: StagedProgress) -> int:
    """Compare the rows at an address with a seal; answer how many touchpoints are sealed, none where there is no seal.

    Raises:
        BackupDamaged: something is not as it was sealed.
    """
    if not (seal / "head").exists():
        return 0
    signed = Seal(seal, [read_key(str(seal / "key.pub"))])
    sealed, _, problems = verify_log(log, url, signed, partial(on_progress, "verifying"))
    if problems:
        bucket, number, what = problems[0]
        raise BackupDamaged(
            what,
            where=f"position {bucket}/{number}",
            rule=f"{len(problems)} positions are not as they were sealed",
            way_out="look at the log itself with: lifecircle verify",
        )
    return sealed
