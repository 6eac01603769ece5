"""What a mirror holds, read by DuckDB, to compare with the log that it was made of."""

from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.engine import Engine
from adapters.log import Stored
from adapters.mirror.sql import open_sql
from adapters.views.replay import family_facts
from domain.history import root_of
from domain.touchpoint import Fact, microseconds

SMALL = {"mirror_part_rows": 9, "mirror_step_touchpoints": 12, "mirror_page_touchpoints": 6}
"""Limits under which a few touchpoints make many files and steps."""

_TOUCHPOINTS = """
SELECT bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state
FROM touchpoints ORDER BY bucket, number
"""
_HISTORY = "SELECT subject, occurred, sequence, stream, version, kind, id FROM history ORDER BY ALL"


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """The answer of a mirror."""
    with open_sql(folder) as asked:
        return asked.ask(sql)[1]


def touchpoints(folder: Path) -> list[Stored]:
    """What a mirror has as recorded, in the words of the log."""
    return [Stored._make(map(_plain, row)) for row in rows(folder, _TOUCHPOINTS)]


def recorded(engine: Engine) -> list[Stored]:
    """What the log has."""
    return engine.log.read(engine.log.start(), 1_000_000)


def mirrored_history(folder: Path) -> list[tuple[Any, ...]]:
    """Subject, order key, kind and id of all that a mirror's history holds."""
    return [tuple(map(_plain, row)) for row in rows(folder, _HISTORY)]


def told_history(engine: Engine) -> list[tuple[Any, ...]]:
    """The same of the histories that the engine tells of every subject."""
    return sorted((root, *fact[:6]) for root, facts in replayed(engine).items() for fact in facts)


def replayed(engine: Engine, as_of: int | None = None) -> dict[str, list[Fact]]:
    """The effective history of every subject that stands for itself, by the engine's own replay."""
    found: dict[str, list[Fact]] = {}
    streams = {stored.stream for stored in recorded(engine)}
    absorbed = {stream for stream in streams if _survivor(engine, stream) != stream}
    for stream in streams - absorbed:
        found[stream] = engine.history(stream, as_of=as_of)
    return found


def _survivor(engine: Engine, stream: str) -> str:
    return root_of(stream, family_facts(engine.log, stream))


def _plain(value: Any) -> Any:
    return microseconds(value) if isinstance(value, datetime) else value
