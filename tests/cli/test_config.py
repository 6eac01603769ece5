"""How the program is run: said by a file, the environment or flags, the nearest of which wins, and shown."""

import socket
from pathlib import Path

import pytest

from adapters.configuration import SETTINGS, without_password
from tests.cli.program import Done, Shell

SHELL = Shell("")


def _config(text: str, folder: Path, mode: int = 0o600, **env: str) -> Done:
    file = folder / "shop.toml"
    file.write_text(text)
    file.chmod(mode)
    return SHELL.fork("--config", str(file), "config", "--format", "json", env=env)


def _told(done: Done) -> dict[str, tuple[str, str]]:
    assert done.code == 0, done.err
    return {row["setting"]: (row["value"], row["said by"]) for row in done.json}


def test_the_environment_wins_over_the_file_and_a_flag_over_both(tmp_path: Path) -> None:
    text = 'log = "sqlite:///of-file.db"\nserve_port = 1\n\n# more\nserve_workers = 3\n'

    told = _told(_config(text, tmp_path, LIFECIRCLE_SERVE_PORT="2", LIFECIRCLE_CONFIG="/nowhere"))

    file = f"{tmp_path}/shop.toml"
    assert told["log"] == ("sqlite:///of-file.db", f"{file}, line 1")
    assert told["serve_port"] == ("2", "LIFECIRCLE_SERVE_PORT")
    assert told["serve_workers"] == ("3", f"{file}, line 5")
    assert told["serve_host"] == ("127.0.0.1", "default")
    flagged = SHELL.fork("--config", file, "--log", "sqlite:///flag.db", "config", "--format", "json")
    assert _told(flagged)["log"] == ("sqlite:///flag.db", "--log")


def test_commands_do_as_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(
        f'log = "sqlite:///{tmp_path}/a.db"\nid_key = "{tmp_path}/ids"\nkeys = "sqlite:///{tmp_path}/safe.db"\n'
        f'kek_file = "{tmp_path}/apart"\napi_keys = "{tmp_path}/callers"\nserve_port = 1\n'
    )
    env = {"LIFECIRCLE_CONFIG": str(file), "LIFECIRCLE_KEYS": "", "LIFECIRCLE_KEK_FILE": ""}

    assert SHELL.fork("init", env=env).code == 0
    assert SHELL.fork("apikey", "make", "till", "--role", "appender", env=env).code == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"a.db", "ids", "safe.db", "apart", "callers"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # The port that the flag names is the one that is tried, not that of the file.
        served = SHELL.fork("serve", "--port", str(port := taken.getsockname()[1]), env=env)
    assert served.code != 0
    assert str(port) in served.err


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ('log = "sqlite:///a.db"\nport = 80\n', "line 2", "there is no setting port"),
        ("\n[serve]\nport = 80\n", "line 2", "there is no setting serve"),
        ('serve_port = "http"\n', "line 1, serve_port", "serve_port cannot be this"),
        ("serve_port = 65536\n", "line 1, serve_port", "serve_port cannot be this"),
        ("serve_workers = true\n", "line 1, serve_workers", "serve_workers cannot be this"),
        ("# places\nseal = 7\n", "line 2, seal", "seal cannot be this"),
        ("log = sqlite:///a.db\n", "line 1", "the configuration is no TOML"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str, where: str, said: str) -> None:
    refused = _config(text, tmp_path)

    assert refused.code == 2
    assert refused.error["error"] == "ConfigurationUnusable"
    assert refused.error["what"] == said
    assert refused.error["where"] == f"{tmp_path}/shop.toml, {where}"


def test_a_file_that_is_not_there_and_a_variable_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    missing = SHELL.fork("--config", f"{tmp_path}/none.toml", "config", "--format", "json")
    wrong = SHELL.fork("config", "--format", "json", env={"LIFECIRCLE_SERVE_PORT": "tcp://10.0.0.1:80"})

    assert (missing.code, missing.error["where"]) == (2, f"{tmp_path}/none.toml")
    assert (wrong.code, wrong.error["where"]) == (2, "LIFECIRCLE_SERVE_PORT")


@pytest.mark.parametrize(
    "text", ['kek = "acme.s3cret:KEY"', 'log = "postgresql://shop:s3cret@db/crm"', 'nats_password = "s3cret"']
)
def test_a_secret_that_others_may_read_is_refused_and_none_is_ever_shown(tmp_path: Path, text: str) -> None:
    refused = _config(text, tmp_path, mode=0o640)
    taken = _config(text, tmp_path)

    assert (refused.code, refused.error["what"]) == (2, "others may read a configuration that holds a secret")
    assert taken.code == 0
    assert "s3cret" not in refused.err + taken.out + taken.err


def test_a_name_in_the_environment_that_is_no_setting_is_told() -> None:
    done = SHELL.fork("config", env={"LIFECIRCLE_LGO": "sqlite:///a.db"})

    assert "LIFECIRCLE_LGO is set, and is no setting" in done.err


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("postgresql://u:p@ss@h:5432/db", "postgresql://u@h:5432/db"),
        ("postgresql:///db?host=/run&password=p&port=1", "postgresql:///db?host=/run&port=1"),
        ("postgresql:///db?sslkey=k&sslpassword=p", "postgresql:///db?sslkey=k&"),
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("host=h password=p dbname=db", "host=h  dbname=db"),
        (r"password = 'p \' q' dbname=db", " dbname=db"),
        ("sqlite:////a:b@c.db", "sqlite:////a:b@c.db"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str, seen: str) -> None:
    assert without_password(address) == seen


def test_every_setting_has_a_variable_of_its_own_name() -> None:
    assert {name: each.variable for name, each in SETTINGS.items()} == {
        name: "LIFECIRCLE_" + name.upper() for name in SETTINGS
    }
