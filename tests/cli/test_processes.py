"""Commands as processes: signals, a second projector, a reader that goes away, an output that takes nothing."""

import json
import os
import signal
import subprocess
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.cli.program import PROGRAM, Shell, event, orders

PATIENCE_S = 60


def _until_shown(shell: Shell, touchpoints: int) -> None:
    """Wait until the views show so many touchpoints."""
    until = monotonic() + PATIENCE_S
    while True:
        told = shell("status", "--format", "json").json
        if told["touchpoints"] == touchpoints and all(
            (view["state"], view["lag"]) == ("live", 0) for view in told["views"]
        ):
            return
        assert monotonic() < until, told
        sleep(0.05)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_run_follows_until_it_is_told_to_stop(shop: Shell, stop: signal.Signals) -> None:
    shop("record", "--json", "-", stdin=orders(["a", "b"]))
    with shop.start("run") as running:
        _until_shown(shop, 2)
        shop("record", "--json", "-", stdin=orders(["c"]))
        _until_shown(shop, 3)
        running.send_signal(stop)
        out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0
    assert "Traceback" not in err
    assert sum(int(line.split()[0]) for line in out.splitlines()) == 3
    assert len(shop("view", "loyalty", "--format", "json").json) == 3


def test_a_run_that_was_killed_goes_on_and_shows_everything_once(shop: Shell) -> None:
    for round_ in range(3):
        with shop.start("run") as running:
            shop("record", "--json", "-", stdin=orders([f"{round_}-{n}" for n in range(20)]))
            if round_ == 1:
                _until_shown(shop, 40)
            running.kill()
    assert shop("run", "--once").code == 0
    _until_shown(shop, 60)
    rows = shop("view", "purchases", "--format", "json").json
    assert len(rows) == 60
    assert {row["orders"] for row in rows} == {1}


def test_a_second_run_is_refused(shop: Shell) -> None:
    shop("record", "--json", json.dumps(event()))
    with shop.start("run") as running:
        _until_shown(shop, 1)
        for typed in (("run",), ("run", "--once")):
            done = shop.fork(*typed)
            assert (done.code, done.out.strip()) == (9, "")
            assert "ProjectorFenced: " in done.err
            assert "Traceback" not in done.err
        assert shop("rebuild").code == 0, "a rebuild is no second projector"
        running.terminate()
        running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0
    assert shop("run", "--once").code == 0


def test_follow_sees_what_another_process_records(shop: Shell) -> None:
    with shop.start("follow", "--tail") as following:
        assert following.stdout
        line = ""
        for _ in range(600):  # it may begin after some of these, but not after all
            shop("record", "--json", "-", stdin=orders([f"c{monotonic()}"]))
            os.set_blocking(following.stdout.fileno(), False)
            if line := following.stdout.readline():
                break
            sleep(0.05)
        assert json.loads(line)["type"] == "OrderPlaced"
        following.send_signal(signal.SIGINT)
        _, err = following.communicate(timeout=PATIENCE_S)
    assert following.returncode == 130
    assert "Traceback" not in err


def test_a_reader_that_goes_away(file_shop: Shell) -> None:
    # More than a pipe holds, or all is written before the reader has gone.
    file_shop("record", "--json", "-", stdin=orders([f"c{n}" for n in range(400)]))
    for words in (["follow"], ["follow", "--until-head"], ["kinds", "--format", "csv"]):
        with subprocess.Popen(
            [*PROGRAM, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=file_shop.environment(),
        ) as typed:
            assert typed.stdout
            assert typed.stderr
            typed.stdout.read(10)
            typed.stdout.close()
            err = typed.stderr.read().decode()
            assert (typed.wait(PATIENCE_S), err) == (0, ""), words


def test_an_output_that_takes_nothing(file_shop: Shell) -> None:
    for words in (["kinds"], ["kinds", "--format", "csv"], ["status", "--format", "json"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, env=file_shop.environment(), check=False
            )
        told = done.stderr.decode()
        assert done.returncode == 1
        assert "SystemRefused" in told
        assert "Traceback" not in told
        assert "Exception ignored" not in told


def test_who_recorded_is_not_taken_from_the_environment(file_shop: Shell) -> None:
    chief = {"LOGNAME": "the-chief", "USER": "the-chief", "LNAME": "the-chief", "USERNAME": "the-chief"}
    assert file_shop.run("record", "--json", json.dumps(event()), env=chief).code == 0
    recorded = file_shop("follow", "--until-head").out
    assert '"recordedby":"cli:' in recorded
    assert "the-chief" not in recorded


def test_logs_of_the_run_go_to_standard_error(file_shop: Shell) -> None:
    with file_shop.start("run") as running:
        _until_shown(file_shop, 0)
        running.terminate()
        out, err = running.communicate(timeout=PATIENCE_S)
    assert out == ""
    assert "following the log" in err
