"""The keys of persons, unwrapped and at hand: fetched, made and destroyed in groups, and kept in memory for a while."""

import hmac
from collections.abc import Iterable, Mapping
from secrets import token_bytes
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.keyfile import KEY_BYTES
from adapters.privacy.kek import KeyEncryptionKey, make_kek, read_kek
from adapters.privacy.keystore import PLACE, Epoch, KeyStore, keystore_readable, keystore_url
from adapters.settings import LIMITS
from domain.errors import KeysUnusable

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

THE_LOG = ""
"""Under this name, which no subject can have, lies the key of the log itself."""

_NONCE_BYTES = 12
_ROUNDS_MAX = 8


class DataKey:
    """The key of one person. `cipher` seals their values."""

    __slots__ = ("_secret", "cipher")

    def __init__(self, secret: bytes) -> None:
        self._secret, self.cipher = secret, AESGCM(secret)

    @classmethod
    def random(cls) -> "DataKey":
        """A new key."""
        return cls(token_bytes(KEY_BYTES))

    def derived(self, what: bytes) -> bytes:
        """A key or a tag of 32 bytes that is lost with this key."""
        return hmac.digest(self._secret, what, "sha256")

    def wrapped(self, wrapping: AESGCM, about: bytes) -> bytes:
        """The key as another one protects it."""
        return _wrap(wrapping, self._secret, about)

    def same_as(self, other: "DataKey | None") -> bool:
        """Whether both are one key."""
        return self is other or (other is not None and self.derived(b"same") == other.derived(b"same"))


Unsettled = tuple[str, DataKey]
"""A subject, and a key for it that is in memory alone: nothing that it sealed may be stored before it is settled."""


class Keyring:
    """The keys of the persons of one log, or of several that share a key store. Safe to share between threads."""

    def __init__(self, url: str, kek: KeyEncryptionKey | None = None, store: KeyStore | None = None) -> None:
        """Take the keys of the log at an address; nothing is opened before the first is needed.

        Args:
            url: the log's address.
            kek: the key that protects them; the log's own when not given.
            store: where they are; the log's own when not given.
        """
        self._url = url
        self._given_kek = kek
        self._opening = Lock()
        self._opened = store
        self._there = False
        self._epoch = 0
        self._wrapping = AESGCM(bytes(KEY_BYTES))
        self._kept: dict[tuple[bytes, str], DataKey | None] = {}
        self._recheck_at = 0.0
        self._unsettled: dict[tuple[bytes, str], DataKey] = {}
        self._gone: set[tuple[bytes, str]] = set()
        self._destructions = 0
        self._waiting: dict[bytes, set[str]] = {}
        self._queue = Lock()
        self._fetching = Lock()
        self._beside: ThreadPoolExecutor | None = None

    def prepare(self) -> None:
        """Make the key store, and the file of its key-encryption key, where there are none.

        Raises:
            KeysUnusable: they cannot be made, or do not belong together.
        """
        with self._opening:
            store = self._opened = KeyStore.make(keystore_url(self._url))
            if store.empty():
                make_kek(self._url)
                store.begin(self._kek().wrap(token_bytes(KEY_BYTES), _about_epoch(1)))
        self._read(b"", [])

    def begin(self, realm: bytes) -> None:
        """Make the key of a new log.

        Raises:
            KeysUnusable: the store or the key-encryption key cannot be used.
        """
        self.ensure(realm, [THE_LOG])

    def of_log(self, realm: bytes) -> DataKey:
        """The key of the log itself.

        Raises:
            KeysUnusable: the store holds no keys of this log.
        """
        key = self.at_hand(realm, [THE_LOG]).get(THE_LOG)
        if key is None:
            raise KeysUnusable(
                "the key store holds no keys of this log",
                where=self._store.where,
                rule="personal data is sealed under the keys that were made with the log",
                way_out=f"give the address of the right key store in {PLACE}",
            )
        return key

    def lacks(self, realm: bytes, subject: str) -> bool:
        """Whether the key of a subject is not in memory, so that to fetch it takes a while."""
        return (realm, subject) not in self._kept

    def at_hand(self, realm: bytes, subjects: Iterable[str]) -> dict[str, DataKey | None]:
        """The keys of those subjects that have one; None for those whose key was destroyed.

        Raises:
            KeysUnusable: the store or the key-encryption key cannot be used.
        """
        wanted = set(subjects)
        found = {subject: self._kept[realm, subject] for subject in wanted if (realm, subject) in self._kept}
        if missing := wanted - found.keys():
            read = self._read(realm, missing)
            self._keep(realm, read)
            found |= read
        return found

    def ensure(self, realm: bytes, subjects: Iterable[str]) -> None:
        """See to it that subjects have keys, made where there were none and safe on the disk, and in memory.

        What several threads need at the same moment is made in one transaction.
        """
        wanted = {subject for subject in subjects if (realm, subject) not in self._kept}
        if not wanted:
            return
        with self._queue:
            self._waiting.setdefault(realm, set()).update(wanted)
        with self._fetching:
            with self._queue:
                taken = self._waiting.pop(realm, set())
            if taken:
                self._keep(realm, self._settled(realm, {subject: DataKey.random() for subject in taken}))

    def kept(self, realm: bytes, subject: str) -> DataKey | None:
        """The key of one subject from memory; None where it was destroyed.

        Raises:
            KeyError: it is not in memory.
        """
        key = self._kept[realm, subject]
        if monotonic() < self._recheck_at:
            return key
        self.recheck()
        return self._kept[realm, subject]

    def of(self, realm: bytes, subject: str) -> DataKey | None:
        """The key of one subject, made where there was none; None where it was destroyed."""
        try:
            return self.kept(realm, subject)
        except KeyError:
            self.ensure(realm, [subject])
            # Others may have made room meanwhile.
            return self.at_hand(realm, [subject])[subject]

    def unsettled(self, realm: bytes, subject: str) -> DataKey:
        """A key that seals at once for a subject whose key is not in memory; `settle` comes before what it sealed."""
        if (key := self._unsettled.get((realm, subject))) is None:
            if len(self._unsettled) >= LIMITS.data_key_cache_subjects:
                self._unsettled.clear()
            key = self._unsettled[realm, subject] = DataKey.random()
        return key

    def settle(self, realm: bytes, keys: Iterable[Unsettled]) -> set[str]:
        """Make unsettled keys the keys of their subjects, safe on the disk, all in one transaction.

        Answers the subjects that have another key already, or had one that was destroyed: what was sealed for these is
        to be sealed anew.

        Raises:
            KeysUnusable: the store or the key-encryption key cannot be used.
        """
        given = list(keys)
        with self._fetching:
            new = {subject: key for subject, key in reversed(given) if (realm, subject) not in self._kept}
            if new:
                self._keep(realm, self._settled(realm, new))
            settled = self.at_hand(realm, [subject for subject, _ in given])
        for subject in new:
            self._unsettled.pop((realm, subject), None)
        return {subject for subject, key in given if not key.same_as(settled[subject])}

    def settling(self, realm: bytes, keys: Iterable[Unsettled]) -> "Future[set[str]]":
        """Begin to do so in a thread, which ends when the keyring is closed."""
        from concurrent.futures import ThreadPoolExecutor  # which a command line need not wait for

        with self._opening:
            self._beside = self._beside or ThreadPoolExecutor(1, thread_name_prefix="keys")
            return self._beside.submit(self.settle, realm, keys)

    def destroy(self, realm: bytes, subjects: Iterable[str]) -> None:
        """Destroy the keys of subjects, for good; other processes stop using them within `data_key_recheck_s`."""
        gone = list(subjects)
        self._store.destroy(realm, gone)
        self.recheck()

    def is_destroyed(self, realm: bytes, subject: str) -> bool:
        """Whether the key of a subject was destroyed."""
        if monotonic() >= self._recheck_at:
            self.recheck()
        return (realm, subject) in self._gone

    def none_destroyed(self) -> bool:
        """Whether no key was ever destroyed."""
        if monotonic() >= self._recheck_at:
            self.recheck()
        return not self._gone

    def known(self, realm: bytes, subject: str) -> DataKey:
        """The key of a subject that was not forgotten.

        Raises:
            KeysUnusable: the key store does not have it.
        """
        key = self.at_hand(realm, [subject]).get(subject)
        if key is None:
            raise KeysUnusable(
                "the key store lacks a key under which something is sealed",
                where=f"{self._store.where}, subject {subject}",
                rule="the key of a person is in the key store until the person is forgotten",
                way_out="put the key store back from its safe copy, or give the right address in LIFECIRCLE_KEYS",
            )
        return key

    def recheck(self) -> None:
        """Learn at once which keys others destroyed."""
        for count, realm, subject in self._store.destroyed(self._destructions):
            self._kept[realm, subject] = None
            self._gone.add((realm, subject))
            self._destructions = count
        self._recheck_at = monotonic() + LIMITS.data_key_recheck_s

    @property
    def there(self) -> bool:
        """Whether there is a key store for this account; an auditor may read a log without one, but opens nothing."""
        self._there = self._there or keystore_readable(self._url)
        return self._there

    def rotate(self) -> int:
        """Protect all keys by a new key-encryption key and a new epoch; answer the number of that epoch.

        The old ones are destroyed, and with them whatever older copies of the key store held.

        Raises:
            KeysUnusable: there is no next key-encryption key, the store cannot be used, or others rotate too.
        """
        store = self._store
        self._read(b"", [])
        number, old, epoch_key = self._epoch + 1, self._wrapping, token_bytes(KEY_BYTES)
        new = AESGCM(epoch_key)

        def rewrapped(realm: bytes, subject: str, wrapped: bytes) -> bytes:
            return _wrap(new, _unwrap(old, wrapped, _about_key(realm, subject)), _about_key(realm, subject))

        with self._kek().renewed() as kek:
            if not store.rotate(Epoch(number, kek.wrap(epoch_key, _about_epoch(number))), rewrapped):
                raise self._moved()
        self._epoch, self._wrapping = number, new
        return number

    def close(self) -> None:
        """Give the connection back, when what was begun is done."""
        with self._opening:
            beside, self._beside = self._beside, None
        if beside is not None:
            beside.shutdown()
        if self._opened is not None:
            self._opened.close()

    def _kek(self) -> KeyEncryptionKey:
        return self._given_kek or read_kek(self._url)

    @property
    def _store(self) -> KeyStore:
        with self._opening:
            if self._opened is None:
                self._opened = KeyStore(keystore_url(self._url))
            return self._opened

    def _read(self, realm: bytes, subjects: Iterable[str]) -> dict[str, DataKey | None]:
        """The keys that subjects have in the store; again where they were rotated between two looks."""
        wanted = list(subjects)
        for _ in range(_ROUNDS_MAX):
            epoch, keys = self._store.keys(realm, wanted)
            if epoch.number != self._epoch:
                try:
                    wrapping = self._kek().unwrap(epoch.wrapped, _about_epoch(epoch.number))
                except KeysUnusable:
                    if self._store.keys(realm, [])[0] == epoch:
                        raise
                    continue  # both were changed since the store was asked
                self._wrapping, self._epoch = AESGCM(wrapping), epoch.number
            try:
                return {subject: self._unwrapped(realm, subject, wrapped) for subject, wrapped in keys.items()}
            except InvalidTag:
                self._epoch = 0
        raise self._moved()

    def _unwrapped(self, realm: bytes, subject: str, wrapped: bytes | None) -> DataKey | None:
        if wrapped is None:
            return None
        return DataKey(_unwrap(self._wrapping, wrapped, _about_key(realm, subject)))

    def _settled(self, realm: bytes, made: Mapping[str, DataKey]) -> dict[str, DataKey | None]:
        """The keys that subjects have from now on: those made, for whom had none."""
        for _ in range(_ROUNDS_MAX):
            if not self._epoch:
                self._read(realm, [])
            epoch, wrapping = self._epoch, self._wrapping
            wrapped = {subject: key.wrapped(wrapping, _about_key(realm, subject)) for subject, key in made.items()}
            if (new := self._store.ensure(realm, wrapped, epoch)) is not None:
                found = self._read(realm, made.keys() - new) if len(new) < len(made) else {}
                return found | {subject: made[subject] for subject in new}
            self._epoch = 0
        raise self._moved()

    def _keep(self, realm: bytes, keys: dict[str, DataKey | None]) -> None:
        if len(self._kept) + len(keys) > LIMITS.data_key_cache_subjects:
            self._kept.clear()
        self._kept.update({(realm, subject): key for subject, key in keys.items()})

    def _moved(self) -> KeysUnusable:
        return KeysUnusable(
            "the keys do not fit the key store, or were rotated by others each time they were asked for",
            where=self._store.where,
            rule="every key opens under the epoch of its key store",
            way_out="do the same again; if it stays so, put the key store back from its safe copy",
        )


def _wrap(cipher: AESGCM, key: bytes, about: bytes) -> bytes:
    nonce = token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, key, about)


def _unwrap(cipher: AESGCM, wrapped: bytes, about: bytes) -> bytes:
    return cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], about)


def _about_epoch(number: int) -> bytes:
    return b"lifecircle epoch key 1\0" + number.to_bytes(8)


def _about_key(realm: bytes, subject: str) -> bytes:
    return b"lifecircle data key 1\0" + realm + subject.encode()
