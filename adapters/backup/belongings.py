"""The secret files that belong to a log, sealed for its backup under a key that only the log has."""

import os
from collections.abc import Mapping
from pathlib import Path
from secrets import token_bytes

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.apikeys import api_keys_path
from adapters.audit.sealer import key_path
from adapters.idkey import id_key_path
from adapters.outgoing.carrying import Carried
from adapters.privacy.keyring import DataKey

_NONCE_BYTES = 12
_ABOUT = b"lifecircle backup secrets 1"


def places(url: str, seal: Path, carried: Carried) -> dict[str, Path]:
    """Where each secret file of the log at an address lies, by what it is called in a backup.

    The key-encryption key is none of them: it is kept apart from all copies of the log and of the keys.
    """
    found = {"id key": id_key_path(url), "sealer's key": key_path(seal), "API keys": api_keys_path(url)}
    for (name, *_), secrets in zip(carried.subscriptions, carried.secrets(url), strict=True):
        now, before = secrets.files
        found |= {f"webhook secret of {name}": now, f"webhook secret of {name} before": before}
    return found


def sealed(paths: Mapping[str, Path], key: DataKey) -> bytes:
    """The secret files that are there, sealed."""
    held = {name: path.read_text("utf-8") for name, path in paths.items() if path.exists()}
    nonce = token_bytes(_NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, orjson.dumps(held), _ABOUT)


def opened(content: bytes, key: DataKey) -> dict[str, str]:
    """The secret files again: the text of each by its name. What is opened was authenticated before."""
    held: dict[str, str] = orjson.loads(_cipher(key).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], _ABOUT))
    return held


def put(held: Mapping[str, str], paths: Mapping[str, Path]) -> list[tuple[str, bool]]:
    """Put secret files in their places, each readable by its owner alone; answer which are new.

    One that is there stays: it is newer than what a backup holds.
    """
    done = []
    for name, text in held.items():
        path = paths[name]
        if new := not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        done.append((name, new))
    return done


def _cipher(key: DataKey) -> AESGCM:
    return AESGCM(key.derived(_ABOUT))
