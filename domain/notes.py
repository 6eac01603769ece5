"""Signed texts: the C2SP signed note, the checkpoint of a tree in it, cosignatures of witnesses, and the head of a log.

A note is a text, a blank line, and signature lines `— name base64(key id, signature)`. A verifier key is
`name+hex(key id)+base64(type, public key)`. A checkpoint's text is origin, size and root. The head's text is
ours: it lists the checkpoints of all buckets. Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint,
c2sp.org/tlog-cosignature.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import NamedTuple

ED25519 = 1
"""The signature type of a plain Ed25519 signature over the note's text."""

COSIGNATURE = 4
"""The signature type of a witness's Ed25519 cosignature, which says when."""

SIGNATURES_MAX = 100

Verify = Callable[[bytes, bytes, bytes], bool]
"""Whether an Ed25519 signature holds: of a public key, a message and a signature."""

_SIGNATURE = re.compile(r"— (\S+) (\S+)")
_SIZE = re.compile(r"0|[1-9]\d{0,18}")


class NoteMalformed(ValueError):
    """A text is not the signed note, the key, the checkpoint or the head that was expected."""


class VerifierKey(NamedTuple):
    """A public key with the name it signs under."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell a name's keys apart."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def read(cls, text: str) -> "VerifierKey":
        """Read a verifier key; its id must be that of its name and key.

        Raises:
            NoteMalformed: it is none, or of another type than Ed25519.
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = unbase64(encoded)
        if not name or any(map(str.isspace, name)) or len(raw) != 33 or raw[0] not in (ED25519, COSIGNATURE):
            raise NoteMalformed("this is no Ed25519 verifier key")
        key = cls(name, raw[0], raw[1:])
        if key.key_id.hex() != key_id:
            raise NoteMalformed("the id of this verifier key is not that of its name and key")
        return key


def unbase64(text: str) -> bytes:
    """Read standard base64, in its one spelling.

    Raises:
        NoteMalformed: it is none.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteMalformed("this is no base64") from None
    if base64.b64encode(raw).decode() != text:
        raise NoteMalformed("this is no base64 in its one spelling")
    return raw


class Note(NamedTuple):
    """A text with its signatures, each with its name and its bytes: key id and signature."""

    text: str
    signatures: tuple[tuple[str, bytes], ...]

    def __str__(self) -> str:
        lines = [f"— {name} {base64.b64encode(raw).decode()}\n" for name, raw in self.signatures]
        return self.text + "\n" + "".join(lines)

    @classmethod
    def read(cls, raw: bytes) -> "Note":
        """Read a signed note; its signatures are not looked at yet.

        Raises:
            NoteMalformed: it is none.
        """
        try:
            whole = raw.decode()
        except UnicodeDecodeError:
            raise NoteMalformed("the note is not UTF-8") from None
        text, blank, tail = whole.rpartition("\n\n")
        lines = tail.split("\n")
        if not blank or not text or lines.pop() or not lines or len(lines) > SIGNATURES_MAX:
            raise NoteMalformed("the note has no text, or no signatures")
        if any(character < " " and character != "\n" for character in whole):
            raise NoteMalformed("the note holds a control character")
        signatures = []
        for line in lines:
            found = _SIGNATURE.fullmatch(line)
            signature = unbase64(found[2]) if found else b""
            if not found or "+" in found[1] or len(signature) < 5:
                raise NoteMalformed("a signature line of the note is malformed")
            signatures.append((found[1], signature))
        return cls(text + "\n", tuple(signatures))

    def signed_by(self, keys: Iterable[VerifierKey], verify: Verify) -> list[VerifierKey]:
        """Which of these keys signed the note.

        Raises:
            NoteMalformed: a signature under the name and id of one of them does not hold, or none is there.
        """
        found = []
        for key in keys:
            given = [raw[4:] for name, raw in self.signatures if (name, raw[:4]) == (key.name, key.key_id)]
            if any(not self._holds(key, signature, verify) for signature in given):
                raise NoteMalformed("a signature of the note does not hold")
            if given:
                found.append(key)
        if not found:
            raise NoteMalformed("the note is not signed by a trusted key")
        return found

    def _holds(self, key: VerifierKey, signature: bytes, verify: Verify) -> bool:
        if key.kind == ED25519:
            return len(signature) == 64 and verify(key.public, self.text.encode(), signature)
        said = cosigned_text(self.text, int.from_bytes(signature[:8]))
        return len(signature) == 72 and verify(key.public, said, signature[8:])

    def with_signature(self, key: VerifierKey, signature: bytes) -> "Note":
        """The note with one signature more."""
        return self._replace(signatures=(*self.signatures, (key.name, key.key_id + signature)))


def cosigned_text(text: str, at_s: int) -> bytes:
    """What a witness signs: when, in seconds since 1970 UTC, and the checkpoint's text."""
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


class Checkpoint(NamedTuple):
    """The head of one tree."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text of its note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def read(cls, text: str) -> "Checkpoint":
        """Read the text of a note.

        Raises:
            NoteMalformed: it is no checkpoint.
        """
        origin, size, root, *rest = [*text.split("\n"), "", "", ""]
        if not origin or not _SIZE.fullmatch(size) or len(unbase64(root)) != 32 or any(rest):
            raise NoteMalformed("this is no checkpoint of a tree")
        return cls(origin, int(size), unbase64(root))


class Head(NamedTuple):
    """The head of a whole log: the trees of all its buckets, and where all streams end, as of one consistent cut.

    `sealed` is the sealer's own clock, in microseconds since 1970 UTC. `supersedes` is empty, or says of an
    origin begun anew which one stood before and the SHA-256 of its last head.
    """

    origin: str
    log_id: bytes
    sealed: int
    key: str
    streams: int
    tails: bytes
    trees: tuple[tuple[int, bytes], ...]
    supersedes: str = ""

    def checkpoint(self, bucket: int) -> Checkpoint:
        """The checkpoint of one bucket."""
        return Checkpoint(f"{self.origin}/{bucket}", *self.trees[bucket - 1])

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many touchpoints each bucket holds."""
        return tuple(size for size, _ in self.trees)

    @property
    def text(self) -> str:
        """The text of its note."""
        lines = [
            "lifecircle head v1",
            f"origin {self.origin}",
            f"log {self.log_id.hex()}",
            f"sealed {self.sealed}",
            f"key {self.key}",
            f"streams {self.streams} {base64.b64encode(self.tails).decode()}",
            *(f"bucket {at} {size} {base64.b64encode(root).decode()}" for at, (size, root) in enumerate(self.trees, 1)),
        ]
        if self.supersedes:
            lines.append(f"supersedes {self.supersedes}")
        return "\n".join(lines) + "\n"

    @classmethod
    def read(cls, text: str) -> "Head":
        """Read the text of a note.

        Raises:
            NoteMalformed: it is no head.
        """
        try:
            lines = [(name, rest) for name, _, rest in (line.partition(" ") for line in text.splitlines()[1:])]
            said = dict(lines[:5])
            streams, tails = said["streams"].split()
            trees = tuple(
                (int(size), unbase64(root))
                for name, rest in lines
                if name == "bucket"
                for _, size, root in [rest.split()]
            )
            supersedes = dict(lines).get("supersedes", "")
            head = cls(
                said["origin"],
                bytes.fromhex(said["log"]),
                int(said["sealed"]),
                said["key"],
                int(streams),
                unbase64(tails),
                trees,
                supersedes,
            )
        except (KeyError, ValueError) as error:
            raise NoteMalformed("this is no head of a log") from error
        if head.text != text or not trees or len(head.log_id) != 16 or any(len(root) != 32 for _, root in trees):
            raise NoteMalformed("this is no head of a log")
        return head
