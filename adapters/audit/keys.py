"""The sealer's signing key: one file beside the folder that it signs, which only its owner may read."""

import os
from pathlib import Path
from time import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from adapters.durable_files import write_whole
from domain.errors import SealUnusable
from domain.notes import COSIGNATURE, ED25519, Note, VerifierKey, cosigned_text

_MARK = "lifecircle signing key v1"


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature holds (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class SigningKey:
    """A private key and the name it signs under."""

    def __init__(self, name: str, private: Ed25519PrivateKey, kind: int = ED25519) -> None:
        self._private = private
        self.verifier = VerifierKey(name, kind, private.public_key().public_bytes_raw())

    def signed(self, note: Note) -> Note:
        """The note with this key's signature."""
        if self.verifier.kind == COSIGNATURE:
            at_s = int(time())
            said = self._private.sign(cosigned_text(note.text, at_s))
            return note.with_signature(self.verifier, at_s.to_bytes(8) + said)
        return note.with_signature(self.verifier, self._private.sign(note.text.encode()))

    @classmethod
    def make(cls, name: str, path: Path, kind: int = ED25519) -> "SigningKey":
        """Make a new key and keep it in a file that only its owner may read."""
        private = Ed25519PrivateKey.generate()
        write_whole(path, f"{_MARK}\n{name}\n{private.private_bytes_raw().hex()}\n".encode(), mode=0o600)
        return cls(name, private, kind)

    @classmethod
    def read(cls, path: Path, kind: int = ED25519) -> "SigningKey":
        """Read a key.

        Raises:
            SealUnusable: it is damaged, or others may read it.
        """
        if os.stat(path).st_mode & 0o077:  # noqa: PTH116 - the error of a missing file names it either way
            raise SealUnusable(
                "others may read the sealer's key",
                where=str(path),
                rule="only its owner may: whoever has it can sign another history",
                way_out=f"if nobody else has read it: chmod 600 {path}; otherwise also: lifecircle seal --rotate-key",
            )
        mark, name, private, *_ = [*path.read_text("utf-8").split("\n"), "", "", ""]
        try:
            if mark != _MARK or not name:
                raise ValueError(mark)  # noqa: TRY301
            return cls(name, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private)), kind)
        except ValueError:
            raise SealUnusable(
                "this is no key of a sealer",
                where=str(path),
                rule=f'it begins with "{_MARK}"',
                way_out="put the key back from its safe copy",
            ) from None
