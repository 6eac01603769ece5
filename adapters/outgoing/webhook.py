"""Deliveries to a webhook: a CloudEvent by POST, structured or batched, signed, to an address that was looked at."""

import asyncio
import ssl
from http import HTTPStatus
from time import time
from urllib.parse import urlsplit

import httpx2

from adapters.outgoing.doors import DoorClosed, Doors
from adapters.outgoing.receiver import Answer, Delivery
from adapters.outgoing.signing import Secrets, signed
from adapters.settings import LIMITS

_STRUCTURED = "application/cloudevents+json; charset=utf-8"
_BATCHED = "application/cloudevents-batch+json; charset=utf-8"


class Webhook:
    """One receiver over HTTP. What it answers is not looked at beyond its status, and no redirect is followed."""

    def __init__(self, to: str, secrets: Secrets, doors: Doors) -> None:
        self._to = urlsplit(to)
        self._secrets = secrets
        self._doors = doors
        # Neither proxies nor credentials of the environment: what was checked is what is called. Trusted is whom the
        # system trusts, or SSL_CERT_FILE.
        self._client = httpx2.AsyncClient(
            trust_env=False, timeout=LIMITS.outgoing_answer_s, verify=ssl.create_default_context()
        )

    async def deliver(self, delivery: Delivery) -> Answer:
        """Deliver, within a bounded time; whatever goes wrong on the way is an answer."""
        try:
            async with asyncio.timeout(LIMITS.outgoing_answer_s):
                return await self._post(delivery)
        except DoorClosed as error:
            return Answer(taken=False, told=f"not sent: {error}")
        except (TimeoutError, httpx2.TimeoutException):
            return Answer(taken=False, told="no answer in time")
        except (OSError, httpx2.TransportError, httpx2.InvalidURL) as error:
            return Answer(taken=False, told=f"no connection: {type(error).__name__}")

    async def _post(self, delivery: Delivery) -> Answer:
        addresses = await self._doors.through(self._to)
        for address in addresses[:-1]:
            try:
                return await self._post_to(address, delivery)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue  # nothing was sent: a host is reached by any of its addresses
        return await self._post_to(addresses[-1], delivery)

    async def _post_to(self, address: str, delivery: Delivery) -> Answer:
        """Send to an address that was looked at, in the host's name: its certificate is checked against that."""
        host = f"[{address}]" if ":" in address else address
        port = "" if self._to.port is None else f":{self._to.port}"
        target = self._to._replace(netloc=host + port, fragment="").geturl()
        headers = signed(self._secrets.all(), delivery.id, int(time()), delivery.body)
        headers |= {
            "Host": self._to.netloc,
            "Content-Type": _BATCHED if delivery.batched else _STRUCTURED,
            "User-Agent": "lifecircle",
            "Accept-Encoding": "identity",
        }
        async with self._client.stream(
            "POST",
            target,
            content=delivery.body,
            headers=headers,
            extensions={"sni_hostname": self._to.hostname} if self._to.scheme == "https" else {},
        ) as response:
            read = 0
            async for part in response.aiter_raw():
                read += len(part)
                if read > LIMITS.outgoing_answer_max_bytes:
                    break
            return _answer(response)

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


def _answer(response: httpx2.Response) -> Answer:
    status = response.status_code
    wait = response.headers.get("Retry-After", "")
    wait_s = int(wait) if wait.isascii() and wait.isdecimal() and len(wait) < 9 else 0
    return Answer(
        taken=HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES,
        told=str(status),
        wait_s=min(wait_s, LIMITS.outgoing_pause_max_s),
        gone=status == HTTPStatus.GONE,
    )
