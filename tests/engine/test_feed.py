"""Followers are woken whenever something is recorded, also by a watch that rested while nobody followed."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread
from typing import Any, cast

import pytest

from adapters.clock import clock_us
from adapters.codec import read_touchpoint
from adapters.cursor import Cursor
from adapters.engine import Engine
from adapters.feed import Feed
from adapters.log import Log, Stored
from adapters.settings import LIMITS
from domain.company import Company
from tests.cli.program import event


def test_whoever_comes_back_after_nobody_followed_is_woken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.feed.LIMITS", replace(LIMITS, feed_idle_s=0.0))
    Engine.create(url, Company()).close()

    async def follow(engine: Engine, followed: Feed) -> list[list[str]]:
        cursor, found = engine.log.heads(), []
        async with followed.watching():
            for number in range(3):
                waiting = asyncio.create_task(followed.after(cursor, 10, 30))
                await asyncio.sleep(0)
                touchpoint = read_touchpoint(event(id=f"e{number}"), clock_us(), engine.company)
                await engine.append_async([touchpoint])
                page = await waiting
                cursor = cursor.advanced(page[-1].bucket, page[-1].number)
                found.append([each.id for each in page])
                assert await followed.after(cursor, 10, 0) == []
        return found

    with Engine.open(url) as engine:
        assert asyncio.run(follow(engine, Feed(engine.log))) == [["e0"], ["e1"], ["e2"]]


class ToldAtTheEnd:
    """A log whose follower is told something once more when it is to stop, as happens by chance."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def follow(self, _: Cursor, stop: Event) -> Iterator[list[Stored]]:
        stop.wait()
        yield []


def test_a_watch_that_was_about_to_rest_ends(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.feed.LIMITS", replace(LIMITS, feed_idle_s=0.0))
    Engine.create(sqlite_url, Company()).close()

    async def follow(engine: Engine, followed: Feed) -> None:
        async with followed.watching():
            await followed.after(engine.log.heads(), 10, 0)

    with Engine.open(sqlite_url) as engine:
        feed = Feed(cast("Log", ToldAtTheEnd(engine.log)))
        following = Thread(target=lambda: asyncio.run(follow(engine, feed)), daemon=True)
        following.start()
        following.join(10)
        assert not following.is_alive()
