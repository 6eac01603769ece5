"""Bearer tokens of an identity provider (OpenID Connect, RFC 7519): whom they stand for, or that they are refused.

Only what the operator's file names is taken: one issuer, one audience, asymmetric algorithms, and the roles that it
maps. What a token does not say is not granted.
"""

import tomllib
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Annotated, Any, Literal
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

import jwt
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.apikeys import Principal, Role
from adapters.configuration import configured
from adapters.settings import LIMITS
from domain.errors import LifecircleError
from domain.shortcuts import where_and_rule

_EVERYTHING = "*"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]


class IdentityUnusable(LifecircleError):
    """What is known of the identity provider cannot be used: its file, or its keys."""

    exit_code = 8


class Identity(BaseModel):
    """The identity provider, as the operator's file describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: Annotated[str, Field(min_length=1)]
    audience: Annotated[str, Field(min_length=1)]
    jwks: Annotated[str, Field(min_length=1)]
    """Where its public keys are: an https address, or a file."""
    algorithms: Annotated[
        frozenset[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]],
        Field(min_length=1),
    ] = frozenset({"RS256", "ES256"})
    leeway_s: Annotated[int, Field(ge=0, le=300)] = 30
    """How far its clock and ours may be apart."""
    roles_claim: str = "roles"
    roles: dict[str, frozenset[Role]]
    """What each value of that claim grants; others grant nothing."""
    subjects_claim: str | None = None
    """The claim with the prefixes of subjects that a token reaches, `*` for all; where it is named, it is required."""
    kinds_claim: str | None = None
    """The same for kinds."""
    tenant_claim: str | None = None
    """The claim with the name of the tenant that a token is for, where a server has several."""


class TokenPrincipal(Principal):
    """Whom a token stands for."""

    @property
    def recordedby(self) -> str:
        """As whom it is recorded."""
        return f"token:{self.name}"


def identity(path: Path) -> Identity:
    """Read the file that describes an identity provider.

    Raises:
        IdentityUnusable: it cannot be read, or does not describe one.
    """
    try:
        found = Identity.model_validate_json(orjson.dumps(tomllib.loads(path.read_text("utf-8"))))
    except (OSError, ValueError) as error:
        raise IdentityUnusable(
            "this file describes no identity provider",
            where=str(path),
            rule=where_and_rule(error)[1]
            if isinstance(error, ValidationError)
            else "it is TOML with issuer, audience, jwks and [roles]",
            way_out="see docs/how-to/serve.md",
        ) from None
    address = urlsplit(found.jwks)
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        raise IdentityUnusable(
            "the keys of the identity provider would come unprotected",
            where=f"{path}, jwks",
            rule="they are read from a file or by https: whoever changes them on the way may be anybody",
            way_out="name an address that begins with https://",
        )
    if address.scheme not in ("http", "https"):
        return found.model_copy(update={"jwks": str(path.parent / found.jwks)})
    return found


def tokens_named(*, several: bool) -> "Tokens | None":
    """The tokens of the identity provider that the configuration names a file of; None where it names none.

    Args:
        several: whether the server has several tenants, so that a claim must say whose a token is.

    Raises:
        IdentityUnusable: the file cannot be read, does not describe one, or is not for so many.
    """
    if not (place := configured().oidc):
        return None
    provider = identity(place)
    if several == (provider.tenant_claim is None):
        raise IdentityUnusable(
            "tokens of this identity provider do not say for which tenant they are"
            if several
            else "tokens of this identity provider are for tenants, and one log is served",
            where=f"{place}, tenant_claim",
            rule="where there are several, it names the claim with the tenant's name; else it is left out",
            way_out="see docs/how-to/tenants.md",
        )
    return Tokens(provider)


class Tokens:
    """The tokens of one identity provider. Safe to share between threads."""

    def __init__(self, provider: Identity, clock: Callable[[], float] = monotonic) -> None:
        self._provider = provider
        self._keys = _PublicKeys(provider.jwks, clock)
        self._tenant: str | None = None

    def of_tenant(self, name: str) -> "Tokens":
        """The same, for one tenant: whoever is another's is refused."""
        found = copy(self)
        found._tenant = name  # noqa: SLF001 - its own
        return found

    def tenant_named(self, sent: str) -> str | None:
        """Which tenant a token says that it is for: whom to ask, and not who asks, for nothing of it was checked."""
        if len(sent) > LIMITS.http_token_max_chars:
            return None
        try:
            claims = jwt.decode(sent, options={"verify_signature": False})
        except (jwt.PyJWTError, RecursionError):  # of what is nested too deeply
            return None
        claim = self._provider.tenant_claim
        name = claims.get(claim) if claim is not None else None
        return name if isinstance(name, str) else None

    def principal(self, sent: str) -> Principal | None:
        """Whom a token stands for; None where it is none, is not for us, has ended, or was not signed by the provider.

        Raises:
            IdentityUnusable: the provider's keys are not to be had.
        """
        if len(sent) > LIMITS.http_token_max_chars:
            return None
        provider = self._provider
        try:
            head = jwt.get_unverified_header(sent)
            algorithm, name = head.get("alg"), head.get("kid")
            if not isinstance(algorithm, str) or not isinstance(name, str) or "crit" in head:
                return None
            if algorithm not in provider.algorithms:
                return None
            key = self._keys.of(name, algorithm)
            if key is None:
                return None
            claims = jwt.decode(
                sent,
                key,
                algorithms=[algorithm],
                audience=provider.audience,
                issuer=provider.issuer,
                leeway=provider.leeway_s,
                options={"require": _REQUIRED},
            )
        except (jwt.PyJWTError, RecursionError):  # of what is nested too deeply
            return None
        return self._granted(claims)

    def _granted(self, claims: Mapping[str, Any]) -> Principal | None:
        provider, name = self._provider, claims["sub"]
        subjects = _scope(claims, provider.subjects_claim)
        kinds = _scope(claims, provider.kinds_claim)
        if subjects is None or kinds is None or not name or not name.isprintable():
            return None
        if self._tenant != (None if provider.tenant_claim is None else claims.get(provider.tenant_claim, "")):
            return None
        values = _texts(claims.get(provider.roles_claim)) or ()
        roles = frozenset(role for value in values for role in provider.roles.get(value, ()))
        return TokenPrincipal(name=name, roles=roles, subjects=subjects, kinds=frozenset(kinds))


def _scope(claims: Mapping[str, Any], claim: str | None) -> tuple[str, ...] | None:
    """What a claim bounds, nothing for everything; None where it is required and says nothing."""
    if claim is None:
        return ()
    values = _texts(claims.get(claim))
    if not values or not all(values):
        return None
    return () if _EVERYTHING in values else values


def _texts(value: Any) -> tuple[str, ...] | None:
    """A list of texts, or one text as such a list (RFC 8693 writes several in one, with blanks between them)."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else None


class _PublicKeys:
    """The provider's keys by their ids: read anew when the file changed, when they are old, or for an unknown id."""

    def __init__(self, place: str, clock: Callable[[], float]) -> None:
        self._place, self._clock = place, clock
        self._remote = urlsplit(place).scheme in ("http", "https")
        self._lock = Lock()
        self._found: dict[str, dict[str, Any]] = {}
        self._read_at = self._tried_at = float("-inf")
        self._seen: tuple[int, int] | None = None

    def of(self, name: str, algorithm: str) -> jwt.PyJWK | None:
        """The key of this id for this algorithm; None where there is none.

        Raises:
            IdentityUnusable: they are not to be had, and those at hand are too old.
            jwt.PyJWTError: the key is none for this algorithm.
        """
        if not self._at_hand(name):
            with self._lock:
                self._refresh(name)
        found = self._found.get(name)
        if found is None or found.get("alg", algorithm) != algorithm:
            return None
        return jwt.PyJWK(found, algorithm)

    def _at_hand(self, name: str) -> bool:
        """Whether a key is known and new enough: then nobody waits while the provider is asked for another."""
        return self._remote and name in self._found and self._clock() - self._read_at <= LIMITS.jwks_fresh_s

    def _refresh(self, name: str) -> None:
        now = self._clock()
        if not self._remote:
            self._take(self._file, now)
            return
        age = now - self._read_at
        wanted = age > LIMITS.jwks_fresh_s or name not in self._found
        # An unknown id, which anybody may send, makes us ask the provider only so often.
        if wanted and now - self._tried_at > LIMITS.jwks_pause_s:
            self._tried_at = now
            self._take(self._fetched, now)
        if now - self._read_at > LIMITS.jwks_stale_max_s:
            raise self._unusable("they could not be read for too long")

    def _take(self, read: Callable[[], bytes | None], now: float) -> None:
        try:
            raw = read()
            if raw is None:
                return
            keys = orjson.loads(raw)["keys"]
            # Symmetric keys are no public keys, whatever the document says.
            found = {
                each["kid"]: each
                for each in keys
                if each.get("kty") in ("RSA", "EC", "OKP") and "kid" in each and each.get("use", "sig") == "sig"
            }
        except (OSError, URLError, ValueError, KeyError, TypeError, AttributeError) as error:
            if self._read_at == float("-inf") or not self._remote:
                raise self._unusable(type(error).__name__) from None
            return  # those at hand hold until they are too old
        self._found, self._read_at = found, now

    def _file(self) -> bytes | None:
        path = Path(self._place)
        stat = path.stat()
        if (seen := (stat.st_mtime_ns, stat.st_ino)) == self._seen:
            return None
        raw = path.read_bytes()
        self._seen = seen
        return raw

    def _fetched(self) -> bytes:
        with build_opener(_NoRedirects).open(self._place, timeout=LIMITS.jwks_wait_s) as answer:
            raw: bytes = answer.read(LIMITS.jwks_max_bytes + 1)
        if len(raw) > LIMITS.jwks_max_bytes:
            raise ValueError("larger than any set of keys")
        return raw

    def _unusable(self, rule: str) -> IdentityUnusable:
        return IdentityUnusable(
            "the keys of the identity provider are not to be had",
            where=self._place,
            rule=rule,
            way_out="see to its address or file; API keys go on working meanwhile",
        )


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
