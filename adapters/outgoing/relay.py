"""The relay: one process that delivers for every subscription that no other process delivers for."""

import asyncio
from contextlib import AsyncExitStack, closing

import structlog

from adapters.addresses import open_log
from adapters.feed import Feed
from adapters.log import Log
from adapters.outgoing.deliverer import Deliverer
from adapters.outgoing.doors import Doors
from adapters.outgoing.receiver import Receiver
from adapters.outgoing.signing import Secrets
from adapters.outgoing.subscriptions import DeliveryFenced, Subscriptions, UnknownSubscription
from adapters.outgoing.wanted import Wanted
from adapters.settings import LIMITS
from domain.errors import LifecircleError, LogUnavailable

_logger = structlog.get_logger("lifecircle.outgoing")


async def relay(url: str, doors: Doors, stop: asyncio.Event, *, once: bool = False) -> None:
    """Deliver until `stop` is set, or with `once` until nothing is left that could be done now.

    What is under way when it is stopped is finished first.

    Raises:
        LogUnavailable: a database could not be reached at the start.
    """
    with closing(open_log(url)) as log, closing(Subscriptions(url)) as subscriptions:
        crew = _Crew(url, log, subscriptions, doors)
        await asyncio.to_thread(subscriptions.all)  # who cannot begin says so
        while not stop.is_set():
            feed = Feed(log)
            try:
                async with feed.watching():
                    await crew.work(feed, stop, once=once)
            except LogUnavailable as error:
                if once:
                    raise
                _logger.warning("relay waits for its database", error=error.what)
                await _within(stop, LIMITS.projector_retry_s)
            if once:
                break


class _Crew:
    """The deliverers of one process."""

    def __init__(self, url: str, log: Log, subscriptions: Subscriptions, doors: Doors) -> None:
        self._url = url
        self._log = log
        self._subscriptions = subscriptions
        self._doors = doors

    async def work(self, feed: Feed, stop: asyncio.Event, *, once: bool) -> None:
        """Keep a deliverer at every subscription; a failed one begins anew at the next look."""
        at_work: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for standing in await asyncio.to_thread(self._subscriptions.all):
                    name = standing.wanted.name
                    if name not in at_work:
                        at_work[name] = asyncio.create_task(self._deliver(standing.wanted, feed, once=once))
                if once:
                    await asyncio.gather(*at_work.values())
                    return
                if await _within(stop, LIMITS.relay_look_s):
                    return
                for name, task in [(name, task) for name, task in at_work.items() if task.done()]:
                    del at_work[name]
                    _judge(name, task)
        finally:
            feed.end()
            await asyncio.gather(*at_work.values(), return_exceptions=True)

    async def _deliver(self, wanted: Wanted, feed: Feed, *, once: bool) -> None:
        async with AsyncExitStack() as stack:
            leading = self._subscriptions.lead(wanted.name)
            lead = await asyncio.to_thread(leading.__enter__)
            stack.push(leading.__exit__)
            if lead is None:
                return
            _logger.info("delivering", subscription=wanted.name)
            receiver = self._receiver(wanted)
            stack.push_async_callback(receiver.close)
            deliverer = Deliverer(self._log, self._subscriptions, wanted.name, receiver, feed)
            while not feed.ended:
                await asyncio.to_thread(lead, "SELECT 1")  # fails where the lead was lost
                if not await deliverer.round(wait=not once) and once:
                    return

    def _receiver(self, wanted: Wanted) -> Receiver:
        if not wanted.is_webhook:
            from adapters.outgoing.broker import Broker

            return Broker(wanted.to)
        from adapters.outgoing.webhook import Webhook

        return Webhook(wanted.to, Secrets(self._url, wanted.name), self._doors)


def _judge(name: str, task: "asyncio.Task[None]") -> None:
    """Look at how a deliverer ended.

    Raises:
        LogUnavailable: a database was lost.
    """
    error = task.exception()
    if error is None or isinstance(error, (DeliveryFenced, UnknownSubscription)):
        return
    if isinstance(error, LogUnavailable) or not isinstance(error, LifecircleError):
        raise error
    _logger.error("deliveries of a subscription stand still", subscription=name, **error.as_dict())


async def _within(stop: asyncio.Event, seconds: float) -> bool:
    """Whether an event comes within some seconds."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
