"""How the program is run on this machine: one definition of every setting, read from a file, the environment and flags.

What is said nearer wins: a flag over the environment, that over the file, that over the default. `log` is `log` in the
file and LIFECIRCLE_LOG in the environment. Limits stand in `adapters.settings`, rules of the company in the log.
"""

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

from domain.errors import LifecircleError

CONFIG = "LIFECIRCLE_CONFIG"
"""The environment variable that names the file, for this process and those that it starts; `--config` sets it."""

_LINE = re.compile(r"at line (\d+)")
_PASSWORD = re.compile(
    r"(?<=://)([^:/@]*):.*(?=@)"  # of a URL
    r"|(?<=[?&])(?:ssl)?password=[^&]*&?"  # of its query
    r"|(?<!\S)(?:ssl)?password\s*=\s*(?:'(?:\\.|[^'\\])*'?|\S*)"  # of libpq's other form, which is no address of ours
)


class ConfigurationUnusable(LifecircleError):
    """What is said of how the program is to be run cannot be read, is no setting, or can be read by others."""

    exit_code = 2


class Sort(NamedTuple):
    """What a setting may be: in words, and how a value of the file or a text of the environment is read.

    read: raises ValueError where it cannot be so.
    """

    told: str
    read: Callable[[Any], Any]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    return value


def _path(value: Any) -> Path:
    return Path(_text(value))


def _number(low: int, high: int) -> Sort:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, str)) or not low <= int(value) <= high:
            raise ValueError
        return int(value)

    return Sort(f"a number from {low} to {high:,}", read)


TEXT, PATH, ADDRESS = Sort("a text", _text), Sort("a path", _path), Sort("an address", _text)
PORT, WORKERS = _number(0, 65_535), _number(1, 1_024)


class Told(NamedTuple):
    """What the definition of a setting says besides its type and default; `flag` is empty where it has none."""

    sort: Sort
    meaning: str
    flag: str = ""
    secret: bool = False


def _secret(meaning: str) -> Told:
    return Told(TEXT, meaning, secret=True)


@dataclass(frozen=True)
class Configuration:
    """Every setting with its default and meaning. Relative paths begin where the program was started."""

    log: Annotated[str | None, Told(ADDRESS, "The log: sqlite:///file.db or postgresql://…", "--log")] = None
    seal: Annotated[Path | None, Told(PATH, "The seal's folder; by default NAME.seal beside the log.", "--seal")] = None
    mirror: Annotated[Path | None, Told(PATH, "The folder of a mirror (lifecircle mirror).", "--mirror")] = None
    id_key: Annotated[Path | None, Told(PATH, "The id key; by default NAME.key beside the log.")] = None
    keys: Annotated[str | None, Told(ADDRESS, "The key store; by default NAME.keys.db beside the log.")] = None
    kek_file: Annotated[Path | None, Told(PATH, "The file of the key-encryption key; by default NAME.kek.")] = None
    kek: Annotated[str | None, _secret("The key-encryption key itself in hexadecimal, or MODULE:NAME that has it.")] = (
        None
    )
    kek_next: Annotated[str | None, _secret("The next key-encryption key, while it is rotated.")] = None
    api_keys: Annotated[Path | None, Told(PATH, "The file of API keys; by default NAME.apikeys beside the log.")] = None
    webhook_secrets: Annotated[Path | None, Told(PATH, "The folder of webhooks' secrets; by default the log's.")] = None
    nats_user: Annotated[str | None, Told(TEXT, "As whom a NATS server is called.")] = None
    nats_password: Annotated[str | None, _secret("The password of that user.")] = None
    # Not plain `host` and `port`: Kubernetes sets LIFECIRCLE_PORT itself where a service is called lifecircle.
    serve_host: Annotated[str, Told(TEXT, "The address to listen at.", "--host")] = "127.0.0.1"
    serve_port: Annotated[int, Told(PORT, "The port to listen at.", "--port")] = 8080
    serve_workers: Annotated[int, Told(WORKERS, "How many processes serve it.", "--workers")] = 1
    tenants: Annotated[
        Path | None,
        Told(PATH, "The TOML file of several companies, whose logs are served instead of one.", "--tenants"),
    ] = None
    oidc: Annotated[
        Path | None, Told(PATH, "The TOML file of the identity provider whose tokens are taken.", "--oidc")
    ] = None


class Setting(NamedTuple):
    """One setting, as its definition has it."""

    name: str
    default: Any
    told: Told

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return variable(self.name)


class Said(NamedTuple):
    """The value of a setting, and where it was said: a file's line, a variable, or `default`."""

    value: Any
    where: str


def _settings() -> dict[str, Setting]:
    told = get_type_hints(Configuration, include_extras=True)
    defaults = {each.name: each.default for each in fields(Configuration)}
    return {name: Setting(name, default, told[name].__metadata__[0]) for name, default in defaults.items()}


SETTINGS = _settings()
"""Every setting by its name."""


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"LIFECIRCLE_{name.upper()}"


def configured() -> Configuration:
    """How the program is to be run, by what the file and the environment say now; flags are each command's own.

    Raises:
        ConfigurationUnusable: something that they say cannot be used.
    """
    return Configuration(**{name: each.value for name, each in said().items()})


def said() -> dict[str, Said]:
    """Every setting's value by its name, with where it was said.

    Raises:
        ConfigurationUnusable: something that is said there cannot be used.
    """
    place = os.environ.get(CONFIG)
    found = {name: Said(each.default, "default") for name, each in SETTINGS.items()}
    found |= _of_file(Path(place)) if place else {}
    for name, setting in SETTINGS.items():
        if text := os.environ.get(setting.variable):
            found[name] = Said(_read(setting, text, setting.variable), setting.variable)
    return found


def shown(setting: Setting, value: Any) -> str:
    """A value as people may see it: of a secret only whether there is one, of an address no password."""
    if value is None:
        return ""
    return "(secret)" if setting.told.secret else without_password(str(value))


def without_password(address: str) -> str:
    """An address as people may see it."""
    return _PASSWORD.sub(r"\1", address)


def strangers() -> list[str]:
    """Names in the environment that begin as ours do and are none."""
    ours = {CONFIG, *(setting.variable for setting in SETTINGS.values())}
    return sorted(name for name in os.environ if name.startswith("LIFECIRCLE_") and name not in ours)


@lru_cache(maxsize=1)
def _of_file(path: Path) -> dict[str, Said]:
    """What the file says; read once, for as long as the program runs."""
    try:
        mode, text = path.stat().st_mode, path.read_text("utf-8")
        told = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationUnusable(
            "the configuration cannot be read",
            where=str(path),
            rule=error.strerror or type(error).__name__,
            way_out=f"correct --config or {CONFIG}, or give this account the right to read the file",
        ) from None
    except ValueError as error:
        line = _LINE.search(str(error))
        raise ConfigurationUnusable(
            "the configuration is no TOML",
            where=f"{path}, line {line[1]}" if line else str(path),
            rule=str(error),
            way_out='each line is NAME = VALUE, texts in quotes: log = "sqlite:///shop.db"',
        ) from None
    found = {}
    for name, value in told.items():
        where = f"{path}, line {_line(text, name)}"
        if name not in SETTINGS:
            raise ConfigurationUnusable(
                f"there is no setting {name}",
                where=where,
                rule="a setting is one of " + ", ".join(SETTINGS),
                way_out="correct the name; what each means is shown by: lifecircle config",
            )
        setting = SETTINGS[name]
        found[name] = Said(_read(setting, value, f"{where}, {name}"), where)
        if mode & 0o077 and (setting.told.secret or without_password(str(value)) != str(value)):
            raise ConfigurationUnusable(
                "others may read a configuration that holds a secret",
                where=where,
                rule=f"only its owner may read {name}",
                way_out=f"chmod 600 {path}, or give it in {setting.variable}",
            )
    return found


def _read(setting: Setting, value: Any, where: str) -> Any:
    try:
        return setting.told.sort.read(value)
    except ValueError:
        raise ConfigurationUnusable(
            f"{setting.name} cannot be this",
            where=where,
            rule=f"it is {setting.told.sort.told}",
            way_out="correct it; what each setting means is shown by: lifecircle config",
        ) from None


def _line(text: str, name: str) -> int:
    """Where a name stands first at the beginning of a line; tables and quoted names too."""
    begins = re.compile(rf"""\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if begins.match(line)), 1)
