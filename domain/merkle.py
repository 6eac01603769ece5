"""Merkle trees as RFC 6962 (section 2.1) and RFC 9162 define them: roots, inclusion proofs, consistency proofs.

A tree is asked for through its complete subtrees: `subtree(level, index)` is the hash over the leaves from
`index * 2**level` on, `2**level` of them. Nothing of this module needs anything but the standard library.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

HASH_BYTES = 32

EMPTY_ROOT = sha256().digest()

Subtree = Callable[[int, int], bytes]
"""The hash of a complete subtree, by its level and its index in that level."""


def node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def level_above(hashes: bytes) -> bytes:
    """The hashes of the level above an even number of hashes, all strung together."""
    return b"".join([sha256(b"\x01" + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 64)])


def complete_root(hashes: bytes) -> bytes:
    """The root over a power of two of hashes, strung together."""
    while len(hashes) > HASH_BYTES:
        hashes = level_above(hashes)
    return hashes


def _split(size: int) -> int:
    """The largest power of two below a size of at least two."""
    return 1 << (size - 1).bit_length() - 1


def range_root(first: int, size: int, subtree: Subtree) -> bytes:
    """The hash over `size` leaves from `first` on; `first` is a multiple of the power of two that holds them."""
    if not size:
        return EMPTY_ROOT
    if not size & (size - 1):
        level = size.bit_length() - 1
        return subtree(level, first >> level)
    left = _split(size)
    return node(range_root(first, left, subtree), range_root(first + left, size - left, subtree))


def root(size: int, subtree: Subtree) -> bytes:
    """The root of the tree of the first `size` leaves (MTH)."""
    return range_root(0, size, subtree)


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The audit path of one leaf in the tree of the first `size` leaves (PATH), from the leaf upwards.

    Raises:
        IndexError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise IndexError(index)
    first, path = 0, []
    while size > 1:
        left = _split(size)
        if index - first < left:
            path.append(range_root(first + left, size - left, subtree))
            size = left
        else:
            path.append(range_root(first, left, subtree))
            first, size = first + left, size - left
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """What shows that the tree of `new` leaves begins with that of `old` ones (PROOF).

    Raises:
        IndexError: the old tree is larger than the new one.
    """
    if not 0 <= old <= new:
        raise IndexError(old)
    if old in (0, new):
        return []
    first, size, whole, path = 0, new, True, []
    while old - first != size:
        left = _split(size)
        if old - first <= left:
            path.append(range_root(first + left, size - left, subtree))
            size = left
        else:
            path.append(range_root(first, left, subtree))
            first, size, whole = first + left, size - left, False
    if not whole:
        path.append(range_root(first, size, subtree))
    return path[::-1]


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], wanted: bytes) -> bool:
    """Whether an audit path leads from a leaf's hash to a root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if not last or len(sibling) != HASH_BYTES:
            return False
        if at & 1 or at == last:
            found = node(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, sibling)
        at, last = at >> 1, last >> 1
    return not last and found == wanted


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a proof shows that the new tree begins with the old one (RFC 9162, section 2.1.4.2)."""
    if not 0 <= old <= new or any(len(each) != HASH_BYTES for each in path):
        return False
    if old == new:
        return not path and old_root == new_root
    if not old:
        return not path and old_root == EMPTY_ROOT
    steps = list(path)
    if not old & (old - 1):
        steps.insert(0, old_root)
    if not steps:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = steps[0]
    for sibling in steps[1:]:
        if not last:
            return False
        if at & 1 or at == last:
            before, after = node(sibling, before), node(sibling, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node(after, sibling)
        at, last = at >> 1, last >> 1
    return not last and before == old_root and after == new_root
