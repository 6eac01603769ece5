"""A key-encryption key that lies elsewhere, as in a key-management service: it counts how often it is asked."""

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.privacy.kek import EnvironmentKey, KeyEncryptionKey


class Service:
    """Wraps under keys that never leave it; renewed, it forgets the one before."""

    def __init__(self) -> None:
        self.asked = 0
        self._number = 1

    def _key(self, number: int) -> KeyEncryptionKey:
        return EnvironmentKey(f"{number:02x}" * 32)

    def wrap(self, key: bytes, about: bytes) -> bytes:
        self.asked += 1
        return self._key(self._number).wrap(key, about)

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        self.asked += 1
        return self._key(self._number).unwrap(wrapped, about)

    @contextmanager
    def renewed(self) -> Iterator[KeyEncryptionKey]:
        yield self._key(self._number + 1)
        self._number += 1


KEY = Service()
