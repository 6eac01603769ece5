"""Drafts for tests of a log: it keeps bytes and never looks into them."""

from collections.abc import Iterator
from itertools import chain, count

from adapters.cursor import Cursor
from adapters.log import Draft, Group, Log, Receipt, Stored, Verdict

_ids = count(1)


def draft(
    stream: str = "C-1",
    id: str | None = None,  # noqa: A002 - the envelope's own word
    *,
    source: str = "shop",
    kind: str = "OrderPlaced",
    occurred: int = 1_700_000_000_000_000,
    state: bytes = b'{"order":"O-1"}',
) -> Draft:
    return Draft(stream, kind, f"id-{next(_ids)}" if id is None else id, source, occurred, "clerk", state)


def group(*drafts: Draft, **expected: int) -> Group:
    """A group; a stream C-1 is named `C_1` in `expected`."""
    return Group(drafts, {stream.replace("_", "-"): version for stream, version in expected.items()})


def stored(verdict: Verdict) -> list[Receipt]:
    """The receipts of a group that was stored; its error is raised."""
    if isinstance(verdict, list):
        return verdict
    raise verdict


def append(log: Log, *drafts: Draft, **expected: int) -> list[Receipt]:
    """Append one group; its error is raised."""
    (verdict,) = log.append([group(*drafts, **expected)])
    return stored(verdict)


def pages(log: Log, size: int = 1_000) -> Iterator[int]:
    """Count the touchpoints of a log, read page by page, while every bucket counts without gaps."""
    cursor, counted = log.start(), 0
    while page := log.read(cursor, size):
        for row in page:
            assert row.number == cursor.numbers[row.bucket - 1] + 1
            cursor = cursor.advanced(row.bucket, row.number)
            yield (counted := counted + 1)


def paged(log: Log, after: Cursor, upto: Cursor, size: int) -> list[Stored]:
    """Touchpoints read as a whole, while every page is of one bucket and not too large."""
    read = list(log.pages(after, upto, size))
    assert all(0 < len(page) <= size and len({row.bucket for row in page}) == 1 for page in read)
    return list(chain.from_iterable(read))
