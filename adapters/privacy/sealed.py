"""The sealed form of a personal value: a text that carries all that is needed to open it, wherever it is kept.

`sealed:1:ABOUT.VALUE`, each in Base64. ABOUT says what the value belongs to: 16 bytes of the log, then subject, source,
id, kind and field, with a zero byte between. VALUE is a nonce of 12 bytes and the value, as JSON, under AES-256-GCM
with the key of the subject; ABOUT is its associated data, so a sealed value opens as nothing else and for nobody else.
A third part, after another dot, is `t` and a tag by which equal identifiers of one person are known as equal, or `b`
and the band of a trait, sealed like the value.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from functools import partial
from os import urandom
from typing import Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag

from adapters.idkey import plain_identifier
from adapters.privacy.keyring import DataKey
from domain.errors import KeysUnusable
from domain.fields import SEALED

_NONCE_BYTES, _REALM_BYTES, _TAG_BYTES = 12, 16, 16
_BEGIN = SEALED.encode()
_VALUE, _BAND, _SAME = b"lifecircle personal value 1\0", b"lifecircle band 1\0", b"lifecircle same identifier 1\0"


class About(NamedTuple):
    """What a sealed value belongs to; `field` is its path in the stored fields, such as `contact_points.0.value`."""

    realm: bytes
    subject: str
    source: str
    id: str
    kind: str
    field: str

    def packed(self) -> bytes:
        """As bytes that say it in one way only: no part can hold a zero byte."""
        return pack(*self)


def pack(realm: bytes, subject: str, source: str, id_: str, kind: str, field: str = "") -> bytes:
    """As `About.packed`; the field may be added at the end."""
    return realm + f"{subject}\0{source}\0{id_}\0{kind}\0{field}".encode()


class Sealed(NamedTuple):
    """A sealed value, taken apart."""

    about: About
    packed: bytes
    value: bytes
    more: str

    @classmethod
    def read(cls, text: str) -> "Sealed":
        """Take a sealed value apart.

        Raises:
            KeysUnusable: it is damaged.
        """
        try:
            packed, value, *more = text.removeprefix(SEALED).split(".")
            about = a2b_base64(packed)
            subject, source, id_, kind, field = about[_REALM_BYTES:].decode().split("\0")
            belongs = About(about[:_REALM_BYTES], subject, source, id_, kind, field)
            return cls(belongs, about, a2b_base64(value), more[0] if more else "")
        except (ValueError, Base64Error):
            raise _damaged("a text that should be one") from None

    def opened(self, key: DataKey) -> Any:
        """The value.

        Raises:
            KeysUnusable: it was changed, or belongs to something else than it says.
        """
        return self._decrypted(key, self.value, _VALUE)

    def band(self, key: DataKey) -> str | None:
        """The band of a trait; None where none is declared.

        Raises:
            KeysUnusable: it was changed, or belongs to something else than it says.
        """
        return self._decrypted(key, a2b_base64(self.more[1:]), _BAND) if self.more[:1] == "b" else None

    @property
    def tag(self) -> str:
        """What equal identifiers of one person have in common; of anything else what no other value has."""
        return self.more if self.more[:1] == "t" else self.value.hex()

    def _decrypted(self, key: DataKey, sealed: bytes, use: bytes) -> Any:
        try:
            return orjson.loads(key.cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], use + self.packed))
        except InvalidTag:
            raise _damaged(f"{self.about.kind}.{self.about.field} of {self.about.subject}") from None


def seal(packed: bytes, value: Any, key: DataKey, *, identifying: bool = False, band: str | None = None) -> str:
    """Seal a value.

    Args:
        packed: what it belongs to, as `About` packs it.
        value: anything that JSON can hold.
        key: of the subject.
        identifying: whether equal ones of this person shall be known as equal.
        band: of a trait, what views may show of it.
    """
    text = seal_json(packed, orjson.dumps(value), key).decode()
    if identifying and isinstance(value, str):
        return f"{text}.t{_base64(key.derived(_SAME + plain_identifier(value).encode())[:_TAG_BYTES]).decode()}"
    return text if band is None else f"{text}.b{_encrypted(key, orjson.dumps(band), _BAND + packed).decode()}"


def seal_json(packed: bytes, value: bytes, key: DataKey) -> bytes:
    """Seal a value that is JSON already, as `seal` does one of which nothing may be shown."""
    return b"".join((_BEGIN, _base64(packed), b".", _encrypted(key, value, _VALUE + packed)))


def _encrypted(key: DataKey, value: bytes, about: bytes) -> bytes:
    nonce = urandom(_NONCE_BYTES)
    return _base64(nonce + key.cipher.encrypt(nonce, value, about))


_base64 = partial(b2a_base64, newline=False)


def _damaged(where: str) -> KeysUnusable:
    return KeysUnusable(
        "a sealed value does not open",
        where=where,
        rule="it opens under the key of its subject, where it was sealed and nowhere else, if nobody changed it",
        way_out="see whether the log was tampered with: lifecircle verify; whether the key store belongs to it",
    )
