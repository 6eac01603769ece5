"""Trees and proofs: published roots, a second reading of RFC 6962's own definitions, and laws."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import merkle
from domain.tails import LEVELS, SLOTS, Tails, slot_of, slots_in, stream_key, tail_in

# The leaves and roots that Certificate Transparency's own tests use.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(entries: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1."""
    if len(entries) == 1:
        return []
    k = 1
    while k * 2 < len(entries):
        k *= 2
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: list[bytes], *, whole: bool) -> list[bytes]:
    """RFC 6962, section 2.1.2."""
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = 1
    while k * 2 < len(entries):
        k *= 2
    if m <= k:
        return [*subproof(m, entries[:k], whole=whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], whole=False), mth(entries[:k])]


def over(entries: list[bytes]) -> merkle.Subtree:
    return lambda level, index: mth(entries[index << level : (index + 1) << level])


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    entries = [bytes.fromhex(leaf) for leaf in LEAVES]
    assert merkle.root(size, over(entries)).hex() == ROOTS[size - 1]


def entries_of(size: int) -> list[bytes]:
    return [number.to_bytes(2) for number in range(size)]


def altered(proof: list[bytes]) -> list[list[bytes]]:
    """Every proof that differs from one a little: a hash changed, left out, doubled, or one more."""
    found = [[*proof, bytes(32)]]
    for at, each in enumerate(proof):
        changed = bytes([each[0] ^ 1]) + each[1:]
        found += [
            [*proof[:at], changed, *proof[at + 1 :]],
            [*proof[:at], *proof[at + 1 :]],
            [*proof[: at + 1], *proof[at:]],
        ]
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_an_inclusion_proof_is_the_rfcs_and_every_altered_one_fails(place: tuple[int, int]) -> None:
    index, size = place
    entries = entries_of(size)
    root, leaf = mth(entries), mth([entries[index]])
    proof = merkle.inclusion_proof(index, size, over(entries))
    assert proof == path(index, entries)
    assert merkle.included(leaf, index, size, proof, root)
    assert not any(merkle.included(leaf, index, size, each, root) for each in altered(proof))
    assert not merkle.included(mth([b"other"]), index, size, proof, root)
    assert not any(merkle.included(leaf, other, size, proof, root) for other in range(-1, size + 1) if other != index)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300).flatmap(lambda new: st.tuples(st.integers(1, new), st.just(new))))
def test_a_consistency_proof_is_the_rfcs_and_every_altered_one_fails(sizes: tuple[int, int]) -> None:
    old, new = sizes
    entries = entries_of(new)
    before, after = mth(entries[:old]), mth(entries)
    proof = merkle.consistency_proof(old, new, over(entries))
    assert proof == subproof(old, entries, whole=True)
    assert merkle.consistent(old, new, before, after, proof)
    assert not any(merkle.consistent(old, new, before, after, each) for each in altered(proof))
    assert not merkle.consistent(old, new, mth([b"other"]), after, proof)
    assert not merkle.consistent(old, new, before, mth([b"other"]), proof)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.text(min_size=1), st.tuples(st.integers(1, 2**40), st.binary(min_size=32, max_size=32))))
def test_a_slot_shows_where_a_stream_ends_or_that_there_is_none(ends: dict[str, tuple[int, bytes]]) -> None:
    ends.pop("nobody", None)
    entries = sorted((stream_key(stream.encode()), *end) for stream, end in ends.items())
    slots = dict(slots_in(entries))
    tails, grown = Tails(slots.items()), Tails(())
    for slot in slots.items():
        grown.put([slot])
    assert grown.root == tails.root
    for stream in [*ends, "nobody"]:
        place = slot_of(stream_key(stream.encode()))
        held, proof = slots.get(place, b""), tails.path(place)
        assert len(proof) == LEVELS
        assert tail_in(stream.encode(), held, proof, tails.root) == ends.get(stream)
        for wrong in (held[:-72], held + bytes(72)):
            if wrong != held:
                with pytest.raises(ValueError, match="slot"):
                    tail_in(stream.encode(), wrong, proof, tails.root)
    assert SLOTS == 1 << LEVELS
