"""Where the processes of one service count, so that each of them can tell the sums."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder.

It is the counting library's own, which looks for it when it is imported: it is set before.
"""


@contextmanager
def counting_together(workers: int) -> Iterator[None]:
    """Let several processes count in files of one folder; one counts by itself."""
    os.environ.pop(COUNTS, None)  # another program's
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="lifecircle-counts-") as folder:
        os.environ[COUNTS] = folder
        yield
