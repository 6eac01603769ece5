"""Write every figure of the real histories: `python -m tests.reference DATA [--log postgresql://…]`."""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.keys import keys_in
from tests.reference.figures import HISTORIES, figures_of

WRITTEN = Path("build/reference.json")


@contextmanager
def _new_database(server: str | None) -> Iterator[str]:
    """The address of an empty database: a SQLite file, or a database of its own on the server named."""
    if server is None:
        with TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/log.db"
        return
    name = f"reference_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def main() -> None:
    """Import every set, and write the figures as `expected.json` names them."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds the real histories")
    parser.add_argument("--log", metavar="URL", help="a PostgreSQL server to make the logs on; SQLite when not given")
    arguments = parser.parse_args()
    found: dict[str, float] = {}
    for history in HISTORIES:
        began = time.monotonic()
        with TemporaryDirectory() as keys, keys_in(Path(keys)), _new_database(arguments.log) as url:
            found |= figures_of(history, arguments.data, url)
        print(f"{history.name}: {time.monotonic() - began:.1f} s")
    WRITTEN.parent.mkdir(exist_ok=True)
    WRITTEN.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{len(found)} figures in {WRITTEN}")


if __name__ == "__main__":
    main()
