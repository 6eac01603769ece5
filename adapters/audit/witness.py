"""Two checkpoints of one tree, and a witness that signs only what extends all that it has seen."""

from hashlib import sha256
from pathlib import Path

from adapters.audit.keys import SigningKey
from adapters.audit.seal import contradicted, keys_for, read_checkpoint, read_note
from adapters.audit.tiles import Tiles
from adapters.durable_files import leading, write_whole
from domain.errors import SealContradicted
from domain.merkle import consistency_proof, consistent
from domain.notes import COSIGNATURE, Checkpoint, Note, NoteMalformed, VerifierKey


def proof_between(old: Checkpoint, new: Checkpoint, tiles: Tiles) -> list[bytes]:
    """The proof that a tree only grew between two checkpoints (RFC 6962, section 2.1.2), verified.

    Raises:
        SealContradicted: it did not, or the tiles do not show it.
    """
    if old.origin == new.origin and old.size <= new.size:
        proof = consistency_proof(old.size, new.size, tiles.of_size(new.size))
        if consistent(old.size, new.size, old.root, new.root, proof):
            return proof
    raise SealContradicted(
        "the two checkpoints are not of one history that only grew",
        where=f"{old.origin} at {old.size}, {new.origin} at {new.size}",
        rule="the newer tree begins with the whole of the older one, under the same origin",
        way_out="give the older first; if it is, keep both: together they show that a history was changed",
    )


def cosign(path: Path, folder: Path, name: str, key: VerifierKey) -> tuple[Note, VerifierKey]:
    """Add a witness's signature to a checkpoint that extends the last one it saw of that origin, and remember this one.

    Args:
        path: the checkpoint, with its tiles beside it.
        folder: what the witness has seen; its key, made at first, lies beside it.
        name: the name that a new key signs under.
        key: the key of the log that the witness trusts; it also trusts those that it handed over to.

    Raises:
        SealContradicted: it is not signed by that key, or is not of the history that was seen before.
        SealerFenced: another process is this witness.
    """
    trusted = keys_for(path, key)
    note = read_note(path, trusted)
    try:
        new = Checkpoint.read(note.text)
    except NoteMalformed as error:
        raise contradicted(path, error) from None
    with leading(folder):
        seen = folder / sha256(new.origin.encode()).hexdigest()
        if seen.exists():
            proof_between(read_checkpoint(seen, trusted), new, Tiles(path.parent))
        private = folder.with_name(f"{folder.name}.key")
        own = SigningKey.read(private, COSIGNATURE) if private.exists() else SigningKey.make(name, private, COSIGNATURE)
        write_whole(seen, str(note).encode())
    return own.signed(note), own.verifier
