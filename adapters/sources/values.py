"""What a mapping says of one cell or some: values and conditions, as they are written."""

from collections.abc import Iterator
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from domain.money import Currency

ORIGINS = ("column", "constant", "template", "derived", "product")
"""Where a value can come from; a table with one of these keys is a value, any other one a table of values."""


class Part(BaseModel):
    """A table of a mapping."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _constant(given: Any) -> Any:
    if isinstance(given, float):
        raise ValueError("must be written as a text, such as '0.19', for a binary fraction is not exact")  # noqa: TRY004
    return given.isoformat() if hasattr(given, "isoformat") else given


def _flat(given: Any) -> Any:
    """Dotted paths, written `a.b = …`, `"a.b" = …` or as tables within tables, as one table from path to value."""
    if not isinstance(given, dict):
        return given
    paths: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, dict) and not value.keys() & set(ORIGINS):
            paths |= {f"{name}.{path}": inner for path, inner in _flat(value).items()}
        else:
            paths[name] = value
    return paths


def _from_column(given: Any) -> Any:
    return {"column": given} if isinstance(given, str) else given


Number = Annotated[str, BeforeValidator(lambda given: str(given) if isinstance(given, int) else given),
                   Field(pattern=r"^[+-]?\d+(\.\d+)?$")]  # fmt: skip


class Value(Part):
    """One value: where it comes from and how it is read. `"x"` alone means the column x."""

    column: str | None = None
    constant: Annotated[str | int | bool | None, BeforeValidator(_constant)] = None
    template: str | None = None
    derived: str | None = None
    product: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    type: Literal["text", "decimal", "amount", "integer", "date", "boolean"] = "text"
    currency: Currency | None = None
    currency_column: str | None = None
    format: str | None = None
    default: str | None = None
    factor: Number | None = None
    number: Literal["1234.56", "1,234.56", "1.234,56", "1 234,56", "1'234.56"] | None = None
    sign: Annotated[str, Field(min_length=1, max_length=5)] | None = None
    words: dict[str, str] = {}
    keyed: bool = False
    sum: bool = False
    first: bool = False

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if sum(getattr(self, origin) is not None for origin in ORIGINS) != 1:
            raise ValueError("has exactly one of " + ", ".join(ORIGINS))
        if (self.type == "amount") != ((self.currency is None) != (self.currency_column is None)):
            raise ValueError("an amount, and nothing else, has either a currency or a currency_column")
        if self.format is not None and self.type != "date":
            raise ValueError("only a date has a format")
        if (self.number or self.sign) and self.type not in ("decimal", "amount", "integer"):
            raise ValueError("only a decimal, an amount or an integer has a number or a sign")
        if self.words and (not self.column or self.number or self.sign):
            raise ValueError("words are of a column, and are no numbers")
        if self.keyed and self.type != "text":
            raise ValueError("only a text can be keyed")
        if self.product and self.type not in ("decimal", "amount"):
            raise ValueError("a product is a decimal or an amount")
        if self.factor and self.type not in ("decimal", "amount"):
            raise ValueError("only a decimal or an amount has a factor")
        if self.first and (self.sum or not any(self.columns())):
            raise ValueError("first is said of what is read from columns, and not summed")
        if self.sum and (self.type not in ("decimal", "amount") or not (self.column or self.product)):
            raise ValueError("a sum is a decimal or an amount, of a column or a product")
        return self

    def columns(self) -> Iterator[str]:
        """The columns that it reads."""
        yield from (name for name in (self.column, self.currency_column) if name)
        yield from self.product or ()
        if self.template is not None:
            yield from (name for _, name, _, _ in Formatter().parse(self.template) if name)


Values = Annotated[dict[str, Annotated[Value, BeforeValidator(_from_column)]], BeforeValidator(_flat)]
OneValue = Annotated[Value, BeforeValidator(_from_column)]
OPERATORS = ("equals", "not_equals", "empty", "in", "not_in", "starts_with", "not_starts_with", "less_than", "at_most",
             "more_than", "at_least")  # fmt: skip


class Condition(Part):
    """Something that a cell must be, said by exactly one operator."""

    column: str
    equals: str | None = None
    not_equals: str | None = None
    empty: bool | None = None
    is_in: Annotated[tuple[str, ...] | None, Field(alias="in")] = None
    not_in: tuple[str, ...] | None = None
    starts_with: str | None = None
    not_starts_with: str | None = None
    less_than: Number | None = None
    at_most: Number | None = None
    more_than: Number | None = None
    at_least: Number | None = None

    @model_validator(mode="after")
    def _has_one_operator(self) -> Self:
        if len(self.model_fields_set - {"column"}) != 1:
            raise ValueError("has exactly one of " + ", ".join(OPERATORS))
        return self


Conditions = Annotated[tuple[Condition, ...], Field(min_length=1)]
