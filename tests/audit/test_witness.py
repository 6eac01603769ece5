"""Two checkpoints and a witness: what only grew is proved and signed, what was changed is not."""

import shutil
from pathlib import Path

import pytest

from adapters.audit.keys import verify
from adapters.audit.sealer import sealer
from adapters.audit.witness import cosign
from domain.errors import SealContradicted
from domain.notes import Note, NoteMalformed, VerifierKey
from tests.audit.conftest import Sealed
from tests.audit.test_seal import cut, database_of
from tests.cli.program import Shell


def kept(sealed: Sealed, name: str) -> Path:
    """A copy of the first bucket's tree as it is now, checkpoint and tiles."""
    copy = sealed.folder.with_name(name)
    shutil.copytree(sealed.folder / "1" / "1", copy)
    return copy / "checkpoint"


def test_a_log_that_only_grew(sealed: Sealed) -> None:
    shell = Shell(sealed.url)
    sealed.record(*(f"c{at}" for at in range(5)))
    sealed.seal()
    old = kept(sealed, "old")
    sealed.record(*(f"c{at}" for at in range(300)))
    sealed.seal()
    new = kept(sealed, "new")
    told = shell("consistency", str(old), str(new), "--key", sealed.key)
    assert told.code == 0, told.err
    assert "grew from 5 to 305" in told.out
    assert shell("consistency", str(new), str(old), "--key", sealed.key).code == 12


def test_a_key_that_handed_over_leads_from_an_old_checkpoint_to_a_new_one(sealed: Sealed, tmp_path: Path) -> None:
    shell, state, tree = Shell(sealed.url), str(tmp_path / "eye"), sealed.folder / "1" / "1" / "checkpoint"
    sealed.record("anna")
    sealed.seal()
    first, old = sealed.key, tmp_path / "old"
    old.write_bytes(tree.read_bytes())
    assert shell("witness", str(tree), "--key", first, "--state", state).code == 0
    with sealer(sealed.engine.log, sealed.url, sealed.folder) as leading:
        leading.rotate()
    sealed.record("bert")
    sealed.seal()
    assert sealed.key != first
    assert shell("witness", str(tree), "--key", first, "--state", state).code == 0
    told = shell("consistency", str(old), str(tree), "--key", first)
    assert (told.code, "grew from 1 to 2" in told.out) == (0, True), told.err
    assert shell("consistency", str(old), str(tree), "--key", sealed.key).code == 12, "not the other way round"


def test_a_witness_signs_what_extends_what_it_saw_and_nothing_else(sealed: Sealed, tmp_path: Path) -> None:
    shell, state = Shell(sealed.url), tmp_path / "eye"
    witness = ("witness", "--key", sealed.key if sealed.seal() else "", "--state", str(state))
    sealed.record("anna", "bert", "carl")
    sealed.seal()
    told = shell(*witness, str(kept(sealed, "first")))
    assert told.code == 0, told.err
    key = VerifierKey.read(told.err.removeprefix("witness key: "))
    note = Note.read(told.out.encode())
    assert note.signed_by([key], verify) == [key]
    with pytest.raises(NoteMalformed):
        note._replace(text=note.text.replace("\n3\n", "\n4\n")).signed_by([key], verify)
    database = database_of(sealed)
    cut(database, 2)
    shutil.rmtree(sealed.folder)
    sealed.record("dora", "emil")
    sealed.folder.mkdir()
    sealed.seal()
    refused = shell(*witness, str(kept(sealed, "forged")))
    assert refused.code == 12, "the same key, the same origin, another history"
    assert shell(*witness, str(tmp_path / "first" / "checkpoint")).code == 0
    assert state.with_name("eye.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SealContradicted, match="not signed by a trusted key"):
        cosign(tmp_path / "first" / "checkpoint", state, "eye", key)
    database.close()
