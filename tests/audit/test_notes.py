"""Signed texts against published examples, and what must not be accepted."""

import pytest

from adapters.audit.keys import verify
from domain.notes import Checkpoint, Head, Note, NoteMalformed, VerifierKey

# The example of Go's sumdb/note package, which c2sp.org/signed-note specifies.
KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = (
    TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

# The example of c2sp.org/tlog-checkpoint.
CHECKPOINT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def test_the_published_note_is_read_verified_and_written_the_same() -> None:
    key = VerifierKey.read(KEY)
    note = Note.read(SIGNED)
    assert str(key) == KEY
    assert note.text == TEXT
    assert note.signed_by([key], verify) == [key]
    assert str(note).encode() == SIGNED


def test_every_bit_of_a_signed_note_matters() -> None:
    key = VerifierKey.read(KEY)
    for at in range(len(SIGNED)):
        for bit in range(8):
            changed = bytearray(SIGNED)
            changed[at] ^= 1 << bit
            with pytest.raises(NoteMalformed):
                Note.read(bytes(changed)).signed_by([key], verify)


def test_a_signature_of_a_stranger_is_passed_over_and_is_not_enough() -> None:
    key = VerifierKey.read(KEY)
    stranger = VerifierKey("somebody", 1, bytes(32))
    note = Note.read(SIGNED).with_signature(stranger, bytes(64))
    assert note.signed_by([key], verify) == [key]
    with pytest.raises(NoteMalformed, match="trusted"):
        note.signed_by([stranger._replace(name="else")], verify)


def test_the_published_checkpoint() -> None:
    found = Checkpoint.read(CHECKPOINT)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.text == CHECKPOINT


@pytest.mark.parametrize("key", [KEY[:-1], KEY.replace("c7", "c8"), KEY.replace("Peter", "Pater"), "", "a+b", "a+b+c"])
def test_a_damaged_key_is_none(key: str) -> None:
    with pytest.raises(NoteMalformed):
        VerifierKey.read(key)


@pytest.mark.parametrize(
    "text",
    [CHECKPOINT.replace("20852163", "020852163"), CHECKPOINT.replace("20852163", "-1"), CHECKPOINT[:-5], "a\n1\n", ""],
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NoteMalformed):
        Checkpoint.read(text)


def test_a_head_is_read_back_and_in_one_spelling_only() -> None:
    head = Head("lifecircle/00/1", bytes(16), 5, KEY, 2, bytes(32), ((1, bytes(32)), (3, b"\1" * 32)), "x y")
    assert Head.read(head.text) == head
    assert head.checkpoint(2).origin == "lifecircle/00/1/2"
    for wrong in (
        head.text + "\n",
        head.text.replace("bucket 2", "bucket 3"),
        head.text.replace("sealed 5", "sealed 05"),
    ):
        with pytest.raises(NoteMalformed):
            Head.read(wrong)
