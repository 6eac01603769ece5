"""A secret of 32 bytes in a file of its own, which only its owner may read."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from adapters.configuration import variable
from domain.errors import LifecircleError

KEY_BYTES = 32


@dataclass(frozen=True)
class KeyFile:
    """What a key file is for, in the words of the errors about it.

    Args:
        name: as people call the key, such as `id key`.
        error: what is raised where the file cannot be used.
        danger: what happens when others have the key.
        loss: what happens when it is lost or overwritten.
        setting: the setting that names another place.
    """

    name: str
    error: type[LifecircleError]
    danger: str
    loss: str
    setting: str

    @property
    def place(self) -> str:
        """The environment variable that names another place."""
        return variable(self.setting)

    def make(self, path: Path) -> bytes:
        """Make a new key, readable by its owner alone; an older file is never overwritten.

        Raises:
            LifecircleError: of the sort that belongs to this key; a file stands there, or the place cannot be written.
        """
        try:
            # The file is never, not even for a moment, open to others.
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise self.error(
                f"there is a file already where the {self.name} is to be",
                where=str(path),
                rule=f"a key is never overwritten: {self.loss}",
                way_out=f"use another name for the log, move the key away, or name another place in {self.place}",
            ) from None
        except OSError as error:
            raise self.error(
                f"the {self.name} cannot be written",
                where=str(path),
                rule=error.strerror or type(error).__name__,
                way_out=f"make the folder writable, or name another place in {self.place}",
            ) from None
        key = secrets.token_bytes(KEY_BYTES)
        with os.fdopen(handle, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(handle)
        return key

    def read(self, path: Path) -> bytes:
        """Read the key.

        Raises:
            LifecircleError: of the sort that belongs to this key; it is missing, damaged, or others may read it.
        """
        try:
            mode = path.stat().st_mode
            text = path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise self.error(
                f"the {self.name} cannot be read",
                where=str(path),
                rule=error.strerror if isinstance(error, OSError) and error.strerror else "no key file",
                way_out=f"put the key that `lifecircle init` made back there, or name its place in {self.place}",
            ) from None
        if mode & 0o077:
            raise self.error(
                f"others may read the {self.name}",
                where=str(path),
                rule=f"only its owner may: {self.danger}",
                way_out=f"chmod 600 {path}",
            )
        return self.parse(text, str(path))

    def parse(self, text: str, where: str) -> bytes:
        """Read the key from a text: 32 bytes in hexadecimal.

        Raises:
            LifecircleError: of the sort that belongs to this key; it is something else.
        """
        try:
            key = bytes.fromhex(text.strip())
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise self.error(
                f"this is no {self.name}",
                where=where,
                rule=f"it holds {KEY_BYTES} bytes in hexadecimal",
                way_out="put the key that `lifecircle init` made back to this place",
            )
        return key
