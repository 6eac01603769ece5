"""Bytes in, touchpoints out: strict reading of hostile input, the one encoding that is stored, and decoding for folds.

What is stored is the producer's whole envelope as JSON (UTF-8, no blanks). It is written once and never serialised
again; folds read it lazily, through the upcasts of its kind.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from math import isfinite
from typing import Any, NamedTuple, NoReturn

import msgspec
import orjson
from pydantic_core import PydanticSerializationError

import domain.kinds  # noqa: F401 - registers every kind
from adapters.log import Draft, Stored
from adapters.settings import LIMITS
from domain.company import Company
from domain.compiled import Appendable, Encoded, read_encoded
from domain.custom import check_custom
from domain.errors import InvalidTouchpoint, LifecircleError, TimeInFuture, UnreadableInput
from domain.money import WrittenNumber
from domain.touchpoint import CURRENT, KINDS, Envelope, Fact, broken, kind_named, microseconds

_EARLIEST_US = microseconds(datetime(1, 1, 2, tzinfo=UTC))

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

_CONTENT_TYPE = "datacontenttype"
# What CloudEvents SDKs add to an event whose data is JSON.
_JSON_TYPES = ("application/json", "application/json; charset=utf-8")


def parse_json(raw: bytes | str, where: str = "input", size_max: int = LIMITS.touchpoint_size_max_bytes) -> Any:
    """Read strict JSON: what two readers could understand differently is refused.

    Numbers with a fraction come as `WrittenNumber`, so that money stays exact.

    Raises:
        UnreadableInput: too large or too deep, duplicate keys, NaN or Infinity, an integer beyond 64 bits, NUL or a
            lone surrogate in a text, or no JSON at all.
    """
    if isinstance(raw, bytes) and len(raw) <= size_max and (found := _plainly(raw)) is not None:
        return found
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        if len(text) > size_max:
            raise ValueError(f"is larger than {size_max} bytes")  # noqa: TRY301
        value = _decode(text)
        # What has so few brackets is not too deep, and bytes that are UTF-8 hold neither NUL nor a lone surrogate but
        # where they are escaped. Nearly all that is sent is so, and to walk it takes as long as to read it.
        if "\\u" in text or isinstance(raw, str) or text.count("{") + text.count("[") >= LIMITS.json_depth_max:
            _check(value)
    except (ValueError, RecursionError) as error:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else _reason(error)
        raise UnreadableInput(
            "the input is not the strict JSON that is expected",
            where=where,
            rule=f"it {reason}",
            way_out="send RFC 8259 JSON with unique keys, finite numbers and valid Unicode",
        ) from None
    return value


def _plainly(raw: bytes) -> Any:
    """Read JSON in compiled code, if it is written as most programs write it: without blanks. None where it is not.

    What is the same bytes again when it is written is the strict JSON of what was read: no key stands there twice, no
    number and no text could be read otherwise. Left to look for are depth, NUL, which is written as an escape, and
    integers beyond 64 bits, of which the writer takes none beyond 53.
    """
    if b'": ' in raw or b"\\u" in raw:
        return None
    try:
        value = _read(raw)
        same = orjson.dumps(value, _as_written, orjson.OPT_STRICT_INTEGER) == raw
    except (ValueError, TypeError, RecursionError):
        return None
    if raw.count(b"{") + raw.count(b"[") >= LIMITS.json_depth_max and _is_deep(value):
        return None
    return value if same else None


def _is_deep(value: Any) -> bool:
    """Whether lists and objects lie deeper in each other than they may."""
    level = [value]
    for _ in range(LIMITS.json_depth_max - 1):
        insides = [item.values() if type(item) is dict else item for item in level if type(item) in _NESTED]
        level = [each for inside in insides for each in inside if type(each) in _NESTED]
        if not level:
            return False
    return True


def _as_written(number: Any) -> orjson.Fragment:
    return orjson.Fragment(number.text)


def _reason(error: ValueError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"is no JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        case UnicodeDecodeError():
            return f"is not UTF-8 at byte {error.start}"
        case _:
            return str(error)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("holds a key twice in one object")
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError("holds NaN or Infinity")


def _int64(digits: str) -> int:
    if len(digits) > 20 or not INT64_MIN <= (number := int(digits)) <= INT64_MAX:
        raise ValueError("holds an integer beyond 64 bits; send it as a text")
    return number


def _written(digits: str) -> WrittenNumber:
    if not isfinite(number := WrittenNumber(digits)):
        raise ValueError("holds a number beyond a double")
    return number


_NESTED = frozenset({dict, list})

_read = msgspec.json.Decoder(float_hook=_written).decode

# `json.loads` would make a decoder for each text, which takes a third of the time.
_decode = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_int64, parse_float=_written
).decode


def _check(value: Any) -> None:
    """Walk what was read: depth, and texts that no database and no other reader would keep."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > LIMITS.json_depth_max:
            raise ValueError(f"is nested deeper than {LIMITS.json_depth_max}")
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                deeper += item.keys()
                deeper += item.values()
            elif isinstance(item, list):
                deeper += item
            elif isinstance(item, str):
                _check_text(item)
        level = deeper


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds a lone surrogate") from None


def read_envelope(given: Mapping[str, Any], clock_us: int, company: Company) -> Envelope:
    """Validate one touchpoint from outside, once and for all.

    `given` has the attributes of a CloudEvent. A `dataschema` of an older version of the kind is upcast at the door.

    Raises:
        InvalidTouchpoint: with every field that is wrong and its rule; UnknownKind for a `type` that is none.
        TimeInFuture: it claims to have occurred further ahead of `clock_us` than the company's limit.
    """
    envelope = Envelope.read(_of_current_schema(given) if "dataschema" in given or _CONTENT_TYPE in given else given)
    _check_time(microseconds(envelope.time), clock_us, company)
    if envelope.custom is not None:
        check_custom(envelope.type, envelope.custom, company.custom)
    return envelope


def read_touchpoint(given: Mapping[str, Any], clock_us: int, company: Company) -> Appendable:
    """Validate one touchpoint from outside as `read_envelope` does, and encode it at once where its form is plain.

    Raises:
        As `read_envelope`.
    """
    encoded = read_encoded(given, LIMITS.touchpoint_size_max_bytes)
    if encoded is None:
        return read_envelope(given, clock_us, company)
    _check_time(encoded.occurred_us, clock_us, company)
    return encoded


def _check_time(occurred_us: int, clock_us: int, company: Company) -> None:
    if not _EARLIEST_US <= occurred_us <= clock_us + company.future_limit_s * 1_000_000:
        raise _out_of_time(occurred_us, company)


def _out_of_time(occurred_us: int, company: Company) -> LifecircleError:
    if occurred_us < _EARLIEST_US:
        return InvalidTouchpoint(
            "the touchpoint claims to have occurred before all calendars",
            where="time",
            rule="the first day that every time zone can show is 0001-01-02",
            way_out="check what the producer sends where it knows no time",
        )
    return TimeInFuture(
        "the touchpoint claims to have occurred in the future",
        where="time",
        rule=f"at most {company.future_limit_s} s ahead of the log's clock",
        way_out="check the producer's clock and offset; for a plan use a kind that carries its date as a field",
    )


def _of_current_schema(given: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(given)
    if fields.pop(_CONTENT_TYPE, _JSON_TYPES[0]) not in _JSON_TYPES:
        raise InvalidTouchpoint("the data is not JSON", where=_CONTENT_TYPE, rule=f"it is {_JSON_TYPES[0]}")
    if (schema := fields.pop("dataschema", None)) is None:
        return fields
    kind = kind_named(str(fields.get("type")))
    prefix, _, version = str(schema).rpartition(":")
    if (
        prefix != kind.dataschema.rpartition(":")[0]
        or version not in map(str, range(1, kind.schema_version + 1))
        or not isinstance(fields.get("data"), dict)
    ):
        raise InvalidTouchpoint(
            "the data is of another schema", where="dataschema", rule=f"it is {kind.dataschema}, or of a lower version"
        )
    if schema != kind.dataschema:
        fields["data"] = kind.upcast(fields["data"], str(schema))
    return fields


def encode(envelope: Envelope) -> bytes:
    """The bytes that are stored: JSON of all that the producer gave, in the order of the envelope's attributes.

    Raises:
        InvalidTouchpoint: it is too large. KindBroken: a serializer of the kind failed.
    """
    if envelope.dataschema != envelope.data.dataschema:
        # It was put together in Python, without being read as the envelope of its kind.
        envelope = Envelope.read(envelope.model_dump(exclude_none=True, exclude={"dataschema"}))
    try:
        state = envelope.__pydantic_serializer__.to_json(envelope, exclude_none=True)  # without a detour by str
    except PydanticSerializationError as error:
        raise broken(type(envelope.data), "data", error) from None
    if len(state) > LIMITS.touchpoint_size_max_bytes:
        raise InvalidTouchpoint(
            "the touchpoint is too large", where="data", rule=f"at most {LIMITS.touchpoint_size_max_bytes} bytes"
        )
    if b"\\u0000" in state:
        _check_stored_texts(orjson.loads(state))
    return state


def _check_stored_texts(value: Any) -> None:
    try:
        _check(value)
    except ValueError as error:
        raise InvalidTouchpoint("the touchpoint is invalid", where="data", rule=f"it {error}") from None


def draft_of(touchpoint: Appendable, recordedby: str, stream: str | None = None) -> Draft:
    """Encode one touchpoint for the log; `stream` is given where it is not stored under its own subject."""
    if isinstance(touchpoint, Encoded):
        subject, kind, id_, source, occurred, state, _ = touchpoint
        return _draft((stream or subject, kind, id_, source, occurred, recordedby, state, None))
    occurred, state = microseconds(touchpoint.time), encode(touchpoint)
    stored_under = stream or touchpoint.subject
    return _draft((stored_under, touchpoint.type, touchpoint.id, touchpoint.source, occurred, recordedby, state, None))


# Both are made by the million, and this makes them without going through Python.
_draft = partial(tuple.__new__, Draft)
_new = tuple.__new__


def fact_of(stored: Stored) -> Fact:
    """Decode what the log holds into what folds see, upcast to the current version of its kind."""
    bucket, number, stream, version, named, id_, source, occurred, recorded, _, state = stored
    envelope: dict[str, Any] = orjson.loads(state)
    sequence, data = envelope.get("sequence", 0), envelope["data"]
    # Nearly all is of the current version, and a call for each would take a tenth of the time.
    kind = CURRENT.get(envelope["dataschema"])
    if kind is None:
        kind, data = named, _payload(named, envelope)
    return _new(
        Fact, (occurred, sequence, stream, version, kind, id_, source, data, envelope, bucket, number, recorded)
    )


class Foldable(NamedTuple):
    """What folds must know of one touchpoint besides what its bytes say; times in microseconds since 1970 UTC."""

    bucket: int
    number: int
    stream: str
    version: int
    occurred: int
    recorded: int
    state: bytes


foldable_of: Callable[[Sequence[Any]], Foldable] = partial(tuple.__new__, Foldable)
"""Make a `Foldable` of its fields, as `adapters.log.stored_of` does."""


def fact_to_fold(foldable: Foldable) -> Fact:
    """The same of what a whole log is folded from, which is read for this alone: its columns are few."""
    bucket, number, stream, version, occurred, recorded, state = foldable
    envelope: dict[str, Any] = orjson.loads(state)
    sequence, data = envelope.get("sequence", 0), envelope["data"]
    kind = CURRENT.get(envelope["dataschema"])
    if kind is None:
        kind = envelope["type"]
        data = _payload(kind, envelope)
    id_, source = envelope["id"], envelope["source"]
    return _new(
        Fact, (occurred, sequence, stream, version, kind, id_, source, data, envelope, bucket, number, recorded)
    )


def fact_from(stream: str, version: int, state: bytes) -> Fact:
    """Decode stored bytes alone; position and recorded time, which the bytes do not hold, stay 0."""
    envelope: dict[str, Any] = orjson.loads(state)
    occurred = microseconds(datetime.fromisoformat(envelope["time"]))
    kind, sequence = envelope["type"], envelope.get("sequence", 0)
    data = _payload(kind, envelope)
    return Fact(occurred, sequence, stream, version, kind, envelope["id"], envelope["source"], data, envelope)


def _payload(kind: str, envelope: dict[str, Any]) -> dict[str, Any]:
    known = KINDS.get(kind)
    data: dict[str, Any] = envelope["data"]
    # A kind that this program does not know (an extension not installed here) is folded as it stands.
    if known is None or envelope["dataschema"] == known.dataschema:
        return data
    return known.upcast(data, envelope["dataschema"])


def envelope_of(stored: Stored) -> Envelope:
    """Read a stored touchpoint back as the typed envelope, upcast to the current version of its kind."""
    fields: dict[str, Any] = orjson.loads(stored.state)
    fields["data"] = _payload(stored.kind, fields)
    del fields["dataschema"]
    return Envelope.read(fields)
