"""The client: one connection to a service, and what can be asked of it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from ssl import SSLContext, create_default_context
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from lifecircle_client.answers import (
    NotReached,
    Outcome,
    Receipt,
    Rejected,
    ServiceError,
    Touchpoint,
    breach,
    error_of,
)

_ONE, _MANY = "application/cloudevents+json", "application/cloudevents-batch+json"
_AGAIN = (429, 502, 503, 504)
"""What tells of a moment and not of what was sent."""


@dataclass(frozen=True)
class Retries:
    """How long to go on trying: the pauses double from `first_s` up to `most_s`, and are drawn from their upper half.

    A service that says how long to wait (Retry-After) is waited for so long, but not longer than `most_s`.
    """

    times: int = 8
    first_s: float = 0.1
    most_s: float = 10.0

    def pause(self, tried: int, asked: str | None) -> float:
        """The seconds to wait after so many tries."""
        if asked is not None and asked.isdecimal():
            return min(float(asked), self.most_s)
        longest = min(self.first_s * 2.0 ** (tried - 1), self.most_s)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - it keeps callers apart, and is no secret


class Client:
    """A caller of one service. It keeps one connection open, and serves one thread.

    Args:
        url: where the service is, such as https://touchpoints.example.
        key: what opens it, made by `lifecircle apikey make`.
        timeout_s: how long to wait for an answer, in seconds.
        retries: how long to go on trying.
        tls: how to trust an https service; the system's certificates where None.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        tls: SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the address of a service begins with http:// or https:// and names a host")
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._tls = (tls or create_default_context()) if parts.scheme == "https" else None
        self._key, self._timeout_s, self._retries = key, timeout_s, retries or Retries()
        self._kept: HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._kept:
            self._kept.close()
            self._kept = None

    def append(
        self,
        event: Mapping[str, Any],
        *,
        expected: int | Mapping[str, int] | None = None,
        strict: bool = False,
        wait: bool = False,
    ) -> Receipt:
        """Append a touchpoint; the same again is answered with its first receipt.

        Args:
            event: a CloudEvent: `id`, `source`, `type`, `subject`, `time` and `data`.
            expected: the version that the subject must be at, 0 for a new one; or those of some of its processes, such
                as `{"order/o-1": 5}`.
            strict: refuse it if it would break a rule as things stand.
            wait: answer with its breaches too.

        Raises:
            Conflict: the subject is at another version, or the id was used with other content.
            Rejected: it cannot be taken; nothing was stored.
            NotReached: no answer came; whether it was recorded is not known, and the same again is safe.
        """
        processes = [f"{name}={version}" for name, version in expected.items()] if isinstance(expected, Mapping) else []
        headers = {"Content-Type": _ONE} | ({"If-Match": f'"{expected}"'} if isinstance(expected, int) else {})
        return Receipt.read(self._send(event, headers, strict=strict, wait=wait, processes=processes))

    def append_many(
        self, events: Sequence[Mapping[str, Any]], *, strict: bool = False, wait: bool = False
    ) -> list[Outcome]:
        """Append several, of one subject all or none; what came of each, in their order.

        Raises:
            Rejected: all were refused; its `problem` has the `results` of each.
            NotReached: no answer came; the same again is safe.
        """
        if not events:
            return []
        told = self._send(list(events), {"Content-Type": _MANY}, strict=strict, wait=wait)
        found = [breach(each) for each in told.get("breaches", ())]
        outcomes = []
        for event, result in zip(events, told["results"], strict=True):
            if "receipt" in result:
                own = tuple(each for each in found if each.id == event["id"])
                receipt = Receipt.read(result["receipt"])
                outcomes.append(Outcome(Receipt(**{**vars(receipt), "breaches": own}), None))
            else:
                outcomes.append(Outcome(None, error_of(result["problem"])))
        return outcomes

    def find(self, subject: str, source: str, id_: str) -> Receipt | None:
        """The receipt of a touchpoint, or None where it was never recorded.

        Raises:
            Rejected: the key does not reach it. NotReached: no answer came.
        """
        try:
            return Receipt.read(self._read("/receipts", {"subject": subject, "source": source, "id": id_}))
        except Rejected as error:
            if error.status == 404:
                return None
            raise

    def history(self, subject: str, *, as_of: str | None = None, known_at: str | None = None) -> list[Touchpoint]:
        """What happened to a subject, corrections applied, in the order in which it occurred.

        Args:
            subject: whose.
            as_of: leave out what occurred after this moment; a day means its end.
            known_at: leave out what was recorded after this moment or cursor.

        Raises:
            Rejected: there is no such subject, or the key does not reach it. NotReached: no answer came.
        """
        told = self._read(f"/subjects/{quote(subject, safe='')}/history", {"as_of": as_of, "known_at": known_at})
        return [Touchpoint(each) for each in told["touchpoints"]]

    def rows(
        self, view: str, *, order: str | None = None, page: int | None = None, **filters: str | float
    ) -> Iterator[dict[str, Any]]:
        """The rows of a view or question, page after page as they are asked for.

        Args:
            view: its name.
            order: columns, the first one first; `-` before it for falling.
            page: how many rows to fetch at once.
            filters: a column each and its value; `net_micros__ge=1000` for another comparison than equality.

        Raises:
            Rejected: it cannot be asked so. NotReached: no answer came.
        """
        asked: dict[str, Any] = {name.replace("__", "."): value for name, value in filters.items()}
        asked |= {"order": order, "limit": page, "after": None}
        while True:
            told = self._read(f"/views/{quote(view, safe='')}", asked)
            yield from told["rows"]
            asked["after"] = told["next"]
            if asked["after"] is None:
                return

    def follow(self, after: str | None = None) -> Iterator[Touchpoint]:
        """The log from a cursor on, and what is recorded from then on, without end.

        A stream that breaks is taken up behind the last touchpoint that was handed out, so none is skipped and none
        comes twice. Who keeps the `cursor` of what it has dealt with goes on there after a restart.

        Args:
            after: the cursor to begin behind; the log's beginning where None.

        Raises:
            Rejected: the key does not reach so far, or the cursor is none.
            NotReached: the service was away for longer than the retries last.
        """
        cursor, tried = after, 0
        while True:
            connection = self._connect()
            try:
                stream = self._stream(connection, cursor)
                asked, tried = None, 0
                for event in _events(stream):
                    cursor = str(event["cursor"])
                    yield Touchpoint(event, cursor)
            except _Busy as busy:
                asked = busy.asked
            except (OSError, HTTPException):
                asked = None
            finally:
                connection.close()
            tried += 1
            if tried > self._retries.times:
                raise _away()
            time.sleep(self._retries.pause(tried, asked))

    def _stream(self, connection: HTTPConnection, cursor: str | None) -> HTTPResponse:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": cursor} if cursor else {})
        connection.request("GET", f"{self._path}/stream", headers=self._headers(headers))
        answer = connection.getresponse()
        if answer.status != 200:
            _checked(answer, answer.read())
        return answer

    def _send(
        self, body: Any, headers: Mapping[str, str], *, strict: bool, wait: bool, processes: Sequence[str] = ()
    ) -> dict[str, Any]:
        sent = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        more = {"Prefer": "wait"} if wait else {}
        asked = urlencode([*([("strict", "true")] if strict else []), *(("expected", each) for each in processes)])
        return self._ask("POST", "/events" + (f"?{asked}" if asked else ""), {**headers, **more}, sent)

    def _read(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return self._ask("GET", path + (f"?{query}" if query else ""), {}, None)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, Any]:
        """Ask until there is an answer. Everything here may be sent again: it reads, or its ids make it safe."""
        for tried in range(1, self._retries.times + 1):
            asked = None
            try:
                self._kept = self._kept or self._connect()
                self._kept.request(method, self._path + path, body, self._headers(headers))
                answer = self._kept.getresponse()
                return _checked(answer, answer.read())
            except _Busy as busy:
                asked = busy.asked
            except (OSError, HTTPException):
                self.close()
            if tried < self._retries.times:
                time.sleep(self._retries.pause(tried, asked))
        raise _away()

    def _connect(self) -> HTTPConnection:
        if self._tls:
            return HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=self._tls)
        return HTTPConnection(self._host, self._port, timeout=self._timeout_s)

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}", **more}


def _events(stream: HTTPResponse) -> Iterator[dict[str, Any]]:
    """The data of server-sent events that came whole."""
    data: list[str] = []
    while line := stream.readline():
        text = line.decode().rstrip("\r\n")
        if text.startswith("data:"):
            data.append(text[5:].removeprefix(" "))
        elif not text and data:
            yield json.loads("\n".join(data))
            data = []


class _Busy(Exception):
    """The service asks to wait; `asked` is how many seconds, as it wrote it."""

    def __init__(self, asked: str | None) -> None:
        self.asked = asked


def _checked(answer: HTTPResponse, body: bytes) -> dict[str, Any]:
    if answer.status in _AGAIN:
        raise _Busy(answer.headers.get("Retry-After"))
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if answer.status < 300 and isinstance(told, dict):
        return told
    if told is None and (answer.status < 300 or answer.headers.get("Content-Length") is None):
        # http.client takes an answer that was cut off among its headers for one without a body.
        raise IncompleteRead(body)
    problem = told if isinstance(told, dict) else {"detail": "the answer is not the service's own", "title": "Strange"}
    raise error_of({**problem, "status": answer.status})


def _away() -> ServiceError:
    return NotReached(
        {
            "detail": "the service gave no answer as often as it was asked",
            "rule": "whether what was sent was recorded is not known",
            "way_out": "send the same again later; its id makes that safe",
        }
    )
