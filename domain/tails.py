"""Where every stream of a log ends, under one root: what shows that an evidence bundle lacks no tail.

A stream's entry is SHA-256 of "LCE1 stream " and its name, its last version (u64) and its last leaf. Entries lie in
65,536 slots by the first two bytes of their keys, sorted. A slot's hash is SHA-256 over 0x00, "LCE1 slot ", the slot's
number (u16) and its entries; over the slots stands a tree as RFC 6962 has it. A whole slot and a path of sixteen hashes
show what a stream's last touchpoint is, and of one that is not there that it is not, without naming any other stream.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from itertools import groupby, pairwise
from struct import Struct

from domain.merkle import HASH_BYTES, complete_root, included, level_above

LEVELS = 16
SLOTS = 1 << LEVELS
ENTRY = Struct(">32sQ32s")
"""A stream's key, its last version and its last leaf."""


def stream_key(stream: bytes) -> bytes:
    """What a stream is known by among the tails: it shows nothing of other streams' names."""
    return sha256(b"LCE1 stream " + stream).digest()


def slot_of(key: bytes) -> int:
    """The slot that a stream's entry lies in."""
    return int.from_bytes(key[:2])


def slot_hash(slot: int, entries: bytes) -> bytes:
    """The hash of a slot, of its sorted entries strung together."""
    return sha256(b"\x00LCE1 slot " + slot.to_bytes(2) + entries).digest()


def tail_in(stream: bytes, slot: bytes, path: Sequence[bytes], root: bytes) -> tuple[int, bytes] | None:
    """A stream's last version and leaf as its slot shows them, or None where the slot shows that it has none.

    Raises:
        ValueError: the slot or its path does not lead to the root, or the slot is out of order.
    """
    key = stream_key(stream)
    at = slot_of(key)
    if len(slot) % ENTRY.size:
        raise ValueError("a slot of tails is cut")
    entries = list(ENTRY.iter_unpack(slot))
    keys = [entry[0] for entry in entries]
    if any(not first < second for first, second in pairwise(keys)) or any(slot_of(each) != at for each in keys):
        raise ValueError("a slot of tails is out of order")
    if not included(slot_hash(at, slot), at, SLOTS, path, root):
        raise ValueError("a slot of tails does not lead to the signed root")
    return next(((version, leaf) for found, version, leaf in entries if found == key), None)


@cache
def _empty_levels() -> tuple[bytes, ...]:
    """The levels of the tree over empty slots, which most trees have much of."""
    levels = [b"".join([slot_hash(slot, b"") for slot in range(SLOTS)])]
    while len(levels[-1]) > HASH_BYTES:
        levels.append(level_above(levels[-1]))
    return tuple(levels)


class Tails:
    """The tree over all slots, kept in memory: two megabytes, however many streams there are."""

    def __init__(self, slots: Iterable[tuple[int, bytes]]) -> None:
        self._levels = [bytearray(level) for level in _empty_levels()]
        self.put(slots)

    @property
    def root(self) -> bytes:
        """The root over all slots."""
        return bytes(self._levels[-1])

    def put(self, slots: Iterable[tuple[int, bytes]]) -> None:
        """Take slots with their new entries."""
        touched = set()
        for slot, entries in slots:
            self._levels[0][slot * 32 : slot * 32 + 32] = slot_hash(slot, entries)
            touched.add(slot >> 1)
        for below, level in zip(self._levels, self._levels[1:], strict=False):
            if 64 * len(touched) > len(level):  # half of them: to go through all takes as long
                level[:] = level_above(bytes(below))
            else:
                for at in touched:
                    level[at * 32 : at * 32 + 32] = complete_root(bytes(below[at * 64 : at * 64 + 64]))
            touched = {at >> 1 for at in touched}

    def path(self, slot: int) -> list[bytes]:
        """The audit path of one slot."""
        return [
            bytes(level[(at := (slot >> depth) ^ 1) * 32 : at * 32 + 32])
            for depth, level in enumerate(self._levels[:-1])
        ]


def slots_in(entries: Iterable[tuple[bytes, int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """The slots that are not empty, with their entries strung together, from entries sorted by key."""
    for _, held in groupby(entries, lambda entry: entry[0][:2]):
        own = list(held)
        yield slot_of(own[0][0]), b"".join([ENTRY.pack(*entry) for entry in own])
