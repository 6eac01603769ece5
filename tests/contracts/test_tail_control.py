"""The proof of the tail: a follower misses nothing under concurrent writers, and the test would notice if it did."""

import multiprocessing
from multiprocessing.synchronize import Barrier
from threading import Event

import psycopg
import pytest

from adapters.log import Draft, Group
from adapters.postgres import PostgresLog
from domain.company import Company

WRITERS = 8
APPENDS_EACH = 50

# In both tests alike: a commit may come a little later than its insert, as under load and slow disks.
_A_SLOW_COMMIT = """
    CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(random() * 0.004); RETURN NULL; END';
    CREATE TRIGGER dawdle AFTER INSERT ON lifecircle.touchpoints EXECUTE FUNCTION public.dawdle();
"""

# What people write first: numbers from a sequence, and no lock. Nothing else differs from the function of the product.
_WITHOUT_THE_LOCK = """
    CREATE SEQUENCE lifecircle.numbers;
    CREATE OR REPLACE FUNCTION lifecircle.append_one_v1(
        a_bucket integer, a_stream text, a_kind text, an_id text, a_source text, an_occurred bigint, a_recorder text,
        a_state bytea, a_hmac bytea, expected bigint
    ) RETURNS bigint[] LANGUAGE plpgsql AS $body$
    DECLARE
        number bigint := nextval('lifecircle.numbers');
    BEGIN
        PERFORM pg_notify('lifecircle', '');
        INSERT INTO lifecircle.touchpoints VALUES
            (1, number, a_stream, 1, a_kind, an_id, a_source, 0, 0, a_recorder, a_state);
        RETURN ARRAY[number, 1, 0];
    END
    $body$;
"""


def _write(url: str, writer: int, ready: Barrier) -> None:
    log = PostgresLog.open(url)
    ready.wait()
    for at in range(APPENDS_EACH):
        log.append([Group((Draft(f"customer-{writer}-{at}", "PageViewed", "1", "shop", 0, "test", b"{}"),))])
    log.close()


def _make_log(url: str, *changes: str) -> None:
    PostgresLog.create(url, Company()).close()
    with psycopg.connect(url, autocommit=True) as connection:
        for change in changes:
            connection.execute(change.encode())


def _followed_while_written(url: str) -> list[int]:
    """The numbers that a follower sees while processes append one by one, until it has come to the end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ready = context.Barrier(WRITERS)
    writers = [context.Process(target=_write, args=(url, writer, ready)) for writer in range(WRITERS)]
    log, stop, seen = PostgresLog.open(url), Event(), list[int]()
    for writer in writers:
        writer.start()
    done = False
    for batch in log.follow(log.start(), stop):
        seen += [stored.number for stored in batch]
        if done and not batch:
            stop.set()
        # An empty batch that was asked for after the last writer ended is the end.
        done = not any(writer.is_alive() for writer in writers)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    log.close()
    return seen


def _assert_nothing_missed(seen: list[int]) -> None:
    assert seen == list(range(1, WRITERS * APPENDS_EACH + 1))


def test_a_follower_misses_nothing_under_eight_writers(postgres_url: str) -> None:
    _make_log(postgres_url, _A_SLOW_COMMIT)
    _assert_nothing_missed(_followed_while_written(postgres_url))


def test_numbers_from_a_sequence_without_the_lock_would_be_missed(postgres_url: str) -> None:
    _make_log(postgres_url, _A_SLOW_COMMIT, _WITHOUT_THE_LOCK)
    seen = _followed_while_written(postgres_url)
    with pytest.raises(AssertionError):
        _assert_nothing_missed(seen)
    with psycopg.connect(postgres_url) as connection:
        stored = connection.execute("SELECT count(*) FROM lifecircle.touchpoints").fetchone()
    assert stored == (WRITERS * APPENDS_EACH,), "every touchpoint is in the table"
    assert len(seen) < WRITERS * APPENDS_EACH, "and the follower has missed some of them"
