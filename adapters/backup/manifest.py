"""What a backup holds, by name, length and digest, and that whoever made it had the keys of the log."""

import hmac
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.durable_files import write_whole
from adapters.privacy.keyring import DataKey
from domain.errors import LifecircleError

MANIFEST = "manifest.json"
"""It is written last: a folder without it is no backup yet."""

_Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")]


class BackupDamaged(LifecircleError):
    """A backup is cut, altered, or none."""

    exit_code = 12


class Part(BaseModel):
    """One file of a backup: its length in bytes, and the SHA-256 of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    sha256: _Hex


class Manifest(BaseModel):
    """What a backup is of, and which files it has.

    format: of the backup; log: the log's id; realm: the id under which its keys are known; cut: the cursor up to which
    it holds touchpoints; epoch: that of the key store; taken: when, in microseconds since 1970 UTC; hmac: of all this,
    under a key that is derived from the log's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    log: _Hex
    realm: _Hex
    buckets: int
    cut: str
    touchpoints: int
    epoch: int
    taken: int
    files: dict[str, Part]
    hmac: _Hex = ""

    def write(self, folder: Path, key: DataKey) -> None:
        """Put it in its place, which ends the backup."""
        signed = self.model_copy(update={"hmac": self._mac(key)})
        write_whole(folder / MANIFEST, signed.model_dump_json(indent=1).encode(), mode=0o600)

    def check(self, folder: Path, key: DataKey) -> None:
        """Check that whoever made it had the log's key.

        Raises:
            BackupDamaged: they had not.
        """
        if not hmac.compare_digest(self.hmac, self._mac(key)):
            raise BackupDamaged(
                "this backup was altered",
                where=str(folder / MANIFEST),
                rule="what it holds is authenticated by a key that only its log has",
                way_out="take another backup; keep this one for whoever investigates",
            )

    def _mac(self, key: DataKey) -> str:
        body = self.model_copy(update={"hmac": ""}).model_dump_json().encode()
        return hmac.digest(key.derived(b"lifecircle backup 1"), body, "sha256").hex()


def parts_of(folder: Path) -> dict[str, Part]:
    """Every file of a backup but its manifest, by its name in the folder."""
    return {name: _part(folder / name) for name in sorted(_names(folder))}


def read_manifest(folder: Path) -> Manifest:
    """Read what a backup holds, and check that all of it is there as it was written.

    Raises:
        BackupDamaged: it is cut or altered, or the folder holds no backup.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise BackupDamaged(
            "this folder holds no backup that came to its end",
            where=str(folder),
            rule=f"a backup is whole when its {MANIFEST} is there",
            way_out="name the folder of one: lifecircle backup",
        ) from None
    except (OSError, ValidationError) as error:
        told = error.strerror if isinstance(error, OSError) else "not as lifecircle backup writes it"
        raise _damaged(folder / MANIFEST, told or "") from None
    for name in sorted(manifest.files.keys() ^ _names(folder)):
        raise _damaged(folder / name, "missing" if name in manifest.files else "not a part of this backup")
    for name, part in manifest.files.items():
        found = _part(folder / name)
        if found.bytes != part.bytes:
            raise _damaged(folder / name, f"it has {found.bytes:,} bytes instead of {part.bytes:,}")
        if found.sha256 != part.sha256:
            raise _damaged(folder / name, "its content has another digest")
    return manifest


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in _files(folder)} - {MANIFEST}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())


def _part(path: Path) -> Part:
    with path.open("rb") as file:
        return Part(sha256=file_digest(file, "sha256").hexdigest(), bytes=file.tell())


def _damaged(path: Path, rule: str) -> BackupDamaged:
    return BackupDamaged(
        "this backup is damaged",
        where=str(path),
        rule=rule,
        way_out="restore another one; nothing was written",
    )
