"""A disk without room, as a caller of the service meets it."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from adapters.apikeys import ApiKeys
from tests.cli.program import event
from tests.http.calls import send
from tests.http.conftest import served

_FULL = """
    CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_disk AFTER INSERT ON lifecircle.touchpoints EXECUTE FUNCTION public.full_disk()
"""


@contextmanager
def no_room(url: str) -> Iterator[None]:
    """As if the disk of a database had no room left: no file grows, or the server says so."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        largest = max(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_FULL.encode())
        yield
        connection.execute("DROP TRIGGER full_disk ON lifecircle.touchpoints")


def test_a_full_disk_refuses_by_name_keeps_what_it_acknowledged_and_goes_on(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with served(url, ApiKeys(tmp_path / "keys")) as client:
        acknowledged = _until_refused(client, 0, lambda number: number < 3)
        with no_room(url):
            acknowledged += _until_refused(client, len(acknowledged), lambda _: True)
            full = send(client, event(id=f"e{len(acknowledged)}"))
            assert (full.status_code, full.json()["title"]) == (503, "LogNotWritable")
            assert full.headers["Retry-After"]
            assert "again" in full.json()["way_out"]
            told = client.get("/subjects/c1/history").json()["touchpoints"]
            assert [each["id"] for each in told] == acknowledged, "readers go on"
        assert send(client, event(id=f"e{len(acknowledged)}")).status_code == 201, "with room again, it goes on"
        stored = [each["id"] for each in client.get("/events", params={"limit": 10_000}).json()["touchpoints"]]
        assert stored == [*acknowledged, f"e{len(acknowledged)}"]


def _until_refused(client: TestClient, start: int, goes_on: Callable[[int], bool]) -> list[str]:
    """Append one after the other until one is not taken, or it is enough; the ids of those that were acknowledged."""
    taken: list[str] = []
    for number in range(start, 10_000):
        if not goes_on(number) or send(client, event(id=f"e{number}")).status_code != 201:
            break
        taken.append(f"e{number}")
    return taken
