"""Moving a log by commands: what they print, and what is refused."""

from pathlib import Path

from adapters.cursor import Cursor
from tests.cli.program import Shell, orders


def test_a_log_is_moved_and_its_follower_goes_on(nowhere: Shell, tmp_path: Path) -> None:
    assert nowhere("init", "--name", "Shop", "--buckets", "4").code == 0
    for name in "abcdef":
        nowhere("record", "--json", "-", stdin=orders([name]))
    new = nowhere.at(f"sqlite:///{tmp_path}/new.db")
    lines = nowhere("follow", "--until-head").out.splitlines()
    done = nowhere("copy", nowhere.url, new.url, "--buckets", "1")
    assert done.code == 0, done.err
    assert "copied and checked: 6 touchpoints" in done.out
    assert f"{tmp_path}/new.key yourself" in done.out
    told, before = (shell("status", "--format", "json").json for shell in (new, nowhere))
    assert (told["buckets"], told["touchpoints"], told["company"]) == (1, 6, "Shop")
    assert told["origins"][0]["log"] == before["log"] != told["log"]
    assert f"log {before['log']}, up to cursor {before['cursor']}" in new("status").out
    refused = new("follow", "--after", before["cursor"], "--until-head")
    assert refused.code == 3
    assert "lifecircle cursor" in refused.err
    assert new("cursor", before["cursor"]).out.strip() == told["cursor"]
    assert new("follow", "--until-head", "--after", new("cursor", before["cursor"]).out.strip()).out == ""
    assert len(lines) == len(new("follow", "--until-head").out.splitlines()) == 6


def test_no_cursor_looks_like_an_option() -> None:
    for first in range(256):
        cursor = Cursor(bytes([first]) * 16, (6,))
        assert not str(cursor).startswith("-")
        assert Cursor.read(str(cursor), cursor.log_id, 1) == cursor
    told_before = f"-{str(Cursor(bytes([0xFB]) * 16, (6,)))[1:]}"
    assert Cursor.read(told_before, bytes([0xFB]) * 16, 1).numbers == (6,)


def test_what_cannot_be_copied_or_turned(file_shop: Shell, tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path}/target.db"
    for arguments, code, error in (
        (("copy", f"sqlite:///{tmp_path}/none.db", target), 7, "LogNotFound"),
        (("copy", "mysql://there", target), 7, "LogNotFound"),
        (("copy", file_shop.url, file_shop.url), 8, "LogExists"),
        (("copy", file_shop.url, target, "--buckets", "65"), 3, "WrongBuckets"),
        (("cursor", "nonsense"), 3, "CursorInvalid"),
        (("init", "--log", target, "--buckets", "0"), 3, "WrongBuckets"),
    ):
        done = file_shop(*arguments)
        assert (done.code, done.err.partition(":")[0]) == (code, error)
    assert not (tmp_path / "target.db").exists()
    assert not (tmp_path / "target.key").exists()
