"""Where the processes of one service count, so that each can tell the sums; and which of them speaks for all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time_ns
from uuid import uuid4

COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder.

It is the counting library's own, which looks for it when it is imported: it is set before.
"""

_SERVICE = "service"
"""The file in the folder that stands for all of them: it holds their common id and is as old as what they count."""

_OF_ONE = str(uuid4())
"""The id of a service that is this process."""


@contextmanager
def counting_together(workers: int) -> Iterator[None]:
    """Let several processes count in files of one folder; one counts by itself."""
    os.environ.pop(COUNTS, None)  # another program's
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="lifecircle-counts-") as folder:
        (Path(folder) / _SERVICE).write_text(str(uuid4()))
        os.environ[COUNTS] = folder
        yield


def counting_since_ns() -> int:
    """Since when what is counted from now on adds up, in nanoseconds since 1970 UTC."""
    folder = os.environ.get(COUNTS)
    return (Path(folder) / _SERVICE).stat().st_mtime_ns if folder else time_ns()


def service_id() -> str:
    """The id of the service: the same in each of its processes, and another one after it was started anew."""
    folder = os.environ.get(COUNTS)
    return (Path(folder) / _SERVICE).read_text() if folder else _OF_ONE


class Leadership:
    """Which one of the processes of a service speaks for all of them: one that ends, however that be, makes room."""

    def __init__(self) -> None:
        folder = os.environ.get(COUNTS)
        self._file = (Path(folder) / _SERVICE).open() if folder else None

    def ours(self) -> bool:
        """Whether it is this process; once it is, that stays so until `close`."""
        if self._file:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def close(self) -> None:
        """Leave it to another."""
        if self._file:
            self._file.close()
