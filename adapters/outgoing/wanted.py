"""What a subscription delivers, of whom, and where to."""

import re
from functools import cached_property
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from adapters.log import Stored
from adapters.settings import LIMITS
from domain.errors import LifecircleError
from domain.touchpoint import KINDS, Phase

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class SubscriptionInvalid(LifecircleError):
    """A subscription cannot be as it was asked for."""

    exit_code = 2


class Wanted(BaseModel):
    """What a subscription delivers, and where to.

    name: lower-case letters, digits and hyphens; to: a webhook's address, or nats://host:port/PREFIX; kinds and phases:
    what is delivered, all where neither is given; subjects and prefixes: of whom, of all where neither is given; batch:
    how many touchpoints of one subject one request may carry; attempts: after how many failures in a row a subject is
    parked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    to: str
    kinds: frozenset[str] = frozenset()
    phases: frozenset[Phase] = frozenset()
    subjects: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    batch: Annotated[int, Field(ge=1, le=LIMITS.outgoing_batch_max)] = 1
    attempts: Annotated[int, Field(ge=1, le=100)] = LIMITS.outgoing_attempts_max

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("a name has lower-case letters, digits and hyphens, at most 63")
        return name

    @field_validator("to")
    @classmethod
    def _addressed(cls, to: str) -> str:
        parts = urlsplit(to)
        plain = to.isascii() and to.isprintable() and " " not in to and len(to) <= LIMITS.outgoing_address_max_chars
        if not plain or parts.scheme not in ("https", "http", "nats") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("an address is https://host/path or nats://host:port/prefix, without a password in it")
        if parts.scheme == "nats" and not re.fullmatch(r"/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", parts.path):
            raise ValueError("the path of a nats:// address is the prefix of the subjects that are published to")
        _ = parts.port  # out of range, it raises
        return to

    @model_validator(mode="after")
    def _one_by_one(self) -> Self:
        if self.batch > 1 and not self.is_webhook:
            raise ValueError("a broker gets touchpoints one by one: each has a subject of its kind")
        return self

    @classmethod
    def read(cls, **given: object) -> Self:
        """Make one of what was asked for.

        Raises:
            SubscriptionInvalid: it cannot be so.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise SubscriptionInvalid(
                "a subscription cannot be as it was asked for",
                where=".".join(map(str, first["loc"])),
                rule=first["msg"].removeprefix("Value error, "),
                way_out="see: lifecircle subscription add --help",
            ) from None

    @property
    def is_webhook(self) -> bool:
        """Whether it goes over HTTP, and is signed."""
        return not self.to.startswith("nats:")

    @cached_property
    def _of_kinds(self) -> frozenset[str]:
        phased = {name for name, kind in KINDS.items() if kind.phase in self.phases}
        return self.kinds | phased

    def takes(self, stored: Stored) -> bool:
        """Whether a touchpoint is to be delivered."""
        kind = not (self.kinds or self.phases) or stored.kind in self._of_kinds
        if not kind or not (self.subjects or self.prefixes):
            return kind
        return stored.stream in self.subjects or stored.stream.startswith(self.prefixes)
