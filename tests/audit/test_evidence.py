"""Evidence bundles: proved without the log, with the program and without; nothing is changed or left out unseen."""

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.audit import keys
from adapters.audit.evidence import page_of, problems_of
from cli.main import main
from domain.notes import Head, Note
from tests.audit.conftest import Sealed
from tests.cli.program import Shell, event


@pytest.fixture
def bundle(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The unpacked evidence of a customer who was merged with another one."""
    monkeypatch.chdir(tmp_path)
    shell = Shell(url)
    assert shell("init").code == 0
    merge: dict[str, Any] = {
        "type": "CustomersMerged",
        "data": {"survivor": "anna", "absorbed": "ann", "method": "manual", "evidence": "<b>same</b> address"},
    }
    related = {"type": "RelationshipLinked", "data": {"to": "carl", "type": "contact person"}}
    for at, changes in enumerate(
        (
            {"subject": "anna"},
            {"subject": "ann"},
            {"subject": "bert"},
            {"subject": "anna", **merge},
            {"subject": "ann", **related},
        )
    ):
        data = {"data": {"order": f"o{at}", "total": "5 EUR"}}
        recorded = shell("record", "--json", json.dumps(event(**{"id": f"e{at}", **data, **changes})))
        assert recorded.code == 0, recorded.err
    assert shell("seal", "--seal", "shop.seal").code == 0
    assert (
        shell(
            "record", "--json", json.dumps(event(id="late", subject="anna", data={"order": "o9", "total": "5 EUR"}))
        ).code
        == 0
    )
    proved = shell("prove", "anna", "-o", "anna.zip", "--seal", "shop.seal")
    assert proved.code == 0, proved.err
    subprocess.run([sys.executable, "-m", "zipfile", "-e", "anna.zip", "anna"], check=True)
    return tmp_path / "anna"


def key_of(bundle: Path) -> str:
    return (bundle.parent / "shop.seal" / "key.pub").read_text().strip()


def files_of(bundle: Path) -> dict[str, bytes]:
    return {path.relative_to(bundle).as_posix(): path.read_bytes() for path in bundle.rglob("*") if path.is_file()}


def test_a_bundle_is_proved_without_log_or_program(bundle: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    run = [sys.executable, "-I", str(bundle / "verify.py")]
    done = subprocess.run([*run, key_of(bundle)], cwd=empty, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("proved")
    stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert subprocess.run([*run, stranger], cwd=empty, capture_output=True, check=False).returncode == 12
    (bundle / "head").write_text((bundle / "head").read_text().replace("streams 3", "streams 4"))
    done = subprocess.run([*run, key_of(bundle)], cwd=empty, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (12, "a signature of the note does not hold")


def test_without_an_openssl_that_can_it_says_that_nothing_was_checked(bundle: Path, tmp_path: Path) -> None:
    run = [sys.executable, "-I", str(bundle / "verify.py"), key_of(bundle)]
    for is_there in (False, True):
        if is_there:
            (tmp_path / "openssl").write_text("#!/bin/sh\nexit 1\n")
            (tmp_path / "openssl").chmod(0o700)
        done = subprocess.run(run, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
        assert (done.returncode, "nothing was checked" in done.stderr, done.stdout) == (1, True, "")


def test_the_program_proves_it_packed_and_unpacked(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for given in (str(bundle), "anna.zip"):
        with pytest.raises(SystemExit) as end:
            main(["verify", given, "--key", key_of(bundle)])
        assert end.value.code == 0
    assert "proved" in capsys.readouterr().out


def test_its_page_says_what_it_is_the_whole_of_and_what_is_not_proved(bundle: Path) -> None:
    page = (bundle / "history.html").read_text()
    assert "All that was sealed under ann, anna" in page
    assert "not in this bundle: carl." in page
    assert "0 rows of imports waited in quarantine" in page


def test_its_scope_is_the_family_and_its_page_shows_markup_as_text(bundle: Path) -> None:
    evidence = json.loads((bundle / "evidence.json").read_text())
    assert [stream["stream"] for stream in evidence["streams"]] == ["ann", "anna"]
    assert evidence["unsealed"] == 1
    page = (bundle / "history.html").read_text()
    assert "&lt;b&gt;same" in page
    assert "<b>same" not in page


def _last_cut(evidence: Any) -> None:
    evidence["streams"][1]["touchpoints"].pop()


def _first_cut(evidence: Any) -> None:
    del evidence["streams"][1]["touchpoints"][0]


def _stream_left_out(evidence: Any) -> None:
    del evidence["streams"][0]


def _state_changed(evidence: Any) -> None:
    each = evidence["streams"][0]["touchpoints"][0]
    each["state"] = b64encode(b64decode(each["state"]).replace(b"5", b"6")).decode()


def _said_to_be_empty(evidence: Any) -> None:
    evidence["streams"][0]["touchpoints"] = []


def _of_another_subject(evidence: Any) -> None:
    evidence["subject"] = "bert"


def _one_doubled(evidence: Any) -> None:
    evidence["streams"][0]["touchpoints"] *= 2


@pytest.mark.parametrize(
    "change",
    [_last_cut, _first_cut, _stream_left_out, _state_changed, _said_to_be_empty, _of_another_subject, _one_doubled],
)
def test_evidence_that_was_changed_is_not_proved(bundle: Path, change: Callable[[Any], None]) -> None:
    files = files_of(bundle)
    evidence = json.loads(files["evidence.json"])
    change(evidence)
    files["evidence.json"] = json.dumps(evidence).encode()
    files["history.html"] = page_of(evidence, Head.read(Note.read(files["head"]).text))
    assert problems_of(files, key_of(bundle), keys.verify)


def test_every_byte_of_the_evidence_matters(bundle: Path) -> None:
    files = files_of(bundle)
    assert problems_of(files, key_of(bundle), keys.verify) == []
    for name in ("head", "history.html", "evidence.json"):
        whole = files[name]
        before = json.loads(whole) if name.endswith("json") else whole
        for at in range(0, len(whole), 7):
            changed = whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
            try:
                if name.endswith("json") and json.loads(changed) == before:
                    continue  # a blank between two words
            except ValueError:
                pass
            assert problems_of({**files, name: changed}, key_of(bundle), keys.verify), (name, at)


def test_a_subject_that_is_not_sealed_has_no_evidence(sealed: Sealed, tmp_path: Path) -> None:
    sealed.record("anna")
    sealed.seal()
    sealed.record("late")
    done = Shell(sealed.url)("prove", "late", "-o", str(tmp_path / "x.zip"), "--seal", str(sealed.folder))
    assert done.code == 6
    assert not (tmp_path / "x.zip").exists()
