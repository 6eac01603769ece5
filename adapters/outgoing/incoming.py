"""Touchpoints that come from NATS JetStream: appended like any others, acknowledged once their receipt is there.

A message that comes again is a repeat, by its touchpoint's id. One that is refused would be refused for ever: it goes
to quarantine, with the rule, and the broker is told to send it no more.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.client import JetStreamContext

from adapters.appending.repeats import read_arrived_async
from adapters.clock import clock_us
from adapters.codec import parse_json
from adapters.engine import Engine
from adapters.evidence import rule_and_message, set_aside
from adapters.log import QuarantinedRow
from adapters.outgoing.broker import connected, server_and_path
from adapters.settings import LIMITS
from adapters.sources.cells import row_digest
from domain.compiled import Appendable
from domain.errors import LogUnavailable, Refused, UnreadableInput

_logger = structlog.get_logger("lifecircle.incoming")


async def take_in(url: str, origin: str, stop: asyncio.Event, *, once: bool = False) -> None:
    """Append what a stream holds and gets, until `stop` is set, or with `once` until nothing waits.

    Args:
        url: the log's address.
        origin: the stream's, as nats://host:port/STREAM.
        stop: what is under way when it is set is finished first.
        once: whether to stop when the stream has nothing more.

    Raises:
        OSError, nats.errors.Error: with `once`, the broker cannot be reached or lets go.
    """
    server, stream = server_and_path(origin)
    with Engine.open(url) as engine:
        intake = _Intake(engine, stream)
        while not stop.is_set():
            try:
                await intake.follow(server, stop, once=once)
            except (NatsError, OSError, LogUnavailable) as error:
                if once:
                    raise
                _logger.warning("waits for the broker or the log", stream=stream, error=type(error).__name__)
                await asyncio.sleep(LIMITS.projector_retry_s)
            if once:
                return


class _Intake:
    """What comes from one stream."""

    def __init__(self, engine: Engine, stream: str) -> None:
        self._engine = engine
        self._stream = stream
        self._by = f"nats:{stream}"

    async def follow(self, server: str, stop: asyncio.Event, *, once: bool) -> None:
        """Take in what comes over one connection."""
        client = await connected(server)
        try:
            messages = await self._messages(client.jetstream())
            while not stop.is_set():
                try:
                    page = await messages.fetch(LIMITS.broker_page_max, timeout=LIMITS.broker_wait_s)
                except TimeoutError:  # nothing came: the client raises its own kind of it, or at times the bare one
                    if once:
                        return
                    continue
                await self._take(page)
        finally:
            await client.close()

    async def _messages(self, jetstream: JetStreamContext) -> JetStreamContext.PullSubscription:
        """What the stream holds for this log; several processes that take it in share it."""
        name = f"lifecircle-{self._engine.log.log_id[:8].hex()}"
        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=LIMITS.broker_ack_s)
        return await jetstream.pull_subscribe("", durable=name, stream=self._stream, config=config)

    async def _take(self, page: Sequence[Msg]) -> None:
        """Append a page, subjects side by side and each one's touchpoints in their order."""
        by_subject: dict[str, list[tuple[Msg, Appendable]]] = {}
        for message in page:
            event: Any = None
            try:
                event = parse_json(message.data, "the message")
                if not isinstance(event, dict):
                    raise UnreadableInput("this is no CloudEvent", where="the message", rule="it is a JSON object")
                envelope = await read_arrived_async(event, clock_us(), self._engine.log)
            except Refused as refusal:
                told = event if isinstance(event, dict) else {}
                self._engine.refusals.note(refusal, self._by, told.get("type"), told.get("id"))
                await self._refuse(message, refusal, read=bool(told))
            else:
                by_subject.setdefault(envelope.subject, []).append((message, envelope))
        await asyncio.gather(*map(self._append, by_subject.values()))

    async def _append(self, arrived: Sequence[tuple[Msg, Appendable]]) -> None:
        for message, envelope in arrived:
            try:
                await self._engine.append_async([envelope], recordedby=self._by)
            except Refused as refusal:
                await self._refuse(message, refusal, read=True)
            else:
                await message.ack()

    async def _refuse(self, message: Msg, refusal: Refused, *, read: bool) -> None:
        """Set a message aside; one that could be read may be let in as it stands, when the rules have changed."""
        rule, told = rule_and_message(refusal)
        place = message.metadata.sequence.stream
        row = QuarantinedRow(
            batch=self._by,
            row=place,
            source=message.subject,
            rule=rule,
            message=told,
            raw=message.data.decode(errors="backslashreplace"),
            recorded=clock_us(),
            stem=f"{row_digest(self._engine.sealing.row_key, '').hex()}/{place}" if read else "",
        )
        await asyncio.to_thread(set_aside, self._engine, [row], recordedby=self._by)
        await message.term()
        _logger.warning("message quarantined", stream=self._stream, message=row.row, rule=refusal.name)
