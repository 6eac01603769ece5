"""The leaf of a touchpoint: the one hash that binds its place, its columns, its stored bytes and what came before.

A leaf is SHA-256 over 0x00 (RFC 6962's mark of a leaf) and, big-endian: "LCE1", the log's id (16 bytes), bucket (u32),
number (u64), stream (u16 length, UTF-8), version (u64), recorded (i64, microseconds since 1970 UTC), kind (u16 length),
recordedby (u16 length), the HMAC of the content (32 bytes, zeros where there is none), SHA-256 of the stored bytes, and
the leaf of the stream's version before, 32 zeros before the first.
"""

from collections.abc import Callable
from hashlib import sha256
from struct import Struct

NONE_BEFORE = bytes(32)
"""What stands for the previous leaf of a stream's first touchpoint, and for the HMAC where there is none."""

LeafOf = Callable[[int, bytes, int, bytes, int, bytes, bytes, bytes | None, bytes], bytes]
"""From number, stream, version, kind, recorded, recordedby, stored bytes, HMAC and previous leaf to the leaf.

Texts are given as their UTF-8 bytes."""

_NUMBER = Struct(">QH").pack
_VERSION = Struct(">QqH").pack
_LENGTH = Struct(">H").pack


def leaves_of(log_id: bytes, bucket: int) -> LeafOf:
    """The function that makes the leaves of one bucket; it raises where a column does not fit its place.

    Args:
        log_id: the 16 bytes that name the log.
        bucket: the bucket, from 1.
    """
    before = b"\x00LCE1" + log_id + bucket.to_bytes(4)

    def leaf(
        number: int,
        stream: bytes,
        version: int,
        kind: bytes,
        recorded: int,
        recordedby: bytes,
        state: bytes,
        content_hmac: bytes | None,
        previous: bytes,
    ) -> bytes:
        if content_hmac is not None and (len(content_hmac) != 32 or content_hmac == NONE_BEFORE):
            raise ValueError("the content's HMAC is 32 bytes, not all of them zero")
        return sha256(
            b"".join(
                (
                    before,
                    _NUMBER(number, len(stream)),
                    stream,
                    _VERSION(version, recorded, len(kind)),
                    kind,
                    _LENGTH(len(recordedby)),
                    recordedby,
                    content_hmac or NONE_BEFORE,
                    sha256(state).digest(),
                    previous,
                )
            )
        ).digest()

    return leaf
