"""The company's calendar: which day an instant lies on, whatever the clocks of its zone do."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.company import Company
from domain.touchpoint import microseconds


@pytest.mark.parametrize(
    ("zone", "changes"),
    [
        ("UTC", "2026-03-01"),
        ("Asia/Kolkata", "2026-03-01"),
        ("Europe/Berlin", "2026-03-29"),
        ("Europe/London", "2026-03-29"),
        ("America/Sao_Paulo", "2018-11-04"),  # without a midnight
        ("America/Havana", "2026-11-01"),  # with two
        ("Pacific/Apia", "2011-12-30"),  # a day that there never was
    ],
)
def test_an_instant_lies_on_the_day_that_clocks_show(zone: str, changes: str) -> None:
    company, at = Company(zone=zone), datetime.fromisoformat(changes).replace(tzinfo=UTC) - timedelta(days=1)
    for _ in range(3 * 24 * 4):
        for instant in (at, at - timedelta(microseconds=1)):
            assert company.day_at(microseconds(instant)) == instant.astimezone(ZoneInfo(zone)).date().isoformat()
        at += timedelta(minutes=15)


def test_a_day_begins_once_though_clocks_be_set_back_over_its_midnight() -> None:
    company = Company(zone="America/St_Johns")
    first_midnight = microseconds(datetime(2007, 11, 4, 2, 30, tzinfo=UTC))  # a minute later it was 23:01 again
    assert company.end_of(date(2007, 11, 3)) == first_midnight - 1
    assert company.day_at(first_midnight - 1) == "2007-11-03"
    assert {company.day_at(first_midnight + minute * 60_000_000) for minute in range(24 * 60)} == {"2007-11-04"}


def test_the_last_day_of_the_calendar_has_no_next() -> None:
    assert Company(zone="Europe/Berlin").day_at(microseconds(datetime(9999, 12, 31, 10, tzinfo=UTC))) == "9999-12-31"
