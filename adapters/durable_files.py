"""Files that are there whole or not at all, whenever the program is killed."""

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from domain.errors import LifecircleError, SealerFenced

_SYNCS_AT_ONCE = 8


@contextmanager
def leading(folder: Path, busy: LifecircleError | None = None) -> Iterator[None]:
    """Be the only process that writes a folder, until the end of the block or of the process.

    Raises:
        SealerFenced: another process leads; or what is given as `busy`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy or SealerFenced(
                "another process leads here",
                where=str(folder),
                rule="one process at a time signs a log",
                way_out="leave it to that one, or stop it first",
            ) from None
        yield
    finally:
        os.close(lock)


def write_whole(path: Path, content: bytes, *, mode: int = 0o644, sync: bool = True) -> None:
    """Put a file in its place at one moment, over an older one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            if sync:
                os.fsync(handle)
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if sync:
        to_disk(path.parent)


def sync_all(paths: Iterable[Path]) -> None:
    """Bring files to the disk, and the folders that name them; several at once, for a disk does them together."""
    files = list(paths)
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
        list(pool.map(to_disk, files))
        list(pool.map(to_disk, {path.parent for path in files}))


def to_disk(path: Path) -> None:
    """Bring a file, or what a folder names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
