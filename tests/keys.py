"""Where the keys of logs lie that tests and benchmarks make: away from the folder in which they run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch


@contextmanager
def keys_in(folder: Path) -> Iterator[None]:
    """Keep the keys of all logs that are made in the block, and in processes that it starts, in one folder."""
    places = {
        "LIFECIRCLE_KEYS": f"sqlite:///{folder}/shared.keys.db",
        "LIFECIRCLE_KEK_FILE": f"{folder}/shared.kek",
    }
    with patch.dict(os.environ, places):
        yield
