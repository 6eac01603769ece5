"""The company's settings in a log: versions that are only ever added."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from adapters.addresses import open_log
from adapters.log import Log, Settings
from domain.company import Company

LATER = Company(name="Ada's", zone="Europe/Paris", promotional=frozenset({"gift", "promotion"}))


def test_the_first_version_came_with_the_log(log: Log) -> None:
    assert log.settings() == [Settings(1, None, None, Company(name="Ada's", zone="Europe/London"))]


def test_a_change_is_a_new_version_that_the_next_opening_reads(log: Log, url: str) -> None:
    changed = Settings(2, 1_700_000_000_000_000, "clerk", LATER)
    assert log.change_settings(changed)
    assert log.settings()[1:] == log.settings(1) == [changed]
    assert log.settings(2) == []
    with closing(open_log(url)) as again:
        assert again.company == LATER


def test_a_number_is_taken_once_and_none_is_left_out(log: Log) -> None:
    def change(clerk: int) -> bool:
        return log.change_settings(Settings(2, clerk, f"clerk {clerk}", LATER))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(change, range(8))) == 1
    assert not log.change_settings(Settings(4, 9, "clerk", LATER))
    assert [version.number for version in log.settings()] == [1, 2]


@pytest.mark.parametrize("statement", ["UPDATE {} SET recorded = 0", "DELETE FROM {}"])
def test_no_version_is_ever_changed(log: Log, url: str, statement: str) -> None:
    log.change_settings(Settings(2, 1, "clerk", LATER))
    if url.startswith("sqlite"):
        with (
            closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection,
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
        ):
            connection.execute(statement.format("settings"))
    else:
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            connection.execute(statement.format("lifecircle.settings").encode())
    assert len(log.settings()) == 2
