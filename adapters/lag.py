"""How far a reader of a log is behind it."""

from typing import NamedTuple

from adapters.cursor import Cursor
from adapters.log import Log


class Lag(NamedTuple):
    """How many touchpoints a reader has not seen, and when the first of them was recorded, in µs since 1970 UTC.

    Fewer than none where the reader has seen more than the log holds: it read another one, or one from before a backup
    was put back.
    """

    touchpoints: int
    since: int | None

    def seconds(self, now_us: int) -> float:
        """How long the first touchpoint that was not seen has been waiting."""
        return 0.0 if self.since is None else max(0.0, (now_us - self.since) / 1_000_000)


def lag_of(log: Log, heads: Cursor, seen: Cursor) -> Lag:
    """The lag of a reader that has come as far as a cursor, where the log's head is another one."""
    waiting = [
        log.read(heads.advanced(bucket, at), 1, heads.advanced(bucket, at + 1))[0].recorded
        for bucket, (head, at) in enumerate(zip(heads.numbers, seen.numbers, strict=True), 1)
        if head > at
    ]
    return Lag(sum(heads.numbers) - sum(seen.numbers), min(waiting, default=None))
