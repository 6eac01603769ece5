"""The company whose customers these are: the recorded settings that rules and calendars read."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain.touchpoint import Fact, microseconds

DAY_US = 86_400_000_000
_QUARTER_US = 900_000_000


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("is no time zone of the IANA database, such as Europe/London") from error
    return name


class Company(BaseModel):
    """Settings that are recorded with the log, for views and rules depend on them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="company", description="the company whose customers these are")
    zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="UTC", description="the time zone of its calendar, by its name in the IANA database"
    )
    future_limit_s: int = Field(
        default=300, ge=0, description="how far ahead of the clock a touchpoint may claim to be"
    )
    over_delivery_tolerance: float = Field(
        default=0.0, ge=0, description="share of the ordered quantity that may be shipped beyond it"
    )

    def day(self, fact: Fact) -> str:
        """The calendar day of a fact, `2026-03-01`: as stated under date precision, else in the company's zone."""
        if fact.is_date:
            stated: str = fact.envelope["time"]
            return stated[:10]
        return self.day_at(fact.at)

    def day_at(self, at_us: int) -> str:
        """The calendar day of an instant in the company's zone."""
        # Every zone's offset is constant within a quarter of an hour, so the day of its start serves the whole.
        return _day_of_quarter(self.zone, at_us // _QUARTER_US)

    def end_of(self, day: date) -> int:
        """The last microsecond of a calendar day in the company's zone, in microseconds since 1970 UTC.

        Raises:
            OverflowError: the calendar ends with this day.
        """
        return microseconds(datetime.combine(day + timedelta(days=1), time(), ZoneInfo(self.zone))) - 1


@lru_cache(maxsize=100_000)
def _day_of_quarter(zone: str, quarter: int) -> str:
    return datetime.fromtimestamp(quarter * 900, tz=UTC).astimezone(ZoneInfo(zone)).date().isoformat()


def days_between(first: str, last: str) -> int:
    """Whole calendar days from one ISO day to another; negative when the second is earlier."""
    return date.fromisoformat(last).toordinal() - date.fromisoformat(first).toordinal()
