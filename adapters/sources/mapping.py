"""The mapping: a TOML file that says how the rows of a file become touchpoints. Checked whole before a row is read."""

import codecs
import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationError, model_validator

from adapters.extensions import load_extensions
from adapters.sources.values import Conditions, OneValue, Part, Value, Values
from domain.errors import MappingInvalid, UnknownKind
from domain.identifiers import Id
from domain.shortcuts import problems
from domain.touchpoint import Envelope, Label, kind_named

GUIDE = "docs/how-to/import.md says what a mapping holds"

EXTRAS = frozenset(Envelope.model_fields) - {
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "precision",
    "data",
}
"""The attributes of the envelope that a mapping may fill besides those every touchpoint has."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("is no time zone of the IANA database, such as Europe/London") from error
    return name


def _codec(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise ValueError("is no encoding that Python knows, such as utf-8 or latin-1") from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]
OneCharacter = Annotated[str, Field(min_length=1, max_length=1)]


class FileForm(Part):
    """What the file looks like."""

    format: Literal["csv", "tsv", "whitespace", "xes", "parquet"] = "csv"
    encoding: Annotated[str, AfterValidator(_codec)] = "utf-8"
    header: bool = True
    columns: tuple[Label, ...] = ()
    delimiter: OneCharacter | None = None
    quote: Annotated[str, Field(max_length=1)] = '"'

    @model_validator(mode="after")
    def _columns_have_one_origin(self) -> Self:
        if self.header == bool(self.columns):
            raise ValueError("columns are named where header = false, and only there")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns must have different names")
        if self.format in ("xes", "parquet") and len(self.model_fields_set) > 1:
            raise ValueError(f"{self.format} says all of itself; only text has an encoding, a header and the like")
        return self


class Count(Part):
    """Something that is counted of the rows read: those that meet all conditions, or the different cells of theirs."""

    name: Label
    when: Conditions | tuple[()] = ()
    distinct: str | None = None


class LeaveOut(Part):
    """A named reason to leave a row out: all its conditions hold."""

    name: Label
    when: Conditions


class Grouping(Part):
    """Rows with equal cells in `by` make one touchpoint: those that follow each other, or all of the file."""

    by: Annotated[tuple[str, ...], Field(min_length=1)]
    rows: Literal["consecutive", "all"] = "consecutive"


class Time(Part):
    """When it occurred: the cells, joined by a blank, in a format of `strptime` or in ISO 8601."""

    column: str | None = None
    columns: tuple[str, ...] = ()
    format: str = "iso"
    zone: Zone | None = None
    precision: Literal["date", "instant"] = "instant"

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        if bool(self.column) == bool(self.columns):
            raise ValueError("has either column or columns")
        return self

    def names(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return self.columns or (self.column or "",)


class TouchpointRule(Part):
    """What a row, or a group of rows, becomes."""

    kind: str
    name: Label = ""
    per: Literal["group", "row"] = "group"
    subject: OneValue
    id: OneValue | None = None
    time: Time
    when: Conditions | tuple[()] = ()
    fields: Values = Field(default_factory=dict)
    each_row: dict[str, Values] = Field(default_factory=dict)
    envelope: Values = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _named_after_its_kind(cls, given: Any) -> Any:
        return {"name": given.get("kind"), **given} if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        try:
            kind = kind_named(self.kind)
        except UnknownKind as error:
            raise ValueError(f"{self.kind} is no kind of touchpoint; {error.way_out}") from error
        known = {field.alias or name: field for name, field in kind.model_fields.items()}
        given = {path.partition(".")[0] for path in self.fields} | self.each_row.keys()
        if strange := sorted(given - known.keys()):
            raise ValueError(f"{self.kind} has no field {', '.join(strange)}; it has {', '.join(known)}")
        if missing := [name for name, field in known.items() if field.is_required() and name not in given]:
            raise ValueError(f"{self.kind} needs {', '.join(missing)}")
        if strange := sorted({path.partition(".")[0] for path in self.envelope} - EXTRAS):
            raise ValueError(f"envelope has no {', '.join(strange)}; it has {', '.join(sorted(EXTRAS))}")
        if any(value.sum for values in (*self.each_row.values(), self.envelope) for value in values.values()):
            raise ValueError("only fields can be sums")
        if self.per == "row" and any(value.sum for value in self.fields.values()):
            raise ValueError("a touchpoint of each row sums nothing")
        if self.per == "group" and any(value.first for _, value in self.values()):
            raise ValueError('first is said where per = "row"; a touchpoint of the group reads its first row anyway')
        return self

    def values(self) -> Iterator[tuple[str, Value]]:
        """Every value, with the key that it stands under."""
        yield "subject", self.subject
        if self.id:
            yield "id", self.id
        tables = {"fields": self.fields, "envelope": self.envelope} | {
            f"each_row.{name}": values for name, values in self.each_row.items()
        }
        for table, values in tables.items():
            yield from ((f"{table}.{path}", value) for path, value in values.items())


class Mapping(Part):
    """A whole mapping. Its name goes into derived ids, so it is as lasting as they are."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
    source: Id
    zone: Zone
    file: FileForm = FileForm()
    count: tuple[Count, ...] = ()
    leave_out: tuple[LeaveOut, ...] = ()
    key: tuple[str, ...] = ()
    group: Grouping | None = None
    touchpoint: Annotated[tuple[TouchpointRule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for what, names in {
            "count": [each.name for each in self.count],
            "leave_out": [each.name for each in self.leave_out],
            "touchpoint": [each.name for each in self.touchpoint],
        }.items():
            if len(set(names)) < len(names):
                raise ValueError(f"every {what} must have a name of its own")
        if self.key and self.group:
            raise ValueError("a group is told apart by group.by; key is for rows that stand alone")
        if not self.group and any(rule.per == "row" for rule in self.touchpoint):
            raise ValueError('without a group every touchpoint is of a row; per = "row" is said within one')
        return self

    @property
    def needs_key(self) -> bool:
        """Whether it derives ids with the log's id key."""
        return any(value.keyed for rule in self.touchpoint for _, value in rule.values())

    def check_columns(self, columns: tuple[str, ...], where: str) -> None:
        """Check that the file has every column that is named.

        Raises:
            MappingInvalid: it lacks one.
        """
        for key, name in self._columns():
            if name not in columns:
                raise MappingInvalid(
                    f"the mapping names a column that the file has not: {name}",
                    where=f"{key} in mapping {self.name}",
                    rule=f"{where} has the columns " + ", ".join(columns),
                    way_out="name one of these, or another file",
                )

    def _columns(self) -> Iterator[tuple[str, str]]:
        yield from (("key", name) for name in self.key)
        yield from (("group.by", name) for name in (self.group.by if self.group else ()))
        yield from ((f"count {each.name}", each.distinct) for each in self.count if each.distinct)
        for part, named in (("count", self.count), ("leave_out", self.leave_out)):
            for each in named:
                yield from ((f"{part} {each.name}", condition.column) for condition in each.when)
        for rule in self.touchpoint:
            yield from ((f"touchpoint {rule.name}: time", name) for name in rule.time.names())
            yield from ((f"touchpoint {rule.name}: when", condition.column) for condition in rule.when)
            for key, value in rule.values():
                yield from ((f"touchpoint {rule.name}: {key}", name) for name in value.columns())


def kept_mappings() -> dict[str, str]:
    """The mappings that come with lifecircle: their text by their name."""
    folder = sorted(files("adapters.sources").joinpath("mappings").iterdir(), key=lambda each: each.name)
    return {each.name.removesuffix(".toml"): each.read_text("utf-8") for each in folder if each.name.endswith(".toml")}


def load_mapping(place: str) -> Mapping:
    """Read a mapping: a file's path, or the name of one that comes with lifecircle.

    Raises:
        MappingInvalid: there is none, it is no TOML, or what it says cannot be done.
    """
    load_extensions()  # a mapping may name a company's own kinds
    path = Path(place)
    try:
        if path.is_file() or path.suffix == ".toml" or "/" in place:
            text = path.read_text("utf-8")
        else:
            text = kept_mappings()[place]
    except UnicodeDecodeError as error:
        raise _no_toml(error, place) from None
    except (OSError, KeyError):
        raise MappingInvalid(
            "there is no such mapping",
            where=place,
            rule="it is a TOML file, or one of " + ", ".join(kept_mappings()),
            way_out=f"check its name; {GUIDE}",
        ) from None
    return read_mapping(text, place)


def read_mapping(text: str, place: str) -> Mapping:
    """Read the text of a mapping; `place` is where it stands.

    Raises:
        MappingInvalid: it is no TOML, or what it says cannot be done.
    """
    try:
        return Mapping.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(error, place) from None
    except ValidationError as error:
        raise _invalid(error, place) from None


def read_stored(text: str) -> Mapping | None:
    """Read a mapping back that a log kept with an import; None where there was none.

    Raises:
        MappingInvalid: this program does not know what it says.
    """
    try:
        return None if text == "null" else Mapping.model_validate_json(text)
    except ValidationError as error:
        raise _invalid(error, "the mapping that the import was kept with") from None


def _no_toml(error: ValueError, place: str) -> MappingInvalid:
    return MappingInvalid(
        "the mapping is no TOML", where=place, rule=str(error), way_out="mend it; https://toml.io tells the format"
    )


def _invalid(error: ValidationError, place: str) -> MappingInvalid:
    found = [(re.sub(r"\.\[.*?\]|\.function-[^.]*", "", ".".join(map(str, at))), rule) for at, rule in problems(error)]
    return MappingInvalid(
        "the mapping does not say how rows become touchpoints",
        where=f"{place}: " + ", ".join(dict.fromkeys(key or "the whole" for key, _ in found)),
        rule="; ".join(f"{key}: {rule}".removeprefix(": ") for key, rule in found),
        way_out=f"mend these keys; {GUIDE}",
    )
