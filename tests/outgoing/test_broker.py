"""A log beside a real NATS server with JetStream: what goes out is there once, and what comes in is recorded once."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import nats
import pytest
from nats.aio.msg import Msg
from nats.js.client import JetStreamContext

from tests.cli.program import Shell, event
from tests.nats_server import nats_server
from tests.outgoing.conftest import done, ordered, standing

T = TypeVar("T")
WAIT_S = 5


class Stream:
    """A stream of the server, as the world outside lifecircle sees it."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.name = f"s{uuid4().hex[:8]}"
        self._with(lambda jetstream: jetstream.add_stream(name=self.name, subjects=[f"{self.name}.>"]))

    def _with(self, work: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        async def done() -> T:
            client = await nats.connect(self.server)
            try:
                return await work(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(done())

    def publish(self, *messages: bytes) -> None:
        async def publish(jetstream: JetStreamContext) -> None:
            for message in messages:
                await jetstream.publish(f"{self.name}.in", message)

        self._with(publish)

    def holds(self) -> list[Msg]:
        """All its messages, as a consumer gets them."""

        async def fetch(jetstream: JetStreamContext) -> list[Msg]:
            count = (await jetstream.stream_info(self.name)).state.messages
            consumer = await jetstream.pull_subscribe("", durable=f"c{uuid4().hex}", stream=self.name)
            found: list[Msg] = []
            while len(found) < count:
                found += await consumer.fetch(count, timeout=WAIT_S)
            return found

        return self._with(fetch)

    def waiting(self) -> Sequence[int]:
        """How many messages the log's own consumer has not got, or not settled, yet."""

        async def ask(jetstream: JetStreamContext) -> Sequence[int]:
            (consumer,) = await jetstream.consumers_info(self.name)
            return consumer.num_pending or 0, consumer.num_ack_pending or 0

        return self._with(ask)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nats_server(tmp_path_factory.mktemp("nats")) as address:
        yield address


@pytest.fixture
def stream(server: str) -> Stream:
    return Stream(server)


def told(messages: Sequence[Msg]) -> list[Any]:
    return [json.loads(message.data) for message in messages]


def test_a_consumer_gets_every_touchpoint_once_even_if_it_is_published_again(shop: Shell, stream: Stream) -> None:
    done(shop, "subscription", "add", "hook", f"{stream.server}/{stream.name}.shop")
    ordered(shop, "c1", "c2", each=3)
    done(shop, "relay", "--once")
    done(shop, "subscription", "replay", "hook")
    done(shop, "relay", "--once")

    assert (standing(shop)["delivered"], standing(shop)["last_answer"]) == (12, "stored before")
    messages = stream.holds()
    assert sorted(event["id"] for event in told(messages)) == ["c1-0", "c1-1", "c1-2", "c2-0", "c2-1", "c2-2"]
    assert [event["id"] for event in told(messages) if event["subject"] == "c1"] == ["c1-0", "c1-1", "c1-2"]
    subjects = {message.subject for message in messages}
    assert len(subjects) == 2
    assert all(subject.startswith(f"{stream.name}.shop.OrderPlaced.") for subject in subjects)


def test_where_no_stream_takes_it_the_subject_is_held(file_shop: Shell, stream: Stream) -> None:
    done(file_shop, "subscription", "add", "hook", f"{stream.server}/elsewhere", "--attempts", "1")
    ordered(file_shop, "c1")
    done(file_shop, "relay", "--once")

    (parked,) = done(file_shop, "subscription", "parked", "hook", "--format", "json").json
    assert parked["answer"] == "no stream takes this subject"


def test_what_comes_in_is_recorded_once_and_what_is_refused_is_in_quarantine(shop: Shell, stream: Stream) -> None:
    good = [event(id=f"e{number}", data={"order": f"o{number}", "total": "5 EUR"}) for number in range(3)]
    wrong = event(id="w", data={"total": "5 EUR"})
    reused = event(id="e1", data={"order": "another", "total": "5 EUR"})
    stream.publish(*(json.dumps(each).encode() for each in (*good, wrong, good[0], reused)), b"\xffno event")

    done(shop, "relay", "--once", "--from-nats", f"{stream.server}/{stream.name}")
    done(shop, "relay", "--once", "--from-nats", f"{stream.server}/{stream.name}")

    recorded = done(shop, "history", "c1", "--format", "json").json
    assert [each["id"] for each in recorded] == ["e0", "e1", "e2"]
    rows = done(shop, "quarantine", "list", "--format", "json").json
    assert sorted(row["row"] for row in rows) == [4, 6, 7]
    assert {row["batch"] for row in rows} == {f"nats:{stream.name}"}
    assert stream.waiting() == (0, 0)

    done(shop, "quarantine", "export", "--format", "json", "rows.json")
    held = json.loads(Path("rows.json").read_text())
    held[0]["raw"] = json.dumps(wrong | {"data": {"order": "o4", "total": "5 EUR"}})
    Path("rows.json").write_text(json.dumps(held))
    still = shop("quarantine", "release", "rows.json", "--format", "json")
    assert (still.code, still.json["released"], sum(still.json["still_in_quarantine"].values())) == (10, 1, 2)
    assert [each["id"] for each in done(shop, "history", "c1", "--format", "json").json] == ["e0", "e1", "e2", "w"]


def test_what_was_refused_for_the_companys_rules_is_let_in_as_it_stands_when_these_have_changed(
    file_shop: Shell, stream: Stream
) -> None:
    def allow(shelf: str) -> None:
        schema = {"*": {"type": "object", "properties": {"shelf": {"type": shelf}}}}
        done(file_shop, "settings", f"custom={json.dumps(schema)}")

    allow("integer")
    stream.publish(json.dumps(event(id="c", custom={"shelf": "A"})).encode())
    done(file_shop, "relay", "--once", "--from-nats", f"{stream.server}/{stream.name}")
    batch = f"nats:{stream.name}"
    assert [row["batch"] for row in done(file_shop, "quarantine", "list", "--format", "json").json] == [batch]
    allow("string")
    done(file_shop, "quarantine", "release", "--batch", batch)
    assert [each["id"] for each in done(file_shop, "history", "c1", "--format", "json").json] == ["c"]
