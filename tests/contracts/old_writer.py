"""A program of the version before: it appends one touchpoint after the other, by the statements of then.

It knows no step of the schema, and tells the number of each append; it ends when nobody listens to it any more.
"""

import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing

import psycopg

SQLITE = """
    INSERT INTO touchpoints
        (bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state, content_hmac)
    SELECT 1, coalesce(max(number), 0) + 1, 'old', coalesce(max(number), 0) + 1, 'ContactMade', ?1, 'shop', 1,
        coalesce(max(recorded), 0) + 1, 'old', ?2, NULL
    FROM touchpoints
"""
POSTGRES = """
    SELECT verdict FROM lifecircle.append_v1('{0}', '{1}', '{old}', NULL, '{ContactMade}', ARRAY[%s], '{shop}', '{1}',
        '{old}', ARRAY[%s::bytea], '{}', '{}', '{}', '{}', '{}')
"""
STATE = b'{"id":"%s","source":"shop","type":"ContactMade","subject":"old","data":{"mode":"call"}}'


def main(url: str) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30, isolation_level=None)) as file:

            def append(number: int) -> None:
                file.execute("BEGIN IMMEDIATE")
                file.execute(SQLITE, (f"o{number}", STATE % f"o{number}".encode()))
                file.execute("COMMIT")

            _append_on(append)
    else:
        with psycopg.connect(url, autocommit=True) as server:

            def append(number: int) -> None:
                rows = server.execute(POSTGRES.encode(), (f"o{number}", STATE % f"o{number}".encode())).fetchall()
                assert rows == [("stored",)], rows

            _append_on(append)


def _append_on(append: Callable[[int], None]) -> None:
    number = 0
    while True:
        number += 1
        append(number)
        try:
            os.write(1, b"%d\n" % number)  # a buffer would be written once more at the end, when nobody listens
        except BrokenPipeError:
            return
        time.sleep(0.01)  # for SQLite lets others in only when it finds the log free


if __name__ == "__main__":
    main(sys.argv[1])
