"""The log's id key: from it importers derive ids for people whom a file names by e-mail address or phone number.

The key lies beside the log, not in it: who has only the log cannot find out by trying whose id it is.
"""

import hmac
import re
from pathlib import Path

from adapters.addresses import path_beside
from adapters.configuration import configured
from adapters.keyfile import KeyFile
from domain.errors import LifecircleError

_PHONE = re.compile(r"\+?[\d\s().\-/]+")
_NO_DIGIT = re.compile(r"[^\d+]")


class IdKeyUnusable(LifecircleError):
    """The log's id key is missing, damaged, or readable by others."""

    exit_code = 8


ID_KEY = KeyFile(
    name="id key",
    error=IdKeyUnusable,
    danger="with the key anyone can test whose id it is",
    loss="the ids that were derived with it could not be derived again",
    setting="id_key",
)


def id_key_path(url: str) -> Path:
    """Where the id key of the log at this address lies, unless LIFECIRCLE_ID_KEY names another place."""
    return configured().id_key or path_beside(url, ".key")


def make_id_key(url: str) -> Path:
    """Make the id key of a new log, readable by its owner alone; answer where it lies.

    Raises:
        IdKeyUnusable: a key stands there already, or the place cannot be written.
    """
    path = id_key_path(url)
    ID_KEY.make(path)
    return path


def read_id_key(url: str) -> bytes:
    """Read the id key of the log at this address.

    Raises:
        IdKeyUnusable: it is missing, damaged, or others may read it.
    """
    return ID_KEY.read(id_key_path(url))


def keyed_id(key: bytes, value: str) -> str:
    """Derive the id of who is named by an e-mail address or a phone number.

    Spellings that reach the same mailbox or telephone give the same id.
    """
    return hmac.digest(key, plain_identifier(value).encode(), "sha256").hex()


def plain_identifier(value: str) -> str:
    """An identifier in the one spelling that all have which reach the same mailbox or telephone.

    Case and outer blanks do not count, nor do the blanks, dots, dashes, slashes and brackets within a phone number.
    """
    plain = value.strip().lower()
    return _NO_DIGIT.sub("", plain) if _PHONE.fullmatch(plain) else plain
