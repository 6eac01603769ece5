"""What folds see in place of personal identifiers: the one place at which these leave the facts on their way to views.

The projector, rebuilds and as-of replay all hand their folds what comes out of here, after merges and corrections.
"""

import hmac
import secrets
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Self

import domain.kinds  # noqa: F401 - registers every kind
from adapters.idkey import id_key_path, keyed_id, read_id_key
from domain.fields import Pseudonym, identifying_fields
from domain.touchpoint import KINDS, Fact

_kind_of = itemgetter(4)


class Pseudonyms:
    """Personal identifiers under the id key of one log, or, where that has none, under a passing one that is not shown.

    `mark` tells one id key from another, and from none, without giving it away.
    """

    def __init__(self, key: bytes | None) -> None:
        self.mark = hmac.digest(key, b"lifecircle id key", "sha256").hex()[:8] if key else "none"
        self.known = key is not None
        self._key = key or secrets.token_bytes(32)
        self._paths = {name: paths for name, kind in KINDS.items() if (paths := identifying_fields(kind))}

    @classmethod
    def of_log(cls, url: str) -> Self:
        """Those of the log at an address.

        Raises:
            IdKeyUnusable: its id key is damaged, or others may read it.
        """
        return cls(read_id_key(url) if id_key_path(url).exists() else None)

    def put_into(self, facts: list[Fact]) -> list[Fact]:
        """The same facts with a `Pseudonym` for each personal identifier; the same list where there is none."""
        if self._paths.keys().isdisjoint(map(_kind_of, facts)):
            return facts
        return [
            fact._replace(data=self._replaced(fact.data, paths)) if (paths := self._paths.get(fact.kind)) else fact
            for fact in facts
        ]

    def _replaced(self, data: dict[str, Any], paths: Sequence[tuple[str, ...]]) -> dict[str, Any]:
        replaced = dict(data)
        for field, *inner in paths:
            match data.get(field):
                case str() as value:
                    replaced[field] = self._of(value)
                case [*parts]:
                    replaced[field] = [self._replaced(part, [tuple(inner)]) for part in parts]
        return replaced

    def _of(self, value: str) -> Pseudonym:
        token = keyed_id(self._key, value)
        return Pseudonym(token, token if self.known else None)
