"""What an auditor may be handed, or mistype: a clear error each, with an exit code, and nothing signed or proved."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Shell, orders


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Two sealed logs in a folder, `shop` and `other`, each with a bundle of anna's history."""
    folder = tmp_path_factory.mktemp("audit")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("other", "shop"):
            shell = Shell(f"sqlite:///{name}.db")
            assert shell("init").code == 0
            assert shell("record", "--json", "-", stdin=orders(["anna"])).code == 0
            assert shell("seal").code == 0
            assert shell("prove", "anna", "-o", f"{name}.zip").code == 0
        whole = Path("shop.zip").read_bytes()
        Path("cut.zip").write_bytes(whole[: len(whole) // 2])
        Path("key").write_text(Path("shop.seal/key.pub").read_text(), encoding="utf-8")
        yield shell


CHECKPOINT = "{}.seal/1/1/checkpoint"


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("verify cut.zip --key key", 12, "no evidence bundle, or a damaged one"),
        ("verify shop.db --key key", 12, "no evidence bundle, or a damaged one"),
        ("verify other.zip --key key", 12, "not signed by a trusted key"),
        ("verify shop.zip --key other.seal/key.pub", 12, "not signed by a trusted key"),
        ("verify missing.zip --key key", 1, "missing.zip"),
        ("verify shop.zip --key missing", 8, "no verifier key"),
        ("verify shop.zip --key shop.zip", 8, "no verifier key"),
        ("prove anna -o x.zip --seal nowhere", 8, "never sealed: lifecircle seal"),
        ("verify --key other.seal/key.pub", 12, "not signed by a trusted key"),
        ("verify --seal other.seal --key other.seal/key.pub", 12, "another log's"),
        ("verify --seal nowhere --key key", 8, "no seal here"),
        ("seal --seal other.seal", 12, "another log's"),
        ("prove nobody -o x.zip", 6, "nobody"),
        ("prove anna -o x.zip --seal nowhere --key key", 8, "no seal here"),
        (
            f"consistency {CHECKPOINT.format('other')} {CHECKPOINT.format('shop')} --key key",
            12,
            "not signed by a trusted",
        ),
        (f"consistency shop.seal/head {CHECKPOINT.format('shop')} --key key", 12, "no checkpoint of a tree"),
        (f"witness {CHECKPOINT.format('other')} --key key --state eye", 12, "not signed by a trusted key"),
        (f"witness {CHECKPOINT.format('missing')} --key key --state eye", 1, "missing.seal"),
    ],
)
def test_what_is_wrong_is_named(shop: Shell, typed: str, code: int, said: str) -> None:
    done = shop(*typed.split())
    assert (done.code, said in done.err, "Traceback" in done.err) == (code, True, False), done
    assert not Path("x.zip").exists()
