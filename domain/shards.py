"""A mapping that is never changed in place, whose successors share most of it."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_SHARD_MIN = 16
"""How many entries lie in one shard before there are more shards."""


class Shards(Generic[K, V]):
    """An immutable mapping: `updated` answers a new one.

    The entries lie in shards, about as many as each holds, so that a new mapping copies about the square root of them.
    """

    __slots__ = ("_count", "_shards")

    def __init__(self) -> None:
        self._count = 0
        self._shards: tuple[dict[K, V], ...] = ({},)

    def get(self, key: K) -> V | None:
        """What stands under a key."""
        return self._shards[hash(key) % len(self._shards)].get(key)

    def items(self) -> Iterator[tuple[K, V]]:
        """All entries, in no order."""
        return chain.from_iterable(shard.items() for shard in self._shards)

    def updated(self, changes: Mapping[K, V]) -> "Shards[K, V]":
        """This mapping with some entries replaced."""
        if not changes:
            return self
        after: Shards[K, V] = Shards()
        if len(self._shards) == 1 and self._count < _SHARD_MIN:
            only = {**self._shards[0], **changes}
            after._count, after._shards = len(only), (only,)
            return after
        shards = list(self._shards)
        copied: set[int] = set()
        after._count = self._count
        for key, value in changes.items():
            place = hash(key) % len(shards)
            if place not in copied:
                copied.add(place)
                shards[place] = shards[place].copy()
            after._count += key not in shards[place]
            shards[place][key] = value
        if after._count > _SHARD_MIN * len(shards) and after._count > len(shards) ** 2:
            shards = _wider(shards)
        after._shards = tuple(shards)
        return after


def _wider(shards: Sequence[dict[K, V]]) -> list[dict[K, V]]:
    wider: list[dict[K, V]] = [{} for _ in range(4 * len(shards))]
    for shard in shards:
        for key, value in shard.items():
            wider[hash(key) % len(wider)][key] = value
    return wider
