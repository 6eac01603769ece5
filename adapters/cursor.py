"""How far a reader of a log has come: one number per bucket, in a text that only this log can have given."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from domain.errors import CursorInvalid


@dataclass(frozen=True)
class Cursor:
    """How far a reader has come: the highest number seen in each bucket. Opaque to users, as `str(cursor)`."""

    log_id: bytes
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        body = self.log_id[:4] + b"".join(number.to_bytes(8) for number in self.numbers)
        text = base64.urlsafe_b64encode(body + sha256(body).digest()[:4]).decode().rstrip("=")
        return f".{text[1:]}" if text[0] == "-" else text  # a command line would take that for an option

    @classmethod
    def read(cls, text: str, log_id: bytes, buckets: int, origins: "Iterable[Origin]" = ()) -> "Cursor":
        """Read a cursor back.

        Args:
            text: what a log gave.
            log_id: which log is to have given it.
            buckets: how many that has.
            origins: the logs that it was copied from.

        Raises:
            CursorInvalid: the text is damaged, or the cursor belongs to another log, perhaps to one of the origins.
        """
        try:
            plain = f"-{text[1:]}" if text[:1] == "." else text
            raw = base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        body, check = raw[:-4], raw[-4:]
        if len(body) != 4 + 8 * buckets or sha256(body).digest()[:4] != check or body[:4] != log_id[:4]:
            if any(origin.made(text) for origin in origins):
                raise CursorInvalid(
                    "this cursor was made by a log that this one was copied from",
                    rule="a copy has positions of its own; ids, versions and recorded times are those of before",
                    way_out="turn it into one of this log with: lifecircle cursor; look one touchpoint up by its "
                    "subject and id with: lifecircle history",
                )
            raise CursorInvalid(
                "this cursor was not made by this log",
                rule="a cursor is the text that this log gave, unchanged",
                way_out="take a cursor from: lifecircle status",
            )
        return cls(log_id, tuple(int.from_bytes(body[at : at + 8]) for at in range(4, len(body), 8)))

    def reaches(self, other: "Cursor") -> bool:
        """Whether this cursor has seen all that another one has."""
        return all(mine >= theirs for mine, theirs in zip(self.numbers, other.numbers, strict=True))

    def page(self, upto: "Cursor", limit: int) -> "Cursor":
        """Where the next page of at most `limit` ends: each bucket in turn gets as much as those with less leave it."""
        waiting = [max(0, last - seen) for seen, last in zip(self.numbers, upto.numbers, strict=True)]
        if sum(waiting) <= limit:
            taken = waiting
        else:
            taken = [0] * len(waiting)
            by_need = sorted(range(len(waiting)), key=waiting.__getitem__)
            for place, at in enumerate(by_need):
                taken[at] = min(waiting[at], limit // (len(by_need) - place))
                limit -= taken[at]
        return Cursor(self.log_id, tuple(map(int.__add__, self.numbers, taken)))

    def advanced(self, bucket: int, number: int) -> "Cursor":
        """This cursor, moved to a number in one bucket."""
        numbers = list(self.numbers)
        numbers[bucket - 1] = number
        return Cursor(self.log_id, tuple(numbers))


class Origin(NamedTuple):
    """A log that was copied: how far it had come, the cursor at the end of its copy, and when, in µs since 1970 UTC."""

    cut: Cursor
    end: str
    copied: int

    def as_row(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The columns of table `origins`, and its row."""
        return ORIGIN_COLUMNS, [(self.cut.log_id, len(self.cut.numbers), str(self.cut), self.end, self.copied)]

    @classmethod
    def read(cls, row: Sequence[Any]) -> "Origin":
        """Read a row of table `origins`."""
        log_id, buckets, cut, end, copied = row
        return cls(Cursor.read(cut, bytes(log_id), buckets), end, copied)

    def made(self, text: str) -> bool:
        """Whether the log before made this text as a cursor."""
        try:
            Cursor.read(text, self.cut.log_id, len(self.cut.numbers))
        except CursorInvalid:
            return False
        return True


ORIGIN_COLUMNS = ("log_id", "buckets", "cut", "ends", "copied")
