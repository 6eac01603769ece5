"""What somebody would write in an afternoon: the stock library behind a route that appends what it is sent.

Neither validated nor told apart by ids; each touchpoint is a stream of its own, so that no two callers conflict.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from tests.benchmarks import stock

DATABASE, THREADS = "STOCK_DATABASE", 64


def create() -> FastAPI:
    """The service over the database that the environment names."""
    lives = stock.Lives(stock.environment(os.environ[DATABASE]))

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = THREADS
        with lives:
            yield

    app = FastAPI(lifespan=life)

    @app.post("/events", status_code=201)
    def append(event: dict[str, Any]) -> dict[str, Any]:
        subject = f"{event['subject']}/{event['id']}"
        touched = stock.Touched(subject, 1, event["type"], event["time"], event["data"])
        (recording,) = lives.events.put([touched])
        return {"subject": subject, "version": 1, "position": recording.notification.id}

    return app
