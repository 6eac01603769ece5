"""Proofs of single touchpoints, as of the last seal: what an auditor is shown beside a position."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple

from adapters.audit.rows import LEAF_COLUMNS, AuditRows, open_audit_rows
from adapters.audit.seal import Seal, read_key, seal_path
from adapters.audit.tiles import contradiction
from domain.leaf import NONE_BEFORE, leaves_of
from domain.merkle import included, inclusion_proof
from domain.touchpoint import Fact

Position = tuple[int, int]
"""Bucket and number."""


class Proof(NamedTuple):
    """That a touchpoint stands in the sealed tree of a bucket: its leaf, and the audit path to the signed root."""

    origin: str
    size: int
    leaf: bytes
    path: list[bytes]

    def as_dict(self) -> dict[str, object]:
        """The proof for machines; hashes in hexadecimal."""
        path = [each.hex() for each in self.path]
        return {"origin": self.origin, "size": self.size, "leaf": self.leaf.hex(), "path": path}


def proofs(rows: AuditRows, seal: Seal, facts: Iterable[Fact]) -> dict[Position, Proof]:
    """The proofs of those touchpoints that are sealed, by their positions.

    Raises:
        SealContradicted: one of them, or an earlier one of its stream, is not what was sealed.
    """
    wanted = defaultdict[tuple[int, str], set[int]](set)
    for fact in facts:
        wanted[fact.bucket, fact.stream].add(fact.number)
    found: dict[Position, Proof] = {}
    for (bucket, stream), numbers in wanted.items():
        checkpoint, subtree = seal.head.checkpoint(bucket), seal.tiles(bucket).of_size(seal.head.sizes[bucket - 1])
        leaf_of, leaf = leaves_of(seal.head.log_id, bucket), NONE_BEFORE
        for row in rows.stream(bucket, stream.encode(), checkpoint.size):
            leaf = leaf_of(*row[:LEAF_COLUMNS], leaf)
            if (number := row[0]) in numbers:
                path = inclusion_proof(number - 1, checkpoint.size, subtree)
                if not included(leaf, number - 1, checkpoint.size, path, checkpoint.root):
                    raise contradiction(bucket, number)
                found[bucket, number] = Proof(checkpoint.origin, checkpoint.size, leaf, path)
    return found


def proofs_where_sealed(
    url: str, folder: str | None, trusted: str | None, facts: Iterable[Fact]
) -> dict[Position, Proof]:
    """The same of the log at an address; none where it has no seal and none was named.

    Args:
        url: the log's address.
        folder: the seal, where it is not at its usual place.
        trusted: the verifier key that the reader trusts; the seal's own where none is given.
        facts: whose proofs are wanted.

    Raises:
        SealUnusable: the seal or the key that was named is none.
        SealContradicted: something is not what was sealed.
    """
    place = seal_path(url, folder)
    if folder is None and trusted is None and not (place / "head").is_file():
        return {}
    with closing(open_audit_rows(url)) as rows:
        return proofs(rows, Seal(place, [read_key(trusted or str(place / "key.pub"))]), facts)
