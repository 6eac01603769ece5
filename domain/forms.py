"""Kinds as compiled code knows them: structs that are derived from the annotations of a kind and its envelope.

Nothing is written for a kind. Whatever is not understood here, a field or a whole kind, is declined, so that pydantic
reads it: values of such a field, or all touchpoints of such a kind.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import cache, lru_cache, partial, reduce
from operator import attrgetter, eq, or_
from types import FunctionType, MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, BaseModel, BeforeValidator, Strict, StringConstraints, WithJsonSchema
from pydantic.fields import FieldInfo

from domain.fields import Day, Line, Lines, Personal, PersonalPlace, personal_places, sealed_fields
from domain.history import DECIDED_KINDS
from domain.identifiers import ID_LENGTH_MAX, Entity, Id
from domain.money import (
    ISO_4217,
    MICROS_MAX,
    PLAIN_NUMBER,
    WHOLE_MAX,
    Amount,
    Quantity,
    WrittenNumber,
    canonical,
    micros,
)
from domain.shortcuts import Shortcut
from domain.touchpoint import INT64_MAX, Text, Touchpoint, envelope_of_kind


class _Declined(Exception):
    """Something in a field or kind that only pydantic understands."""


class Form(NamedTuple):
    """What a kind is compiled to.

    struct: its envelope; ids: reads off the ids that all its touchpoints have; finishing: what is left to do with the
    payload, and raises ValueError where that is refused; personal: where the payload may hold what is to be sealed.
    """

    struct: type[msgspec.Struct]
    ids: Callable[[Any], tuple[str, ...]]
    finishing: tuple[Callable[[Any], object], ...]
    personal: tuple[PersonalPlace, ...]


class Written(dict[str, Any]):
    """An amount as it is stored."""

    __slots__ = ("currency",)
    currency: str


@lru_cache(maxsize=10_000)
def _written(number: str, currency: str) -> Written:
    if currency not in ISO_4217 or not PLAIN_NUMBER.fullmatch(number):
        raise ValueError
    return _kept(micros(number), currency)


@lru_cache(maxsize=10_000)
def _kept(micro_units: int, currency: str) -> Written:
    written = Written(micros=micro_units, currency=currency)
    written.currency = currency
    return written


class _Anything(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return True


class _Measure(metaclass=_Anything):
    """Marks a count or measure, which is kept as an integer or a decimal text."""


def read_value(wanted: type, given: Any) -> Written | int | str:
    """Read an amount or a measure in its commonest forms."""
    return _amount(given) if wanted is Written else _measure(given)


@lru_cache(maxsize=10_000)
def _canonical_text(number: str) -> int | str:
    if not PLAIN_NUMBER.fullmatch(number):
        raise ValueError
    return canonical(number)


def _measure(given: Any) -> int | str:
    if type(given) is int and abs(given) <= WHOLE_MAX:
        return given
    if type(given) is str:
        return _canonical_text(given)
    if type(given) is WrittenNumber:
        return _canonical_text(given.text)
    raise ValueError


def _amount(given: Any) -> Written:
    if type(given) is str:
        return _written(*given.split(" "))
    if type(given) is Amount:
        return _kept(given.micros, given.currency)
    if type(given) is not dict or len(given) != 2:
        raise ValueError
    currency, amount = given.get("currency"), given.get("amount")
    if type(currency) is not str:
        raise ValueError
    if type(amount) is str:
        return _written(amount, currency)
    if type(amount) is WrittenNumber:
        return _written(amount.text, currency)
    if type(amount) is int:
        return _written(str(amount), currency)
    whole = given.get("micros")
    if type(whole) is not int or abs(whole) > MICROS_MAX or currency not in ISO_4217:
        raise ValueError
    return _kept(whole, currency)


@cache
def form_of(kind: type[Touchpoint]) -> Form | None:
    """What a kind is compiled to; None for one that is left to pydantic."""
    if kind.kind in DECIDED_KINDS:
        return None
    envelope = envelope_of_kind(kind)
    try:
        payload = _struct(kind, dict.fromkeys(_required_ids(kind), _ID_LENGTH))
        time = Annotated[datetime, msgspec.Meta(tz=True)]
        ids = dict.fromkeys(_required_ids(envelope), _ID_LENGTH)
        struct = _struct(envelope, {**ids, "data": payload, "time": time})
        msgspec.json.Decoder(struct)
        finishing = tuple(_finishing(kind))
    except (_Declined, TypeError):
        return None
    ids_of = attrgetter(*_required_ids(envelope), *(f"data.{name}" for name in _required_ids(kind)))
    return Form(struct, ids_of, finishing, personal_places(kind))


def _required_ids(model: type[BaseModel]) -> Iterator[str]:
    """Fields that always hold an id; their letters are looked at together, for that is quicker than one by one."""
    for name, field in model.model_fields.items():
        if field.is_required() and [mark for mark in field.metadata if not isinstance(mark, Entity)] == _ID_MARKS:
            yield name


def _finishing(kind: type[Touchpoint]) -> Iterator[Callable[[Any], object]]:
    for name, field in kind.model_fields.items():
        if _NUMBERED in field.metadata:
            yield partial(_number, name)
    for decorator in kind.__pydantic_decorators__.model_validators.values():
        if decorator.info.mode != "after" or not _is_ours(kind):
            raise _Declined
        yield decorator.func


def _number(name: str, payload: Any) -> None:
    """Give lines without a number that of their place; each must have one of its own."""
    lines = getattr(payload, name)
    if len(lines) == 1:  # as in most orders of a shop
        if lines[0].line is msgspec.UNSET:
            lines[0].line = "1"
        return
    for place, line in enumerate(lines, start=1):
        if line.line is msgspec.UNSET:
            line.line = str(place)
    if len({line.line for line in lines}) < len(lines):
        raise ValueError


def _is_ours(model: type[BaseModel]) -> bool:
    """Whether a model is the house's own, whose validators look at nothing but the values of fields."""
    return model.__module__.partition(".")[0] == "domain"


_SETTINGS = {"frozen", "extra", "populate_by_name", "serialize_by_alias", "defer_build", "title", "json_schema_extra"}


def _struct(model: type[BaseModel], given: Mapping[str, Any] = MappingProxyType({})) -> type[msgspec.Struct]:
    """A model as a struct, some of whose fields' forms are given."""
    _check(model)
    fields: list[tuple[str, Any, Any]] = []
    for name, field in model.model_fields.items():
        renamed = not field.alias == field.validation_alias == field.serialization_alias
        if renamed or field.exclude or field.discriminator or field.default_factory:
            raise _Declined
        try:
            form = given[name] if name in given else _form(field.annotation, field.metadata)
        except _Declined:
            if field.is_required():
                raise
            form = None  # declined wherever it is given
        fields.append((name, form, msgspec.UNSET if form is _NUMBER else _default(field)))
    functions = {name: member for name, member in vars(model).items() if isinstance(member, FunctionType)}
    return msgspec.defstruct(
        model.__name__,
        fields,
        namespace=functions if _is_ours(model) else None,
        rename={name: field.alias for name, field in model.model_fields.items() if field.alias},
        kw_only=True,
        forbid_unknown_fields=True,
        omit_defaults=True,
        gc=False,
    )


def _schema_of(model: Any) -> Any:
    return model.__get_pydantic_core_schema__.__func__


def _check(model: type[BaseModel]) -> None:
    """Decline a model that does more than its annotations say, and one inside of others that is sealed in places."""
    settings, decorators = model.model_config, model.__pydantic_decorators__
    if (
        settings.get("extra") != "forbid"
        or not _SETTINGS.issuperset(settings)
        or (not settings.get("serialize_by_alias") and any(field.alias for field in model.model_fields.values()))
        or any(getattr(decorators, each) for each in decorators.__dataclass_fields__ if each != "model_validators")
        or (decorators.model_validators and not issubclass(model, Touchpoint))
        or model.__private_attributes__
        or any(
            getattr(model, each) is not getattr(BaseModel, each) for each in ("__init__", "__new__", "model_post_init")
        )
        or _schema_of(model) is not _schema_of(BaseModel)
        or (sealed_fields(model) and not issubclass(model, Touchpoint))
    ):
        raise _Declined


def _default(field: FieldInfo) -> Any:
    """What stands for a field that is not given: left out where pydantic leaves it out, and written where it writes."""
    if field.is_required():
        return msgspec.NODEFAULT
    value, left_out = field.default, field.exclude_if
    if type(value) not in (NoneType, str, int, bool) and value != ():
        raise _Declined
    if left_out:
        if not (isinstance(left_out, partial) and left_out.func is eq and left_out.args == (value,)):
            raise _Declined
        return value
    # A factory's value is never left out.
    return None if value is None else msgspec.field(default_factory=lambda: value)


_NO_RULES = (Entity, WithJsonSchema, Strict)
_, *_ID_MARKS = get_args(Id)
_ID_LENGTH = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH_MAX)]
_MEASURE = [mark for mark in get_args(Quantity) if isinstance(mark, BeforeValidator | Shortcut)]
_NO_NUL = next(mark for mark in get_args(Text) if isinstance(mark, StringConstraints)).pattern
_ISO_DAY = next(mark for mark in get_args(Day) if isinstance(mark, BeforeValidator))
_NUMBERED = next(mark for mark in get_args(Lines) if isinstance(mark, BeforeValidator))
_EACH_ITS_NUMBER = next(mark for mark in get_args(Lines) if isinstance(mark, AfterValidator))


def _form(hint: Any, marks: Iterable[Any] = ()) -> Any:
    """What compiled code takes for an annotation.

    Raises:
        _Declined: something in it is not understood.
    """
    if get_origin(hint) is Annotated:
        inner, *its_own = get_args(hint)
        return _form(inner, [*its_own, *marks])
    marks = [each for mark in marks for each in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
    # What is Personal, and no more than that, is sealed once it is encoded.
    marks = [mark for mark in marks if not (isinstance(mark, _NO_RULES) or type(mark) is Personal)]
    if marks == _MEASURE:
        return _Measure
    for place, mark in enumerate(marks):
        if isinstance(mark, Shortcut):
            return _with_limits(*_shortcut(mark), marks[place + 1 :])
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _union(members, marks)
    if marks == [_ISO_DAY] and hint is date:
        return date
    if origin is Literal and not marks and all(type(each) is str for each in members):
        return hint
    if origin is tuple and len(members) == 2 and members[1] is ...:
        if marks[-2:] == [_NUMBERED, _EACH_ITS_NUMBER] and members[0] is Line:
            return _with_limits(tuple[_struct(Line, {"line": _NUMBER}), ...], {}, marks[:-2])  # type: ignore[misc]
        return _with_limits(tuple[_form(members[0]), ...], {}, marks)  # type: ignore[misc]
    if origin is dict:
        return _with_limits(dict[_form(members[0]), _form(members[1])], {}, marks)  # type: ignore[misc]
    if hint is int:
        return _with_limits(int, {"ge": -INT64_MAX, "le": INT64_MAX}, marks)
    if hint is str or (hint is bool and not marks):
        return _with_limits(hint, {}, marks)
    if isinstance(hint, type) and issubclass(hint, BaseModel) and not marks:
        return Written if hint is Amount else _struct(hint)
    raise _Declined


def _union(members: tuple[Any, ...], marks: list[Any]) -> Any:
    some = [member for member in members if member is not NoneType]
    if marks or (len(some) > 1 and any(_root(each) not in (bool, int, str) for each in some)):
        raise _Declined
    return reduce(or_, [None if each is NoneType else _form(each) for each in members])


def _root(hint: Any) -> Any:
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint


def _shortcut(mark: Shortcut) -> tuple[Any, dict[str, Any]]:
    """The plain form of a shortcut."""
    match mark.plain:
        case {"type": "str", "pattern": str(pattern)} if pattern[:1] + pattern[-1:] == "^$":
            return str, {"pattern": rf"{pattern[:-1]}\Z"}
        case {"type": "int", "ge": low, "le": high}:
            return int, {"ge": low, "le": high}
        case {"type": "literal", "expected": texts}:
            return Literal[tuple(texts)], {}
    raise _Declined


def _with_limits(form: Any, limits: dict[str, Any], marks: Iterable[Any]) -> Any:
    for mark in marks:
        match mark:
            case Ge(low):
                limits["ge"] = max(low, limits.get("ge", low))
            case Le(high):
                limits["le"] = min(high, limits.get("le", high))
            case MinLen(least):
                limits["min_length"] = max(least, limits.get("min_length", least))
            case MaxLen(most):
                limits["max_length"] = min(most, limits.get("max_length", most))
            case StringConstraints() if mark == StringConstraints(
                min_length=mark.min_length, max_length=mark.max_length, pattern=_NO_NUL
            ):
                # NUL is looked for in what was encoded.
                limits |= {name: getattr(mark, name) for name in ("min_length", "max_length") if getattr(mark, name)}
            case _:
                raise _Declined
    return Annotated[form, msgspec.Meta(**limits)] if limits else form


_NUMBER = _form(Id) | msgspec.UnsetType
"""The number of a line, which it may have to be given."""
