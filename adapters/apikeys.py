"""Who may what: keys for the service, kept as digests in a file of their own beside the log.

A key is shown once, when it is made. Its secret half is 256 random bits, so a plain digest of it is enough: there is
nothing to guess. The file is replaced as a whole, and read anew whenever it has changed.
"""

import hmac
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from adapters.addresses import path_beside
from adapters.clock import now
from adapters.configuration import configured, variable
from domain.errors import LifecircleError

_PREFIX = "lc"
_ID_BYTES, _SECRET_BYTES = 6, 32


class Role(StrEnum):
    """What a key may do."""

    APPENDER = "appender"
    """Append touchpoints, and look its own up."""
    ANALYST = "analyst"
    """Read views and the questions that rest on them."""
    AUDITOR = "auditor"
    """Read histories and follow the log."""
    OPERATOR = "operator"
    """See how the service stands; forget, open and export personal data; release from quarantine."""
    MONITOR = "monitor"
    """See how the service stands, and its figures; nothing of any customer."""


class ApiKeysUnusable(LifecircleError):
    """The file of API keys cannot be read or written, or others may read it."""

    exit_code = 8


class UnknownApiKey(LifecircleError):
    """There is no API key of this id."""

    exit_code = 6


class Principal(BaseModel):
    """Whom a key stands for, and what it opens.

    name: who is recorded as having written; subjects: prefixes of the subjects that it may name, none for all; kinds:
    the kinds that it may append or read, none for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    roles: frozenset[Role]
    subjects: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()

    @property
    def recordedby(self) -> str:
        """As whom it is recorded."""
        return f"key:{self.name}"

    def has(self, roles: Iterable[Role]) -> bool:
        """Whether it has one of some roles."""
        return not self.roles.isdisjoint(roles)

    def covers(self, subject: str, kind: str) -> bool:
        """Whether touchpoints of this subject and kind are within its scope."""
        return self.covers_subject(subject) and (not self.kinds or kind in self.kinds)

    def covers_subject(self, subject: str) -> bool:
        """Whether this subject is within its scope."""
        return not self.subjects or subject.startswith(self.subjects)

    @property
    def unbounded(self) -> bool:
        """Whether its scope is everything."""
        return not self.subjects and not self.kinds


class ApiKey(BaseModel):
    """One key as the file keeps it: whom it stands for, the digest of its secret, and when it was made and ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    sha256: str
    principal: Principal
    made: AwareDatetime
    expires: AwareDatetime | None = None


_FILE = TypeAdapter(list[ApiKey])


def api_keys_path(url: str) -> Path:
    """Where the keys to the log at this address lie.

    `shop.db` has `shop.apikeys` beside it; a PostgreSQL database `shop` has `./shop.lifecircle.apikeys`, unless
    LIFECIRCLE_API_KEYS names another place.
    """
    return configured().api_keys or path_beside(url, ".apikeys")


class ApiKeys:
    """The keys in one file. Safe to share between threads; several processes may read it while one writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}
        self._lock = Lock()

    def all(self) -> list[ApiKey]:
        """All keys, the oldest first; none where there is no file yet.

        Raises:
            ApiKeysUnusable: the file is damaged, or others may read it.
        """
        with self._lock:
            self._refresh()
            return list(self._keys.values())

    def make(
        self,
        name: str,
        roles: Iterable[Role],
        *,
        subjects: Sequence[str] = (),
        kinds: Iterable[str] = (),
        valid_for: timedelta | None = None,
    ) -> str:
        """Make a key; answer what its holder sends, which is kept nowhere.

        Raises:
            ApiKeysUnusable: the file is damaged, cannot be written, or others may read it.
        """
        principal = Principal(name=name, roles=frozenset(roles), subjects=tuple(subjects), kinds=frozenset(kinds))
        id_, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
        made = ApiKey(
            id=id_,
            sha256=_digest(secret),
            principal=principal,
            made=(made_at := now()),
            expires=made_at + valid_for if valid_for else None,
        )
        with self._lock:
            self._refresh()
            self._write([*self._keys.values(), made])
        return f"{_PREFIX}_{id_}_{secret}"

    def revoke(self, id_: str) -> None:
        """Take a key away, at once.

        Raises:
            UnknownApiKey: there is none of this id.
            ApiKeysUnusable: the file is damaged, cannot be written, or others may read it.
        """
        with self._lock:
            self._refresh()
            if id_ not in self._keys:
                raise UnknownApiKey("there is no API key of this id", way_out="list them with: lifecircle apikey list")
            self._write([key for key in self._keys.values() if key.id != id_])

    def principal(self, sent: str) -> Principal | None:
        """Whom a sent key stands for; None where it is no key, is not known, or has ended.

        Raises:
            ApiKeysUnusable: the file is damaged, or others may read it.
        """
        prefix, id_, secret = _parts(sent)
        with self._lock:
            self._refresh()
            key = self._keys.get(id_)
        # The digest of nothing takes the place of an unknown key's, so that both take equally long.
        right = hmac.compare_digest(_digest(secret), key.sha256 if key else _digest(""))
        if prefix != _PREFIX or key is None or not right:
            return None
        return None if key.expires and key.expires <= now() else key.principal

    def holds(self, sent: str) -> bool:
        """Whether a key of this id is here; its secret is not looked at, so that is no answer to who sent it.

        Raises:
            ApiKeysUnusable: the file is damaged, or others may read it.
        """
        with self._lock:
            self._refresh()
            return key_id(sent) in self._keys

    def _refresh(self) -> None:
        try:
            found = os.stat(self.path)  # noqa: PTH116 - each request asks, and the path's own takes twice as long
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return
        except OSError as error:
            raise self._unusable(error) from None
        seen = (found.st_mtime_ns, found.st_ino, found.st_mode)
        if seen == self._seen:
            return
        if found.st_mode & 0o077:
            raise ApiKeysUnusable(
                "others may read the API keys",
                where=str(self.path),
                rule="only their owner may: they say who may do what",
                way_out=f"chmod 600 {self.path}",
            )
        try:
            keys = _FILE.validate_json(self.path.read_bytes())
        except OSError as error:
            raise self._unusable(error) from None
        except ValidationError:
            raise ApiKeysUnusable(
                "this is no file of API keys",
                where=str(self.path),
                rule="it is as `lifecircle apikey` wrote it",
                way_out="put back a copy, or move it away and make the keys anew",
            ) from None
        self._seen, self._keys = seen, {key.id: key for key in keys}

    def _write(self, keys: list[ApiKey]) -> None:
        try:
            with NamedTemporaryFile("w", dir=self.path.parent, prefix=f".{self.path.name}.", delete=False) as file:
                json.dump([key.model_dump(mode="json") for key in keys], file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(self.path)
        except OSError as error:
            raise self._unusable(error) from None
        self._seen = None
        self._refresh()

    def _unusable(self, error: OSError) -> ApiKeysUnusable:
        return ApiKeysUnusable(
            "the API keys cannot be read or written",
            where=str(self.path),
            rule=error.strerror or type(error).__name__,
            way_out=f"see to the rights of the file and its folder, or name another place in {variable('api_keys')}",
        )

    @classmethod
    def of_log(cls, url: str) -> Self:
        """The keys to the log at an address."""
        return cls(api_keys_path(url))


def key_id(sent: str) -> str:
    """The part of a key that is no secret, by which it is found."""
    return _parts(sent)[1]


def _parts(sent: str) -> tuple[str, str, str]:
    prefix, _, rest = sent.partition("_")
    id_, _, secret = rest.partition("_")
    return prefix, id_, secret


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
