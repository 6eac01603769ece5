"""The company whose customers these are: the recorded settings that rules and calendars read."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cached_property, lru_cache
from sys import intern
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_serializer

from domain.custom import EVERY_KIND, CustomSchema
from domain.errors import SettingsInvalid
from domain.money import MICROS, Currency, Quantity, quantity_micros
from domain.policy import Policy
from domain.shortcuts import where_and_rule
from domain.touchpoint import EPOCH, Fact, Label, microseconds

DAY_US = 86_400_000_000
_UTC_DAYS_MAX = 20_000
"""How many days are remembered: those of half a century."""
_KIND_OR_EVERY = rf"^([A-Z][A-Za-z0-9]*|{re.escape(EVERY_KIND)})$"

FREQUENCY_MESSAGES_MAX = 1_000
"""The most messages that a frequency cap may count; so many days are remembered for each customer."""
FREQUENCY_CAPS_MAX = 20
"""The most frequency caps of a company."""
BANDS_MAX = 1_000
"""The most traits of which views show bands."""
PAYMENT_TOLERANCE_MAX = 1_000_000.0
RFM_DAYS_MAX = 36_500
LOYALTY_TIERS_MAX = 50

Purpose = Label
"""What a message or a use of data is for."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("is no time zone of the IANA database, such as Europe/London") from error
    return name


def _rising(limits: tuple[Any, ...]) -> tuple[Any, ...]:
    micros = [quantity_micros(limit) for limit in limits]
    if micros != sorted(set(micros)):
        raise ValueError("must be four numbers, each greater than the one before")
    return limits


_Days = Annotated[int, Field(strict=True, ge=0, le=RFM_DAYS_MAX)]
_Whole = Annotated[int, Field(strict=True, ge=1)]
RisingDays = Annotated[tuple[_Days, _Days, _Days, _Days], AfterValidator(_rising)]
RisingOrders = Annotated[tuple[_Whole, _Whole, _Whole, _Whole], AfterValidator(_rising)]
RisingQuantities = Annotated[tuple[Quantity, Quantity, Quantity, Quantity], AfterValidator(_rising)]


class FrequencyCap(BaseModel):
    """How many promotional messages a customer may get within so many calendar days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages: int = Field(ge=1, le=FREQUENCY_MESSAGES_MAX, description="how many at most")
    days: int = Field(ge=1, description="within how many calendar days, the day of the message being the last of them")
    purpose: Purpose | None = Field(default=None, description="the purpose it holds for; all together where unset")


class Band(BaseModel):
    """What views show of a trait instead of its value: the name of the band that the value lies in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    floors: dict[Label, int] = Field(default={}, description="of numbers: the lowest value in each band, by its name")
    groups: dict[Label, frozenset[Label]] = Field(default={}, description="of texts: the values in each band")

    @field_serializer("groups", when_used="json")
    def _grouped(self, groups: dict[str, frozenset[str]]) -> dict[str, list[str]]:
        return {name: sorted(values) for name, values in groups.items()}

    def of(self, value: Any) -> str | None:
        """The band that a value lies in; None where none is declared for it."""
        if isinstance(value, str):
            return next((name for name, values in self.groups.items() if value in values), None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        below = [(floor, name) for name, floor in self.floors.items() if floor <= value]
        return max(below)[1] if below else None


class _Calendar(dict[int, tuple[int, str, str]]):
    """For each day of UTC since 1970 the microsecond at which a zone's next day begins in it, and both days.

    Folds ask for the day of every touchpoint several times, and this much stays in the processor's cache. A day begins
    with its first midnight and once, though clocks be set back over it.
    """

    def __init__(self, zone: str) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, utc_day: int) -> tuple[int, str, str]:
        if len(self) >= _UTC_DAYS_MAX:
            self.clear()
        zone, begins = ZoneInfo(self._zone), utc_day * DAY_US
        first = _moment(begins).astimezone(zone).date()
        try:
            last = _moment(begins + DAY_US - 1).astimezone(zone).date()
        except OverflowError:  # the last day that a calendar has
            last = first
        turn = begins if first == last else microseconds(datetime.combine(last, time(), zone))
        self[utc_day] = found = (turn, intern(first.isoformat()), intern(last.isoformat()))
        return found

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self._zone,)


def _moment(at_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=at_us)


class Company(Policy):
    """Settings that are recorded with the log, for views, rules and decisions depend on them."""

    name: str = Field(default="company", description="the company whose customers these are")
    zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="UTC", description="the time zone of its calendar, of the IANA database"
    )
    future_limit_s: int = Field(
        default=300, ge=0, description="how far ahead of the clock a touchpoint may claim to be, in seconds"
    )
    over_delivery_tolerance: float = Field(
        default=0.0, ge=0, description="share of the ordered quantity that may be shipped beyond it"
    )
    payment_tolerance: float = Field(
        default=0.0,
        ge=0,
        le=PAYMENT_TOLERANCE_MAX,
        description="by how much a payment may miss what is open, in units of its currency",
    )
    dunning_grace_days: int = Field(
        default=0, ge=0, description="how many days after the due date a dunning notice still comes too early"
    )
    dunning_interval_days: int = Field(
        default=14, ge=1, description="how many days after a dunning notice the next one is due"
    )
    currency: Currency | None = Field(
        default=None,
        description="the currency that reports show amounts in as well, where a rate is recorded; none where unset",
    )
    rfm_recency_days: RisingDays | None = Field(
        default=None,
        description="days since the last purchase up to which recency scores 5, 4, 3, 2; by fifths where unset",
    )
    rfm_orders: RisingOrders | None = Field(
        default=None,
        description="numbers of orders from which frequency scores 2, 3, 4 and 5; scored by fifths where unset",
    )
    rfm_net: dict[Currency, RisingQuantities] = Field(
        default={},
        description="by currency, net values from which money scores 2, 3, 4 and 5; scored by fifths where unset",
    )
    loyalty_tiers: dict[Label, _Whole] = Field(
        default={},
        max_length=LOYALTY_TIERS_MAX,
        description="the tiers of the loyalty programme: by name, the points earned from which a customer is in it",
    )
    attribution_half_life_days: int = Field(
        default=7,
        ge=1,
        le=3650,
        description="after how many days a touch has half the weight of a later one, in attribution by time decay",
    )
    request_days: int = Field(
        default=30, ge=1, description="days in which to answer a subject's request that names no due date"
    )
    promotional: frozenset[Purpose] = Field(
        default=frozenset({"promotion", "newsletter", "invitation"}),
        description="purposes of messages that need a basis, such as a consent, and count for the frequency caps",
    )
    wider_purposes: dict[Purpose, frozenset[Purpose]] = Field(
        default={"marketing": frozenset({"promotion", "newsletter", "invitation"})},
        description="what a consent or an objection to a wider purpose covers besides that purpose itself",
    )
    frequency_caps: tuple[FrequencyCap, ...] = Field(
        default=(), max_length=FREQUENCY_CAPS_MAX, description="how often a customer may get promotional messages"
    )

    custom: dict[Annotated[str, Field(pattern=_KIND_OR_EVERY)], CustomSchema] = Field(
        default={},
        description="the JSON Schema of the custom fields of a kind, by the kind's name; * for all others; no view"
        " depends on it",
    )

    special_data: bool = Field(
        default=False,
        description="whether traits of special categories, such as health or faith, may be recorded; no view depends"
        " on it",
    )
    bands: dict[Label, Band] = Field(
        default={},
        max_length=BANDS_MAX,
        description="what views show of a customer's traits, by the trait's name; it is fixed when a trait is recorded",
    )
    erasure_by_two: bool = Field(
        default=False, description="whether forgetting a customer takes two of us; no view depends on it"
    )

    @field_serializer("promotional", when_used="json")
    def _purposes(self, purposes: frozenset[str]) -> list[str]:
        return sorted(purposes)  # the fingerprint of a view must not hang on the order in a set

    @field_serializer("wider_purposes", when_used="json")
    def _covered(self, wider: dict[str, frozenset[str]]) -> dict[str, list[str]]:
        return {purpose: sorted(covered) for purpose, covered in wider.items()}

    def changed(self, changes: Mapping[str, Any]) -> "Company":
        """These settings with some of them changed; values as in JSON.

        Raises:
            SettingsInvalid: there is no such setting, or it cannot have this value.
        """
        try:
            return Company.model_validate({**self.model_dump(mode="json"), **changes})
        except ValidationError as error:
            where, rule = where_and_rule(error)
            raise SettingsInvalid(
                "the company's settings cannot be these",
                where=where,
                rule=rule,
                way_out="see every setting with its meaning: lifecircle settings",
            ) from None

    def covered(self, purpose: str) -> tuple[str, ...]:
        """The purposes that a statement on one covers: itself first, then what it is wider than."""
        return (purpose, *sorted(self.wider_purposes.get(purpose, frozenset()) - {purpose}))

    def missed(self, micros: int) -> bool:
        """Whether an amount, in micro-units, is more than a payment may miss what is open by."""
        return micros > round(self.payment_tolerance * MICROS)

    def day(self, fact: Fact) -> str:
        """The calendar day of a fact, `2026-03-01`: as stated under date precision, else in the company's zone."""
        envelope = fact.envelope
        if "precision" in envelope and envelope["precision"] == "date":
            stated: str = envelope["time"]
            return stated[:10]
        at = fact.at
        turn, before, after = self._days[at // DAY_US]
        return before if at < turn else after

    def day_at(self, at_us: int) -> str:
        """The calendar day of an instant in the company's zone."""
        turn, before, after = self._days[at_us // DAY_US]
        return before if at_us < turn else after

    @cached_property
    def _days(self) -> _Calendar:
        return _Calendar(self.zone)

    def __copy__(self) -> Self:
        copied = super().__copy__()
        vars(copied).pop("_days", None)  # a copy may get another zone
        return copied

    def end_of(self, day: date) -> int:
        """The last microsecond of a calendar day in the company's zone, in microseconds since 1970 UTC.

        Raises:
            OverflowError: the calendar ends with this day.
        """
        return microseconds(datetime.combine(day + timedelta(days=1), time(), ZoneInfo(self.zone))) - 1


@lru_cache(maxsize=100_000)
def day_number(day: str) -> int:
    """An ISO day as the number that views reckon with: 1 is 0001-01-01.

    Raises:
        ValueError: it is no day of the calendar.
    """
    return date.fromisoformat(day).toordinal()


def days_between(first: str, last: str) -> int:
    """Whole calendar days from one ISO day to another; negative when the second is earlier."""
    return day_number(last) - day_number(first)
