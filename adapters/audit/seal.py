"""A seal: the folder of what was signed. Read here; written by the sealer alone.

`head` is the one file that says what counts. `1/` is the first origin, with a folder for each bucket's tree: its
`checkpoint` and its tiles; an origin that was begun anew is `2/`. `rotations/` keeps each head that an old and a
new key signed together, so that who trusts the first key can trust the last.
"""

from collections.abc import Sequence
from pathlib import Path

from adapters.addresses import path_beside
from adapters.audit.keys import verify
from adapters.audit.tiles import Tiles
from adapters.configuration import configured
from domain.errors import SealContradicted, SealUnusable
from domain.notes import Checkpoint, Head, Note, NoteMalformed, VerifierKey


def seal_path(url: str, given: str | None) -> Path:
    """Where the seal of the log at this address lies.

    `shop.db` has `shop.seal` beside it; a PostgreSQL database `shop` has `./shop.lifecircle.seal`; unless an option or
    LIFECIRCLE_SEAL names another place.
    """
    return Path(given) if given else configured().seal or path_beside(url, ".seal")


def read_key(text: str) -> VerifierKey:
    """Read a verifier key, or the file that holds one.

    Raises:
        SealUnusable: it is neither, or no such file is there.
    """
    try:
        path = Path(text)
        return VerifierKey.read(path.read_text("utf-8") if "+" not in text or path.is_file() else text)
    except FileNotFoundError:
        raise SealUnusable(
            "there is no verifier key at this place",
            where=text,
            rule="the first seal of a log makes its keys, and puts the public one into the seal's folder as key.pub",
            way_out="correct the place; if the log was never sealed: lifecircle seal",
        ) from None
    except (NoteMalformed, OSError, UnicodeDecodeError):
        raise SealUnusable(
            "this is no verifier key",
            where=text,
            rule="NAME+ID+KEY in one line, as `lifecircle seal` shows it, or a file that holds one",
            way_out="take it from whom you trust, not from who gave you the log",
        ) from None


class Seal:
    """What was signed of a log, checked against a key that the reader trusts."""

    def __init__(self, folder: Path, keys: Sequence[VerifierKey]) -> None:
        """Read the head.

        Raises:
            SealUnusable: there is none.
            SealContradicted: it is not signed by a trusted key.
        """
        self.folder = folder
        if not (folder / "head").is_file():
            raise SealUnusable(
                "there is no seal here",
                where=str(folder),
                way_out="seal the log with: lifecircle seal; or name the folder by --seal",
            )
        self.keys = with_successors(folder, keys)
        self.note = read_note(folder / "head", self.keys)
        try:
            self.head = Head.read(self.note.text)
        except NoteMalformed as error:
            raise contradicted(folder / "head", error) from None

    def tree(self, bucket: int) -> Path:
        """The folder of one bucket's tree."""
        return self.folder / self.head.origin.rpartition("/")[2] / str(bucket)

    def tiles(self, bucket: int) -> Tiles:
        """The tiles of one bucket's tree."""
        return Tiles(self.tree(bucket))


def with_successors(folder: Path, keys: Sequence[VerifierKey]) -> list[VerifierKey]:
    """The keys that a reader trusts, and those that they handed over to, one after the other, as a seal shows it."""
    trusted = list(keys)
    for path in sorted((folder / "rotations").glob("*")):
        trusted += [key for key in [_successor(path, trusted)] if key]
    return trusted


def keys_for(checkpoint: Path, key: VerifierKey) -> list[VerifierKey]:
    """The same for a checkpoint that lies in a seal, or in a copy of one."""
    return with_successors(checkpoint.absolute().parent.parent.parent, [key])


def _successor(path: Path, trusted: Sequence[VerifierKey]) -> VerifierKey | None:
    """The key that a trusted one handed over to; None for a rotation from before the trusted key."""
    try:
        note = Note.read(path.read_bytes())
        note.signed_by(trusted, verify)
        key = VerifierKey.read(Head.read(note.text).key)
        note.signed_by([key], verify)
    except NoteMalformed:
        return None
    return key


def read_note(path: Path, keys: Sequence[VerifierKey]) -> Note:
    """Read a note that a trusted key signed.

    Raises:
        SealContradicted: none did, or the note is malformed.
    """
    try:
        note = Note.read(path.read_bytes())
        note.signed_by(keys, verify)
    except NoteMalformed as error:
        raise contradicted(path, error) from None
    return note


def read_checkpoint(path: Path, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Read a tree's checkpoint that a trusted key signed.

    Raises:
        SealContradicted: it is malformed, or signed by none of them.
    """
    try:
        return Checkpoint.read(read_note(path, keys).text)
    except NoteMalformed as error:
        raise contradicted(path, error) from None


def contradicted(path: Path, error: NoteMalformed) -> SealContradicted:
    """What is wrong with a signed file, as an error."""
    return SealContradicted(
        f"what is signed cannot be trusted: {error}",
        where=str(path),
        rule="it is signed by the key that the reader trusts, or by one that this key handed over to",
        way_out="check the key with whom you have it from, and the file with whoever sealed the log",
    )
