"""What is taken for a head that is known is read by the parser as the same head, but for the values that it tells."""

from typing import Any

import httptools
import pytest

from adapters.http.heads import VARYING, KnownHead

BODY = b'{"id":"1"}'
LINES = (
    b"POST /events HTTP/1.1",
    b"Host: x",
    b"x-request-id: 4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
    b"Content-Length: %d" % len(BODY),
    b"Authorization: Bearer lc_1_2",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
REQUEST = b"\r\n".join([*LINES, b"", BODY])
TELLING = b"\0\t\n\r -+,:;0Az\x7f\x80\xff"
"""Bytes that mean something somewhere in a head, or nothing anywhere."""


class Read:
    """What the parser finds in bytes: of each request its target, headers and body so far; whether it balks."""

    def __init__(self, sent: bytes) -> None:
        self.requests: list[tuple[list[bytes], dict[bytes, bytes], list[bytes]]] = []
        self.whole, self.balks = 0, False
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        try:
            parser.feed_data(sent)
        except httptools.HttpParserError:
            self.balks = True

    def on_message_begin(self) -> None:
        self.requests.append(([], {}, []))

    def on_url(self, part: bytes) -> None:
        self.requests[-1][0].append(part)

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name.lower() not in self.requests[-1][1]
        self.requests[-1][1][name.lower()] = value

    def on_body(self, part: bytes) -> None:
        self.requests[-1][2].append(part)

    def on_message_complete(self) -> None:
        self.whole += 1

    def told(self) -> Any:
        ((target, headers, body),) = self.requests
        return b"".join(target), headers, b"".join(body)


def known() -> KnownHead:
    found = KnownHead.of(REQUEST, BODY)
    assert found is not None
    return found


def changed() -> dict[str, bytes]:
    """The request with every byte of its head changed, left out or doubled."""
    found = {}
    for at in range(len(REQUEST) - len(BODY)):
        before, after = REQUEST[:at], REQUEST[at + 1 :]
        for byte in TELLING:
            found[f"{at} is {byte}"] = b"%b%c%b" % (before, byte, after)
            found[f"{at} after {byte}"] = b"%b%c%b" % (before, byte, REQUEST[at:])
        found[f"{at} left out"] = before + after
    return found


def test_what_is_known_again_is_what_the_parser_reads() -> None:
    head, (target, headers, _) = known(), Read(REQUEST).told()
    again = 0
    for name, sent in changed().items():
        if (found := head.again(sent)) is None:
            continue
        varying, body = found
        said = varying[b"content-length"]
        if not said.isdigit() or int(said) != len(body):
            continue
        read = Read(sent)
        assert (read.balks, read.whole) == (False, 1), name
        assert read.told() == (target, {**headers, **varying}, body), name
        again += 1
    assert again > 200


@pytest.mark.parametrize(
    "sent",
    [
        REQUEST[:-1],
        REQUEST + b"\r\n",
        REQUEST + REQUEST,
        REQUEST.replace(b"Content-Length: 10", b"Content-Length: 9"),
        REQUEST.replace(b"Content-Length: 10", b"Content-Length: 1" + b"0" * 80),
    ],
)
def test_what_is_not_one_whole_request_has_another_length_than_it_says(sent: bytes) -> None:
    found = known().again(sent)
    assert found is None or int(found[0][b"content-length"]) != len(found[1])


def test_no_head_is_known_of_what_came_with_more() -> None:
    assert KnownHead.of(b"\r\n\r\n" + REQUEST, BODY) is None
    assert KnownHead.of(REQUEST + b"\r\n", BODY) is None
    assert KnownHead.of(REQUEST + REQUEST, BODY) is None


def test_other_values_are_told_by_the_names_of_their_headers() -> None:
    lines = [line.replace(b"0af7", b"1111").replace(b": 10", b": 2").replace(b"4bf9", b"2222") for line in LINES]
    found = known().again(b"\r\n".join([*lines, b"", b"{}"]))
    assert found is not None
    assert found[1] == b"{}"
    assert found[0].keys() == VARYING - {b"x-correlation-id"}
    assert [value[:4] for value in found[0].values()] == [b"2222", b"2", b"00-1"]
