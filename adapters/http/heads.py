"""Heads of requests that are the same again: what the parser found in one holds for the next, unparsed."""

import re
from typing import Self

VARYING = frozenset({b"content-length", b"x-request-id", b"x-correlation-id", b"traceparent"})
"""The headers that may differ in heads that are the same."""

_VALUE = re.compile(rb"\r\n(%b): ([0-9A-Za-z-]+)(?=\r\n)" % b"|".join(sorted(VARYING)), re.IGNORECASE)
_VALUE_MAX = 64


class KnownHead:
    """A head that the parser has read, and every other whose bytes are the same but for some values.

    Those are of headers that differ from one request to the next. They are known for letters, digits and hyphens alone,
    of which none ends a value or is anything but a part of it: a parser finds the same headers in both heads.
    """

    def __init__(self, head: bytes) -> None:
        """Know a head that was read without complaint, each of its headers once."""
        self._parts: list[tuple[bytes, bytes]] = []
        at = 0
        for found in _VALUE.finditer(head):
            self._parts.append((head[at : found.start(2)], found[1].lower()))
            at = found.end(2)
        self._end = head[at:]

    @classmethod
    def of(cls, request: bytes, body: bytes | bytearray) -> Self | None:
        """The head of a request that came in one piece, and nothing with it; of another none is known."""
        length = request.find(b"\r\n\r\n") + 4
        return cls(request[:length]) if request[length:] == body else None

    def again(self, request: bytes) -> tuple[dict[bytes, bytes], bytes] | None:
        """What differs in the head of another request, by the headers' names, and its body; None: it is another head.

        Where the length in the head is not that of the body, the request is not whole, or not all that came.
        """
        varying, at = {}, 0
        for part, name in self._parts:
            if not request.startswith(part, at):
                return None
            at += len(part)
            end = request.find(b"\r", at, at + _VALUE_MAX)
            value = request[at:end]
            if end < 0 or not value.replace(b"-", b"").isalnum():
                return None
            varying[name], at = value, end
        return (varying, request[at + len(self._end) :]) if request.startswith(self._end, at) else None
