"""From an envelope to what is stored: personal fields sealed under the key of the person whom it concerns."""

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, partial
from typing import Any

import orjson

from adapters.codec import draft_of, encode, envelope_of
from adapters.log import Draft, Log, Stored
from adapters.privacy.keyring import DataKey, Keyring, Unsettled
from adapters.privacy.places import holds_personal, personal_texts, places_of, sealing_attributes
from adapters.privacy.sealed import Sealed, pack, seal, seal_json
from domain.company import Company
from domain.compiled import Appendable, Encoded
from domain.custom import schema_for
from domain.errors import InvalidTouchpoint, KeysUnusable, SpecialNotEnabled, SubjectErased
from domain.fields import (
    ERASED_TEXT,
    SEALED,
    Attribute,
    Identifying,
    Personal,
    Sealable,
    SealedField,
    Special,
    is_sealed,
)
from domain.touchpoint import KINDS, Fact

_SEALED_JSON = f'"{SEALED}'.encode()
_CUSTOM = Personal()


def realm_of(log: Log) -> bytes:
    """What the keys of a log are known by: its id, or that of the first log in the line that it was copied from."""
    return log.origins[-1].cut.log_id if log.origins else log.log_id


class Sealing:
    """Seals what is personal in touchpoints on their way into one log."""

    def __init__(self, log: Log, keyring: Keyring) -> None:
        self._log, self.keyring = log, keyring
        self.realm = realm_of(log)

    def begin(self) -> None:
        """Make the key of this log, which is new.

        Raises:
            KeysUnusable: the key store cannot be used.
        """
        self.keyring.begin(self.realm)

    def draft(
        self, envelope: Appendable, recordedby: str, stream: str | None = None, original: Fact | None = None
    ) -> Draft:
        """Encode one touchpoint for the log, with its personal fields sealed.

        Args:
            envelope: as its producer gave it.
            recordedby: the principal who was authenticated.
            stream: given where it is not stored under its own subject.
            original: of a correction, what it corrects in the end, where that is known.

        Raises:
            InvalidTouchpoint: it is too large, or holds a text that looks as if it were sealed.
            SpecialNotEnabled: it holds a trait that the company has not enabled.
            SubjectErased: its subject was forgotten, and it is not a repeat.
            KeysUnusable: the keys are not to be had.
        """
        draft = _in_clear(envelope, recordedby, stream)
        if not holds_personal(envelope, self._log.company):
            return draft
        return self._sealed(envelope, draft, self.keyring.of(self.realm, envelope.subject), original)

    def draft_at_hand(self, envelope: Appendable, recordedby: str) -> Draft | None:
        """Encode as `draft` does; None where a key must be fetched first.

        Raises:
            As `draft`.
        """
        if not holds_personal(envelope, self._log.company):
            return _in_clear(envelope, recordedby)
        try:
            key = self.keyring.kept(self.realm, envelope.subject)
        except KeyError:
            return None
        return self._sealed(envelope, _in_clear(envelope, recordedby), key)

    def draft_at_once(self, envelope: Appendable, recordedby: str, unsettled: list[Unsettled]) -> Draft:
        """Encode as `draft` does, without a wait for a key: where none is at hand, under one that is to be settled.

        Args:
            envelope: as its producer gave it.
            recordedby: the principal who was authenticated.
            unsettled: takes that key, to be settled before the draft is stored.

        Raises:
            As `draft`.
        """
        draft = _in_clear(envelope, recordedby)
        if not holds_personal(envelope, self._log.company):
            return draft
        try:
            key = self.keyring.kept(self.realm, envelope.subject)
        except KeyError:
            key = self.keyring.unsettled(self.realm, envelope.subject)
            unsettled.append((envelope.subject, key))
        return self._sealed(envelope, draft, key)

    def _sealed(self, envelope: Appendable, draft: Draft, key: DataKey | None, original: Fact | None = None) -> Draft:
        stream, kind, name, source, occurred, recordedby, clear, _ = draft
        content = self._content(clear)
        if key is None:
            # The repeat of what was recorded before is known by its content; the bytes are not compared then.
            if self._log.find(stream, source, name) is None:
                raise erased(envelope.subject)
            return draft._replace(state=b"", content_hmac=content)
        about = pack(self.realm, envelope.subject, source, name, kind)
        custom = None
        if not isinstance(envelope, Encoded) and envelope.custom is not None:
            custom = schema_for(kind, self._log.company.custom)
        state = None if custom else _sealed_in_place(clear, personal_texts(envelope), about, key)
        if state is None:
            fields = orjson.loads(clear)
            sealer = _Sealer(about, key, self._log.company, original)
            sealer.put_into(fields["data"], places_of(envelope, original))
            if custom:
                sealer.put_into(fields, [SealedField(("custom", *path), _CUSTOM) for path in custom.personal])
            state = orjson.dumps(fields)
        return _draft((stream, kind, name, source, occurred, recordedby, state, content))

    def lacking(self, touchpoints: Iterable[Appendable]) -> list[str]:
        """The subjects of touchpoints whose keys must be fetched before they can be sealed."""
        company = self._log.company
        lacking: list[str] = []
        for each in touchpoints:  # mostly one; a comprehension would cost as much as the look
            if holds_personal(each, company) and self.keyring.lacks(self.realm, each.subject):
                lacking.append(each.subject)  # noqa: PERF401
        return lacking

    def fetch(self, touchpoints: Iterable[Appendable]) -> None:
        """Fetch, or make, the keys under which touchpoints will be sealed, all at once."""
        if lacking := self.lacking(touchpoints):
            self.keyring.ensure(self.realm, lacking)

    def same_meaning(self, stored: Stored, draft: Draft) -> bool:
        """Whether a draft has the content of a stored touchpoint, upcast to the current version of its kind."""
        if _SEALED_JSON not in stored.state:
            return encode(envelope_of(stored)) == draft.state
        opened = self.opened(stored.state)
        return (
            opened is not None
            and self._content(encode(envelope_of(stored._replace(state=opened)))) == draft.content_hmac
        )

    def opened(self, state: bytes) -> bytes | None:
        """Stored bytes with every sealed value opened; None where a key was destroyed."""
        fields = orjson.loads(state)
        keys = self.keys_of([fields])
        return None if None in keys.values() else orjson.dumps(with_opened(fields, keys))

    def keys_of(self, values: Iterable[Any]) -> dict[str, DataKey | None]:
        """The keys of all subjects whose sealed values stand somewhere in these; None for those destroyed.

        Raises:
            KeysUnusable: something is sealed for another log, or the key store lacks a key.
        """
        subjects = set()
        for text in sealed_texts(values):
            realm, subject = Sealed.read(text).about[:2]
            if realm != self.realm:
                raise KeysUnusable(
                    "a value was sealed for another log",
                    where=f"subject {subject}",
                    rule="a sealed value opens in the log that it was recorded in, and in copies of that",
                    way_out="see whether the log was tampered with: lifecircle verify",
                )
            subjects.add(subject)
        self.keyring.recheck()
        keys = self.keyring.at_hand(self.realm, subjects)
        for subject in subjects - keys.keys():
            self.keyring.known(self.realm, subject)
        return keys

    def with_erasures(self, facts: list[Fact]) -> list[Fact]:
        """The same facts, saying `[erased]` wherever something was sealed for somebody who was forgotten since."""
        found = [(fact, _holders(fact) if _may_hold(fact) else frozenset()) for fact in facts]
        if not any(subjects for _, subjects in found) or not self.keyring.there:
            return facts
        gone = {
            subject for _, subjects in found for subject in subjects if self.keyring.is_destroyed(self.realm, subject)
        }
        if not gone:
            return facts
        keys: dict[str, DataKey | None] = dict.fromkeys(gone)
        return [replaced_in(fact, keys) if gone & subjects else fact for fact, subjects in found]

    @cached_property
    def row_key(self) -> bytes:
        """The key under which rows of imports are told apart.

        Raises:
            KeysUnusable: the keys of this log are not to be had.
        """
        return self.keyring.of_log(self.realm).derived(b"lifecircle rows 1")

    def _content(self, plain: bytes) -> bytes:
        code = self._content_code.copy()
        code.update(plain)
        return code.digest()

    @cached_property
    def _content_code(self) -> hmac.HMAC:
        """The HMAC of no content, copied for each: to take the key in costs as much as the rest."""
        return hmac.new(self.keyring.of_log(self.realm).derived(b"lifecircle content 1"), digestmod="sha256")


# Made for every touchpoint, and this makes them without going through Python.
_draft = partial(tuple.__new__, Draft)


def _in_clear(envelope: Appendable, recordedby: str, stream: str | None = None) -> Draft:
    draft = draft_of(envelope, recordedby, stream)
    if not isinstance(envelope, Encoded) and _SEALED_JSON in draft.state:
        raise InvalidTouchpoint(
            "the touchpoint holds a text that looks like a sealed value",
            where="data",
            rule=f"what is sent is in clear; the log seals what is personal, and nothing else begins {SEALED}",
            way_out="send the value itself",
        )
    return draft


def _sealed_in_place(state: bytes, texts: Sequence[tuple[bytes, Any]], about: bytes, key: DataKey) -> bytes | None:
    """Stored bytes with what is personal replaced where it stands; None where that takes a look at the fields.

    A field whose name and value stand once in the bytes stands there: in a text its quotes would be escaped.

    Args:
        state: the bytes, in clear.
        texts: what is personal, each with what stands before it.
        about: what it belongs to, but for the field.
        key: of the subject.
    """
    for place, text in texts:
        if type(text) is not str:
            return None
        value, parts = orjson.dumps(text), state.split(place)
        if len(parts) != 2 or not parts[1].startswith(value):
            return None
        sealed = seal_json(about + place[1:-2], value, key)
        state = b"".join((parts[0], place, b'"', sealed, b'"', parts[1][len(value) :]))
    return state if texts else None


class _Sealer:
    """Seals values of one touchpoint."""

    def __init__(self, about: bytes, key: DataKey, company: Company, original: Fact | None) -> None:
        self._about, self._key, self._company = about, key, company
        self._original = original.data if original else {}

    def put_into(self, fields: dict[str, Any], places: Iterable[SealedField]) -> None:
        """Replace what is personal in stored fields by its sealed form."""
        for path, mark in places:
            self._at(fields, path, "", mark)

    def _at(self, holder: Any, path: Sequence[str], place: str, mark: Sealable) -> None:
        if isinstance(holder, list):
            for at, part in enumerate(holder):
                self._at(part, path, f"{place}{at}.", mark)
            return
        name = path[0]
        if not isinstance(holder, dict) or (value := holder.get(name)) is None:
            return
        place += name
        if len(path) > 1:
            self._at(value, path[1:], f"{place}.", mark)
        elif isinstance(value, dict):
            holder[name] = {key: self._sealed(each, f"{place}.{key}", mark, key) for key, each in value.items()}
        else:
            trait = name
            if isinstance(mark, Attribute) and mark.named_by:
                trait = holder.get(mark.named_by) or self._original.get(mark.named_by) or name
            holder[name] = self._sealed(value, place, mark, trait)

    def _sealed(self, value: Any, place: str, mark: Sealable, trait: str) -> str:
        about = self._about + place.encode()
        match mark:
            case Identifying():
                return seal(about, value, self._key, identifying=True)
            case Attribute():
                band = self._company.bands.get(trait)
                return seal(about, value, self._key, band=band.of(value) if band else None)
            case Special() if not self._company.special_data:
                raise SpecialNotEnabled(
                    "the touchpoint holds a trait of a special category",
                    where=place,
                    rule="such traits are recorded only where the company's settings enable them",
                    way_out="leave it out; or, if there is a legal basis: lifecircle settings special_data=true",
                )
            case _:
                return seal(about, value, self._key)


def erased(subject: str) -> SubjectErased:
    """The error for a subject that was forgotten."""
    return SubjectErased(
        "this customer was forgotten: their personal data was erased",
        where=f"subject {subject}",
        rule="nothing personal is recorded of a forgotten customer, opened or handed over",
        way_out="leave the personal fields out; a person who comes back is a new customer, with another id",
    )


def _may_hold(fact: Fact) -> bool:
    """Whether a fact is of a sort that can hold a sealed value; a kind that is not known here may be of any sort."""
    return bool(_sealing_kind(fact.kind, len(KINDS)) or "custom" in fact.envelope)


@cache
def _sealing_kind(name: str, _: int) -> bool:
    kind = KINDS.get(name)
    return kind is None or bool(sealing_attributes(kind))


def _holders(fact: Fact) -> frozenset[str]:
    return frozenset(Sealed.read(text).about.subject for text in sealed_texts([fact.data, fact.envelope.get("custom")]))


def sealed_texts(value: Any) -> Iterator[str]:
    """Every sealed value that stands somewhere in a value of JSON, or in a row."""
    if isinstance(value, dict):
        value = value.values()
    elif is_sealed(value):
        yield value
        return
    elif not isinstance(value, Iterable) or isinstance(value, str):
        return
    for inner in value:
        yield from sealed_texts(inner)


def with_opened(value: Any, keys: Mapping[str, DataKey | None]) -> Any:
    """A value with what is sealed under some keys opened, or `[erased]`; what is sealed under others stays so."""
    if isinstance(value, dict):
        return {name: with_opened(inner, keys) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [with_opened(inner, keys) for inner in value]
    if not is_sealed(value) or (sealed := Sealed.read(value)).about.subject not in keys:
        return value
    key = keys[sealed.about.subject]
    return ERASED_TEXT if key is None else sealed.opened(key)


def replaced_in(fact: Fact, keys: Mapping[str, DataKey | None]) -> Fact:
    """A fact with all that is sealed in it opened, or `[erased]`."""
    return fact._replace(data=with_opened(fact.data, keys), envelope=with_opened(fact.envelope, keys))
