"""Followers are woken whenever something is recorded, also by a watch that rested while nobody followed."""

import asyncio
from dataclasses import replace

import pytest

from adapters.clock import clock_us
from adapters.codec import read_touchpoint
from adapters.engine import Engine
from adapters.feed import Feed
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
