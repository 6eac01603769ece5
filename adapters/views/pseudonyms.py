"""What folds see in place of personal values: the one place at which these leave the facts on their way to views.

The projector, rebuilds and as-of replay all hand their folds what comes out of here, after merges and corrections: a
`Pseudonym` for an identifier, the band of a trait, and a sealed text for all else; `[erased]` where the key is gone.
"""

import hmac
import secrets
from collections.abc import Iterable
from operator import is_, itemgetter
from typing import Any, Self

import domain.kinds  # noqa: F401 - registers every kind
from adapters.idkey import id_key_path, keyed_id, read_id_key
from adapters.privacy.keyring import Keyring
from adapters.privacy.sealed import Sealed
from domain.fields import ERASED_TEXT, Attribute, Identifying, Pseudonym, Sealable, is_sealed, sealed_fields
from domain.touchpoint import KINDS, Fact

_kind_of = itemgetter(4)


class Pseudonyms:
    """Personal identifiers under the id key of one log, or, where that has none, under a passing one that is not shown.

    `mark` tells one id key from another, and from none, without giving it away.
    """

    def __init__(self, key: bytes | None, keyring: Keyring | None = None) -> None:
        """Make pseudonyms.

        Args:
            key: the id key.
            keyring: the keys that open what is sealed; may be left out where nothing is.
        """
        self.mark = hmac.digest(key, b"lifecircle id key", "sha256").hex()[:8] if key else "none"
        self.known = key is not None
        self.keyring = keyring
        self._key = key or secrets.token_bytes(32)
        self._places = {name: places for name, kind in KINDS.items() if (places := sealed_fields(kind))}

    @classmethod
    def of_log(cls, url: str) -> Self:
        """Those of the log at an address.

        Raises:
            IdKeyUnusable: its id key is damaged, or others may read it.
        """
        return cls(read_id_key(url) if id_key_path(url).exists() else None, Keyring(url))

    def put_into(self, facts: list[Fact]) -> list[Fact]:
        """The same facts with what folds may see of each personal value; the same list where there is none.

        Raises:
            KeysUnusable: something is sealed, and the keys are not to be had.
        """
        if self._places.keys().isdisjoint(map(_kind_of, facts)):
            return facts
        seen = [self._seen(fact) for fact in facts]
        return facts if all(map(is_, seen, facts)) else seen

    def _seen(self, fact: Fact) -> Fact:
        places = self._places.get(fact.kind)
        if not places or (data := self._replaced(fact.data, places)) is fact.data:
            return fact
        return fact._replace(data=data)

    def _replaced(self, data: dict[str, Any], places: Iterable[tuple[tuple[str, ...], Sealable]]) -> dict[str, Any]:
        """The same fields where none of them is personal."""
        replaced: dict[str, Any] = {}
        for (field, *inner), mark in places:
            match replaced.get(field, data.get(field)):
                case None | []:
                    continue
                case [*parts] if inner:
                    seen: Any = [self._replaced(part, [(tuple(inner), mark)]) for part in parts]
                    same = all(map(is_, seen, parts))
                case {**values}:
                    seen = {name: self._shown(value, mark) for name, value in values.items()}
                    same = all(map(is_, seen.values(), values.values()))
                case value:
                    seen = self._shown(value, mark)
                    same = seen is value
            if not same:
                replaced[field] = seen
        return {**data, **replaced} if replaced else data

    def _shown(self, value: Any, mark: Sealable) -> Any:
        if not is_sealed(value):
            return self._pseudonym(value) if isinstance(mark, Identifying) and isinstance(value, str) else value
        keyring, opens = self.keyring, isinstance(mark, Identifying | Attribute)
        if not opens and (keyring is None or keyring.none_destroyed()):
            return value
        sealed = Sealed.read(value)
        realm, subject = sealed.about[:2]
        gone = keyring is not None and keyring.is_destroyed(realm, subject)
        if isinstance(mark, Identifying):
            # Equal ones of one person have the same tag, which says nothing to whoever has not that person's key.
            if gone or not self.known or keyring is None:
                return Pseudonym(sealed.tag, None)
            return self._pseudonym(sealed.opened(keyring.known(realm, subject)))
        if gone:
            return ERASED_TEXT
        if opens and keyring is not None:
            return sealed.band(keyring.known(realm, subject)) or value
        return value

    def _pseudonym(self, value: str) -> Pseudonym:
        token = keyed_id(self._key, value)
        return Pseudonym(token, token if self.known else None)
