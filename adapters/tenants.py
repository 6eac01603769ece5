"""Which companies one server has, and that nothing of one is another's: the file that says so."""

import tomllib
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from adapters.addresses import read_sqlite_url
from adapters.apikeys import api_keys_path
from adapters.audit.seal import seal_path
from adapters.idkey import id_key_path
from adapters.privacy.kek import kek_path
from adapters.privacy.keystore import keystore_url
from domain.errors import LifecircleError, LogNotFound
from domain.shortcuts import where_and_rule

_WAY_OUT = "see docs/how-to/tenants.md"


class TenantsUnusable(LifecircleError):
    """The file of tenants cannot be read, or two of them would share what must be one's own."""

    exit_code = 8


class _Tenant(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    log: Annotated[str, Field(pattern="^(sqlite|postgres|postgresql)://")]


_FILE = TypeAdapter(dict[Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")], _Tenant])


def read_tenants(path: Path) -> dict[str, str]:
    """The tenants that a file names, each with the address of its log.

    Raises:
        TenantsUnusable: the file cannot be read, or two of them would share a log, its seal, or keys.
    """
    try:
        found = _FILE.validate_python(tomllib.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise TenantsUnusable(
            "this file names no tenants",
            where=str(path),
            rule=where_and_rule(error)[1]
            if isinstance(error, ValidationError)
            else "it is TOML: [NAME] of small letters, digits and hyphens, and below it log = the address",
            way_out=_WAY_OUT,
        ) from None
    urls = {name: tenant.log for name, tenant in found.items()}
    _check_apart(urls, path)
    return urls


def _check_apart(urls: Mapping[str, str], path: Path) -> None:
    try:
        places = {name: dict(_places(url)) for name, url in urls.items()}
    except LogNotFound as error:
        raise TenantsUnusable(error.what, where=f"{path}, {error.where}", rule=error.rule, way_out=_WAY_OUT) from None
    for (one, its), (other, others) in combinations(places.items(), 2):
        if shared := its.keys() & others.keys():
            what = min(its[place] for place in shared)
            raise TenantsUnusable(
                f"two tenants would share {what}",
                where=f"{path}, [{one}] and [{other}]",
                rule="the log of each, its seal and its keys are no other's",
                way_out="name a file in another folder, or a database of another name; and leave out the settings that "
                "name one place for all, such as api_keys",
            )


def _places(url: str) -> Iterator[tuple[str, str]]:
    """Where all that belongs to a log is, with what it is called."""
    log = str(read_sqlite_url(url).path.resolve()) if url.startswith("sqlite:") else url
    yield log, "a log"
    yield str(api_keys_path(url).resolve()), "API keys"
    yield str(seal_path(url, None).resolve()), "a seal"
    yield str(id_key_path(url).resolve()), "an id key"
    yield str(kek_path(url).resolve()), "the key that protects keys"
    keys = keystore_url(url)
    yield str(read_sqlite_url(keys).path.resolve()) if keys.startswith("sqlite:") else keys, "keys of personal data"
