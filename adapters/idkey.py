"""The log's id key: from it importers derive ids for people whom a file names by e-mail address or phone number.

The key lies beside the log, not in it: who has only the log cannot find out by trying whose id it is.
"""

import hmac
import os
import re
import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

from adapters.addresses import read_sqlite_url
from domain.errors import LifecircleError

PLACE = "LIFECIRCLE_KEY"
"""The environment variable that says where the key file is, if not at its usual place."""

KEY_BYTES = 32

_PHONE = re.compile(r"\+?[\d\s().\-/]+")
_NO_DIGIT = re.compile(r"[^\d+]")


class IdKeyUnusable(LifecircleError):
    """The log's id key is missing, damaged, or readable by others."""

    exit_code = 8


def id_key_path(url: str) -> Path:
    """Where the id key of the log at this address lies.

    `shop.db` has `shop.key` beside it; a PostgreSQL database `shop` has `./shop.lifecircle.key`, unless LIFECIRCLE_KEY
    names another place.
    """
    if place := os.environ.get(PLACE):
        return Path(place)
    if url.startswith("sqlite:"):
        return read_sqlite_url(url).path.with_suffix(".key")
    database = unquote(urlsplit(url).path.strip("/")) or "postgres"
    return Path(f"{database.replace('/', '_')}.lifecircle.key")


def make_id_key(url: str) -> Path:
    """Make the id key of a new log, readable by its owner alone; answer where it lies.

    Raises:
        IdKeyUnusable: a key stands there already, or the place cannot be written.
    """
    path = id_key_path(url)
    try:
        # The file is never, not even for a moment, open to others; and an older key is never overwritten.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise IdKeyUnusable(
            "there is an id key already",
            where=str(path),
            rule="a key is never overwritten: the ids that were derived with it could not be derived again",
            way_out=f"use another name for the log, move the key away, or name another place in {PLACE}",
        ) from None
    except OSError as error:
        raise IdKeyUnusable(
            "the id key cannot be written",
            where=str(path),
            rule=error.strerror or type(error).__name__,
            way_out=f"make the folder writable, or name another place in {PLACE}",
        ) from None
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
    return path


def read_id_key(url: str) -> bytes:
    """Read the id key of the log at this address.

    Raises:
        IdKeyUnusable: it is missing, damaged, or others may read it.
    """
    path = id_key_path(url)
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no key file"
        raise IdKeyUnusable(
            "the log's id key cannot be read",
            where=str(path),
            rule=reason,
            way_out=f"put the key that `lifecircle init` made back to this place, or name its place in {PLACE}",
        ) from None
    if mode & 0o077:
        raise IdKeyUnusable(
            "others may read the log's id key",
            where=str(path),
            rule="only its owner may: with the key anyone can test whose id it is",
            way_out=f"chmod 600 {path}",
        )
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise IdKeyUnusable(
            "this is no id key",
            where=str(path),
            rule=f"it holds {KEY_BYTES} bytes in hexadecimal",
            way_out="put the key that `lifecircle init` made back to this place",
        )
    return key


def keyed_id(key: bytes, value: str) -> str:
    """Derive the id of who is named by an e-mail address or a phone number.

    Spellings that reach the same mailbox or telephone give the same id: case and outer blanks do not count, nor do the
    blanks, dots, dashes, slashes and brackets within a phone number.
    """
    plain = value.strip().lower()
    if _PHONE.fullmatch(plain):
        plain = _NO_DIGIT.sub("", plain)
    return hmac.digest(key, plain.encode(), "sha256").hex()
