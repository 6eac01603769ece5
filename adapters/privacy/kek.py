"""The key-encryption key: what protects all other keys, and lies apart from them and from the log.

It comes from a file or from the environment. A key-management service fits in the same place: whatever can wrap and
unwrap 32 bytes is a `KeyEncryptionKey`, and is asked once when the keys are opened and once when they are rotated.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from secrets import token_bytes
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.addresses import path_beside
from adapters.configuration import configured, variable
from adapters.keyfile import KeyFile
from domain.errors import KeysUnusable

PLACE, GIVEN, GIVEN_NEXT = variable("kek_file"), variable("kek"), variable("kek_next")
"""The environment variables that name the key's file, hold the key itself, and while it is rotated the next one.

The second may name one instead that Python code has: `acme.kms:KEY`.
"""

KEK_FILE = KeyFile(
    name="key-encryption key",
    error=KeysUnusable,
    danger="with it and the key store anyone can open all personal data",
    loss="what it protects could never be opened again",
    setting="kek_file",
)

_NONCE_BYTES = 12


class KeyEncryptionKey(Protocol):
    """Wraps the key of an epoch, so that it can lie in the key store."""

    def wrap(self, key: bytes, about: bytes) -> bytes:
        """The key in wrapped form, bound to what it is about."""
        ...

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """The key again.

        Raises:
            KeysUnusable: it was wrapped by another key, or for something else.
        """
        ...

    def renewed(self) -> AbstractContextManager["KeyEncryptionKey"]:
        """The key that takes the place of this one at the end of the block; after an error this one stays.

        Raises:
            KeysUnusable: there is none, or it cannot be kept.
        """
        ...


class _Key:
    """A key-encryption key of 32 bytes, as it wraps: AES-256-GCM under a random nonce."""

    def __init__(self, key: bytes, where: str) -> None:
        self._cipher, self._where = AESGCM(key), where

    def wrap(self, key: bytes, about: bytes) -> bytes:
        nonce = token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, about)

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], about)
        except InvalidTag:
            raise KeysUnusable(
                "this key-encryption key is not the one that protects the key store",
                where=self._where,
                rule="the key store opens under the key that `lifecircle init` or `lifecircle keys rotate` made last",
                way_out=f"put that key back, or name its place in {PLACE}",
            ) from None

    def renewed(self) -> AbstractContextManager[KeyEncryptionKey]:
        raise NotImplementedError


class FileKey(_Key):
    """A key in a file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        super().__init__(KEK_FILE.read(path), str(path))
        self._path = path

    @property
    def _next(self) -> Path:
        return self._path.with_name(self._path.name + ".next")

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """The key again; a rotation that was cut off after the key store had changed is finished first."""
        try:
            return super().unwrap(wrapped, about)
        except KeysUnusable:
            if not self._next.exists():
                raise
            unwrapped = _Key(KEK_FILE.read(self._next), self._where).unwrap(wrapped, about)
            self._replace()
            return unwrapped

    @contextmanager
    def renewed(self) -> Iterator[KeyEncryptionKey]:
        """A new key in the file; the old one is overwritten where it lies, then replaced."""
        self._next.unlink(missing_ok=True)  # of a rotation that was cut off before the key store had changed
        yield _Key(KEK_FILE.make(self._next), str(self._path))
        self._replace()

    def _replace(self) -> None:
        with self._path.open("r+b") as file:
            file.write(bytes(self._path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        self._next.replace(self._path)


class EnvironmentKey(_Key):
    """A key that the environment of the program holds."""

    def __init__(self, text: str) -> None:
        super().__init__(KEK_FILE.parse(text, GIVEN), GIVEN)

    @contextmanager
    def renewed(self) -> Iterator[KeyEncryptionKey]:
        """The next key, which the environment holds too; whoever set the variables takes the old one away."""
        if not (text := configured().kek_next):
            raise KeysUnusable(
                "the environment holds no next key-encryption key",
                where=GIVEN_NEXT,
                rule=f"a key that comes in {GIVEN} is rotated to the one in {GIVEN_NEXT}",
                way_out=f"set it to 32 random bytes in hexadecimal; when all is rotated, set {GIVEN} to it alone",
            )
        yield _Key(KEK_FILE.parse(text, GIVEN_NEXT), GIVEN_NEXT)


def kek_path(url: str) -> Path:
    """Where the key-encryption key of the log at this address lies: `shop.kek` beside `shop.db`."""
    return configured().kek_file or path_beside(url, ".kek")


def kek_told(url: str) -> str:
    """Where the key-encryption key of the log at this address comes from, for people."""
    given = configured().kek or ""
    return given if ":" in given else f"the environment, {GIVEN}" if given else str(kek_path(url))


def make_kek(url: str) -> None:
    """Make the file of a key-encryption key where there is none, and none comes in the environment.

    Raises:
        KeysUnusable: the place cannot be written.
    """
    if not configured().kek and not kek_path(url).exists():
        KEK_FILE.make(kek_path(url))


def read_kek(url: str) -> KeyEncryptionKey:
    """The key-encryption key of the log at this address.

    Raises:
        KeysUnusable: it is missing, damaged, or others may read it.
    """
    given = configured().kek or ""
    if ":" in given:
        return _named(given)
    return EnvironmentKey(given) if given else FileKey(kek_path(url))


def _named(place: str) -> KeyEncryptionKey:
    """The key that a Python module has, as `acme.kms:KEY`: the way to a key-management service."""
    module, _, name = place.partition(":")
    try:
        key: KeyEncryptionKey = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise KeysUnusable(
            "there is no such key-encryption key",
            where=GIVEN,
            rule=f"MODULE:NAME names what implements KeyEncryptionKey; {type(error).__name__} for {place}",
            way_out="install the package that has it beside lifecircle, or correct the name",
        ) from error
    return key
