"""The key-encryption key: what protects all other keys, and lies apart from them and from the log.

It comes from a file or from the environment. A key-management service fits in the same place: whatever can wrap and
unwrap 32 bytes is a `KeyEncryptionKey`, and is asked once when the keys are opened and once when they are rotated.
"""

import fcntl
import glob
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.addresses import path_beside
from adapters.configuration import configured, variable
from adapters.durable_files import to_disk
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
    """A key in a file that only its owner may read.

    Who rotates holds a lock on the file's folder until the new key is in its place. A new key waits in a file beside
    it: whoever comes after a rotation that was cut off finds there the one that the key store was changed to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            key = KEK_FILE.read(path)
        except KeysUnusable:
            if not path.exists():
                raise
            with self._alone():  # it may have been overwritten while it was read
                key = KEK_FILE.read(path)
        super().__init__(key, str(path))

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """The key again; a rotation that was cut off after the key store had changed is finished first."""
        try:
            return super().unwrap(wrapped, about)
        except KeysUnusable as error:
            with self._alone():
                for path in (self._path, *self._waiting()):
                    with suppress(KeysUnusable):
                        unwrapped = _Key(KEK_FILE.read(path), self._where).unwrap(wrapped, about)
                        self._put_in_place(path)
                        return unwrapped
            raise error from None

    @contextmanager
    def renewed(self) -> Iterator[KeyEncryptionKey]:
        """A new key in the file; the old one is replaced, and overwritten where it lay."""
        with self._alone():
            waiting = self._path.with_name(f"{self._path.name}.next-{token_hex(4)}")
            yield _Key(KEK_FILE.make(waiting), str(self._path))
            self._put_in_place(waiting)

    def _waiting(self) -> list[Path]:
        return sorted(self._path.parent.glob(f"{glob.escape(self._path.name)}.next*"))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            folder = os.open(self._path.parent, os.O_RDONLY)
        except OSError as error:
            raise KeysUnusable(
                "the folder of the key-encryption key cannot be read",
                where=str(self._path.parent),
                rule=error.strerror or type(error).__name__,
                way_out="let the account that runs this read it; the key in it stays its owner's alone",
            ) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _put_in_place(self, path: Path) -> None:
        """Have the key that opens the key store be the one in the file, and leave no other."""
        if path == self._path:
            return
        with self._path.open("r+b") as old:
            path.replace(self._path)
            to_disk(self._path.parent)  # never is the old one gone before the new one is there
            old.write(bytes(os.fstat(old.fileno()).st_size))
            old.flush()
            os.fsync(old.fileno())
        for each in self._waiting():
            each.unlink()


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
