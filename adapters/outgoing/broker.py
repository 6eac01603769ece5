"""Deliveries to NATS JetStream: published under a subject of the kind and of whom it concerns, once for each id."""

import asyncio
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import NoStreamResponseError

from adapters.configuration import configured
from adapters.outgoing.receiver import Answer, Delivery
from adapters.settings import LIMITS


class Broker:
    """A stream of one server. The server drops what has an id that it stored within its duplicate window."""

    def __init__(self, to: str) -> None:
        self._server, self._prefix = server_and_path(to)
        self._client: Client | None = None
        self._connecting = asyncio.Lock()  # subjects are delivered side by side, over one connection

    async def deliver(self, delivery: Delivery) -> Answer:
        """Publish, and wait until the broker has stored it; whatever goes wrong on the way is an answer."""
        try:
            async with asyncio.timeout(LIMITS.outgoing_answer_s):
                async with self._connecting:
                    self._client = client = self._client or await connected(self._server)
                stored = await client.jetstream().publish(
                    f"{self._prefix}.{delivery.kind}.{delivery.mark}",
                    delivery.body,
                    timeout=LIMITS.outgoing_answer_s,
                    headers={"Nats-Msg-Id": delivery.id, "Content-Type": "application/cloudevents+json"},
                )
        except NoStreamResponseError:
            return Answer(taken=False, told="no stream takes this subject")
        except (NatsError, OSError) as error:  # a time-out is one of the latter
            await self.close()
            return Answer(taken=False, told=f"not stored: {type(error).__name__}")
        return Answer(taken=True, told="stored before" if stored.duplicate else "stored")

    async def close(self) -> None:
        """Give the connection back."""
        client, self._client = self._client, None
        if client:
            await client.close()


def server_and_path(to: str) -> tuple[str, str]:
    """The two halves of an address such as nats://host:4222/path."""
    parts = urlsplit(to)
    return f"{parts.scheme}://{parts.netloc}", parts.path.strip("/")


async def connected(server: str) -> Client:
    """Connect to a server once: who uses it tries again in its own time.

    Raises:
        OSError, nats.errors.Error: it cannot be reached, or refuses.
    """

    async def unheard(_: Exception) -> None:
        """What goes wrong is raised where it is waited for too."""

    configuration = configured()
    return await nats.connect(
        server,
        name="lifecircle",
        allow_reconnect=False,
        connect_timeout=LIMITS.broker_connect_s,
        error_cb=unheard,
        user=configuration.nats_user,
        password=configuration.nats_password,
    )
