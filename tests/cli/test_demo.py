"""The demo: a story that tells itself, and a log to go on with."""

from pathlib import Path

import pytest

from tests.cli.program import Done, Shell


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    home = tmp_path_factory.mktemp("demo") / "deep" / "within"
    return home, Shell("").run("demo", "--dir", str(home))


def test_it_tells_all_chapters(told: tuple[Path, Done]) -> None:
    home, done = told
    assert done.code == 0, done
    assert "Traceback" not in done.err
    for chapter in range(1, 10):
        assert f"\n{chapter}. " in done.out
    assert "InvalidTouchpoint" in done.out or "Refused" in done.out
    assert (home / "funnel.png").read_bytes().startswith(b"\x89PNG")


def test_the_log_that_it_leaves_can_be_used(told: tuple[Path, Done]) -> None:
    home, _ = told
    shell = Shell(f"sqlite:///{home}/brightwater.db")
    history = shell("history", "customer-anna", "--format", "json").json
    assert len(history) > 5
    assert shell("view", "loyalty", "--subject", "customer-anna", "--format", "json").json
    assert {view["lag"] for view in shell("status", "--format", "json").json["views"]} == {0}


def test_a_second_one_in_the_same_folder_begins_afresh(told: tuple[Path, Done]) -> None:
    home, _ = told
    heads = Shell(f"sqlite:///{home}/brightwater.db").head()
    again = Shell("").run("demo", "--dir", str(home))
    assert again.code == 0, again
    assert Shell(f"sqlite:///{home}/brightwater.db").head() == heads


def test_other_content_is_left_alone(told: tuple[Path, Done], tmp_path: Path) -> None:
    home, _ = told
    mine = home / "thesis.txt"
    mine.write_text("years of work")
    try:
        done = Shell("")("demo", "--dir", str(home))
        assert (done.code, mine.read_text()) == (2, "years of work")
        assert "something else" in done.err
        assert (home / "brightwater.db").exists()
    finally:
        mine.unlink()
    (tmp_path / "folder" / "brightwater.photos").mkdir(parents=True)
    assert Shell("")("demo", "--dir", str(tmp_path / "folder")).code == 2
    assert (tmp_path / "folder" / "brightwater.photos").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/within", "/dev/null/within"):
        done = Shell("")("demo", "--dir", str(tmp_path / place))
        assert done.code in (1, 2), done
        assert done.err
        assert "Traceback" not in done.err
