"""The tamper campaign: every bit of every column of a small log, every row and the seal itself, changed and looked for.

As a program it does all of it on both databases and writes build/tamper.json; a test does a share of it.
"""

import json
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.audit.keys import SigningKey
from adapters.durable_files import write_whole
from adapters.engine import Engine
from domain.company import Company
from domain.errors import LifecircleError
from domain.fields import SEALED
from domain.notes import Note, VerifierKey
from tests.audit.conftest import Sealed
from tests.keys import keys_in
from tests.postgres_server import PostgresServer

COLUMNS = (
    "bucket", "number", "stream", "version", "kind", "id", "source", "occurred", "recorded", "recordedby", "state",
    "content_hmac",
)  # fmt: skip
INTEGERS = {"bucket": 32, "number": 64, "version": 64, "occurred": 64, "recorded": 64}
Row = tuple[Any, ...]
Position = tuple[int, int | None]
"""Bucket and number."""


class Database(Protocol):
    """A superuser's way round the log."""

    def rows(self) -> list[Row]: ...
    def put(self, rows: list[Row]) -> bool: ...


def as_stored(column: str, value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def as_text(column: str, value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) and column not in ("state", "content_hmac") else value


class SQLiteDatabase:
    """The file with its triggers and unique indexes gone: whoever may write it can do that."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(
            "DROP TRIGGER touchpoints_never_updated; DROP TRIGGER touchpoints_never_deleted;"
            "DROP TRIGGER touchpoints_never_replaced;"
        )

    def rows(self) -> list[Row]:
        return self._connection.execute(f"SELECT {', '.join(COLUMNS)} FROM touchpoints ORDER BY 1, 2").fetchall()

    def put(self, rows: list[Row]) -> bool:
        """Make the table hold these rows; false where the database cannot hold them."""
        texts = {"stream", "kind", "id", "source", "recordedby"}
        places = ", ".join("CAST(? AS TEXT)" if column in texts else "?" for column in COLUMNS)
        self._connection.execute("BEGIN")
        try:
            self._connection.execute("DELETE FROM touchpoints")
            self._connection.executemany(
                f"INSERT INTO touchpoints ({', '.join(COLUMNS)}) VALUES ({places})",
                [tuple(map(as_stored, COLUMNS, row)) for row in rows],
            )
        except sqlite3.IntegrityError:
            self._connection.execute("ROLLBACK")
            return False
        self._connection.execute("COMMIT")
        return True

    def close(self) -> None:
        self._connection.close()


class PostgresDatabase:
    """The table under a superuser, its trigger disabled and its keys dropped, so that rows can be doubled."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        keys = [f"DROP CONSTRAINT touchpoints_{name}" for name in ("pkey", "version_key", "id_key")]
        for done in ("DISABLE TRIGGER ALL", *keys):
            self._connection.execute(f"ALTER TABLE lifecircle.touchpoints {done}".encode())

    def rows(self) -> list[Row]:
        return self._connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM lifecircle.touchpoints ORDER BY 1, 2"
        ).fetchall()

    def put(self, rows: list[Row]) -> bool:
        """Make the table hold these rows; false where the database cannot hold them."""
        try:
            texts = [tuple(map(as_text, COLUMNS, row)) for row in rows]
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.execute("DELETE FROM lifecircle.touchpoints")
                places = ", ".join(["%s"] * len(COLUMNS))
                insert = f"INSERT INTO lifecircle.touchpoints ({', '.join(COLUMNS)}) VALUES ({places})"
                cursor.executemany(insert.encode(), texts)
        except (psycopg.IntegrityError, psycopg.DataError, UnicodeDecodeError):
            return False
        return True

    def close(self) -> None:
        self._connection.close()


class Found(NamedTuple):
    """How many changes were made, and how many of them were found and placed; what was not, in words."""

    done: int
    found: int
    placed: int
    missed: tuple[str, ...]


def flipped(column: str, value: Any, bit: int) -> Any:
    """A value with one bit changed, as the database stores it."""
    if bits := INTEGERS.get(column):
        return int.from_bytes((value % (1 << bits) ^ 1 << bit).to_bytes(bits // 8), signed=True)
    raw = bytearray(as_stored(column, value))
    raw[bit // 8] ^= 1 << bit % 8
    return bytes(raw)


def flips(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Every bit of every column of every row but of sealed texts, each in a log that is else as it was."""
    for at, row in enumerate(rows):
        for place, column in enumerate(COLUMNS):
            value: Any = row[place]
            bits = INTEGERS.get(column) or (0 if value is None else len(as_stored(column, value)) * 8)
            sealed = sealed_bits(row) if column == "state" else range(0)
            yield from _flipped_in(rows, at, place, [bit for bit in range(bits) if bit not in sealed])
        yield f"content_hmac of row {at + 1} set", [*rows[:at], (*row[:-1], b"\1" * 32), *rows[at + 1 :]]
        yield f"content_hmac of row {at + 1} set to zeros", [*rows[:at], (*row[:-1], bytes(32)), *rows[at + 1 :]]


def sealed_flips(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Every bit of every personal value that is sealed."""
    for at, row in enumerate(rows):
        yield from _flipped_in(rows, at, COLUMNS.index("state"), sealed_bits(row))


def sealed_bits(row: Row) -> range:
    """Which bits of the stored bytes are a sealed text."""
    state: bytes = row[COLUMNS.index("state")]
    begins = state.find(SEALED.encode())
    return range(0) if begins < 0 else range(begins * 8, state.index(b'"', begins) * 8)


def _flipped_in(rows: list[Row], at: int, place: int, bits: Iterable[int]) -> Iterator[tuple[str, list[Row]]]:
    row, column = rows[at], COLUMNS[place]
    for bit in bits:
        changed = (*row[:place], flipped(column, row[place], bit), *row[place + 1 :])
        yield f"{column} of row {at + 1}, bit {bit}", [*rows[:at], changed, *rows[at + 1 :]]


def row_operations(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Rows deleted, doubled, swapped, replaced, the rest renumbered or not; and the tail cut."""
    for at, row in enumerate(rows):
        yield f"row {at + 1} deleted", [*rows[:at], *rows[at + 1 :]]
        yield f"row {at + 1} deleted, the rest moved up", _renumbered([*rows[:at], *rows[at + 1 :]])
        yield f"row {at + 1} doubled in place", [*rows, row]
        yield f"row {at + 1} doubled after it", _renumbered([*rows[: at + 1], row, *rows[at + 1 :]])
        yield (
            f"row {at + 1} doubled before the first number",
            [
                (row[0], 0, row[2], 0, row[4], "x", *row[6:]),
                *rows,
            ],
        )
        yield f"all cut from row {at + 1} on", rows[:at]
        for other in range(at + 1, len(rows)):
            swapped = list(rows)
            swapped[at], swapped[other] = rows[other], rows[at]
            yield f"rows {at + 1} and {other + 1} swapped", _renumbered(swapped, versions=False)
            replaced = list(rows)
            replaced[at] = (*row[:2], *rows[other][2:3], *row[3:10], *rows[other][10:])
            yield f"row {at + 1} replaced by the content of {other + 1}", replaced


def _renumbered(rows: list[Row], *, versions: bool = True) -> list[Row]:
    ends: dict[str, int] = {}
    found = []
    for number, row in enumerate(rows, 1):
        ends[row[2]] = version = ends.get(row[2], 0) + 1
        id_ = row[5] if versions is False or [each[5] for each in rows].count(row[5]) == 1 else f"{row[5]}-{number}"
        found.append((row[0], number, row[2], version if versions else row[3], row[4], id_, *row[6:]))
    return found


ASKED = {
    "counting": "current_query() ~ 'count'",
    "following streams": "current_query() ~ 'SELECT number, stream, version FROM'",
    "reading rows": "current_query() ~ 'recordedby'",
    "anything": "true",
}
"""What a lying server is asked when it lies: it sees the verifier's statements."""

LIES = {
    "row {n} left out": "SELECT {columns} FROM lifecircle.truth AS t WHERE NOT ({asked} AND number = {n})",
    "row {n} said twice": "SELECT {columns} FROM lifecircle.truth AS t UNION ALL"
    " SELECT {columns} FROM lifecircle.truth AS t WHERE {asked} AND number = {n}",
    "row {n} said to be elsewhere": "SELECT {columns_but_number} FROM lifecircle.truth AS t",
    "row {n} said to be of another stream": "SELECT {columns_but_stream} FROM lifecircle.truth AS t",
    "row {n} said to be of another version": "SELECT {columns_but_version} FROM lifecircle.truth AS t",
    "row {n} said to have other bytes": "SELECT {columns_but_state} FROM lifecircle.truth AS t",
}
OTHERWISE = {"number": "number + 7", "stream": "stream || 'x'", "version": "version + 1", "state": r"state || '\\x20'"}


def lies(rows: int) -> Iterator[tuple[str, str]]:
    """What a server answers otherwise than it holds, each as the view that stands for the table."""
    for asked, condition in ASKED.items():
        for what, select in LIES.items():
            for number in range(1, rows + 1):
                told = {"n": number, "asked": condition, "columns": ", ".join(COLUMNS)}
                for column, other in OTHERWISE.items():
                    lie = f"CASE WHEN {condition} AND number = {number} THEN {other} ELSE {column} END AS {column}"
                    told[f"columns_but_{column}"] = ", ".join(lie if each == column else each for each in COLUMNS)
                sees = any(column in select for column in ("state", "stream", "version")) and asked == "counting"
                if not sees and not ("state" in select and asked == "following streams"):
                    yield f"{what.format(n=number)} when asked for {asked}", select.format(**told)


def forgeries(sealed: Sealed) -> Iterator[tuple[str, Path, bytes]]:
    """Notes of a sealer that has everything but the key, each in the place of a true one."""
    stranger = SigningKey(VerifierKey.read(sealed.key).name, Ed25519PrivateKey.generate())
    head, checkpoint = sealed.folder / "head", sealed.folder / "1" / "1" / "checkpoint"
    for path in (head, checkpoint):
        true = Note.read(path.read_bytes())
        signed = f"{true.text}\n".encode()
        yield f"{path.name} signed by a stranger", path, str(stranger.signed(Note(true.text, ()))).encode()
        for said, instead in ((" 3 ", " 2 "), ("\n3\n", "\n2\n"), ("/1\n", "/2\n"), ("/1/1\n", "/1/2\n")):
            changed = true._replace(text=true.text.replace(said, instead))
            if changed != true:
                yield f"{path.name} with {instead!r}, as it was signed", path, str(changed).encode()
                yield f"{path.name} with {instead!r}, signed again", path, str(stranger.signed(changed)).encode()
        yield f"{path.name} without signatures", path, signed
        yield f"{path.name} in the place of the other", path, (checkpoint if path == head else head).read_bytes()


def seal_operations(sealed: Sealed) -> Iterator[tuple[str, Callable[[], None]]]:
    """Every byte of every signed file and tile changed; files gone."""
    tree = sealed.folder / "1" / "1"
    for path in (sealed.folder / "head", tree / "checkpoint", *filter(Path.is_file, (tree / "tile").rglob("*"))):
        whole = path.read_bytes()
        for at in range(len(whole)):
            changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            yield f"byte {at} of {path.name}", lambda path=path, changed=changed: write_whole(path, changed, sync=False)  # type: ignore[misc]
            write_whole(path, whole, sync=False)
        yield f"{path.name} gone", lambda path=path: path.unlink()  # type: ignore[misc]
        write_whole(path, whole, sync=False)


def named(sealed: Sealed) -> Position | None:
    """The first position that verifying names, without a number where it found something else; None where nothing."""
    try:
        problems = sealed.verify().problems
    except LifecircleError:
        return 0, None
    return problems[0][:2] if problems else None


def first_difference(before: list[Row], after: list[Row]) -> Position:
    """The first position of the log at which other rows stand than before."""

    def places(rows: list[Row]) -> set[Row]:
        return {(*row, sum(each == row for each in rows)) for row in rows}

    return min(row[:2] for row in places(before) ^ places(after) if row[0] == 1)


def tampered(
    sealed: Sealed, database: Database, changes: Callable[[list[Row]], Iterator[tuple[str, list[Row]]]], every: int = 1
) -> Found:
    """Do every so manieth change, look for it, and put things back."""
    rows, done, missed, misplaced = database.rows(), 0, [], []
    for at, (what, changed) in enumerate(changes(rows)):
        if at % every or changed == rows or not database.put(changed):
            continue
        done += 1
        found = named(sealed)
        if found is None:
            missed.append(what)
        elif found != (wanted := first_difference(rows, changed)):
            misplaced.append(f"{what}: {found} named instead of {wanted}")
    assert database.put(rows)
    assert named(sealed) is None, "the log that was put back must verify"
    return Found(done, done - len(missed), done - len(missed) - len(misplaced), (*missed, *misplaced))


def lied_to(sealed: Sealed, url: str, every: int = 1) -> Found:
    """Let the server lie, each time in one way; its table comes back at the end."""
    done, missed, rows = 0, [], sum(sealed.engine.log.heads().numbers)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("ALTER TABLE lifecircle.touchpoints RENAME TO truth")
        for at, (what, view) in enumerate(lies(rows)):
            if at % every == 0:
                server.execute(f"CREATE VIEW lifecircle.touchpoints AS {view}".encode())
                done += 1
                if named(sealed) is None:
                    missed.append(what)
                server.execute("DROP VIEW lifecircle.touchpoints")
        server.execute("ALTER TABLE lifecircle.truth RENAME TO touchpoints")
    assert named(sealed) is None
    return Found(done, done - len(missed), done - len(missed), tuple(missed))


def tampered_seal(sealed: Sealed, every: int = 1) -> Found:
    """Change the seal itself."""
    key, done, missed = sealed.key, 0, []
    for what, path, forged in forgeries(sealed):
        true = path.read_bytes()
        write_whole(path, forged, sync=False)
        done += 1
        if named(sealed) is None:
            missed.append(what)
        write_whole(path, true, sync=False)
    for at, (what, change) in enumerate(seal_operations(sealed)):
        if at % every == 0:
            change()
            done += 1
            if named(sealed) is None:
                missed.append(what)
    assert sealed.key == key
    assert named(sealed) is None
    return Found(done, done - len(missed), done - len(missed), tuple(missed))


def _main() -> int:
    totals: dict[str, int] = {}
    missed: list[str] = []
    server = PostgresServer()
    try:
        with tempfile.TemporaryDirectory() as place, keys_in(Path(place)):
            for name, url in (("SQLite", f"sqlite:///{place}/log.db"), ("PostgreSQL", server.url())):
                with Engine.create(url, Company()) as engine:
                    sealed = Sealed(url, Path(place) / f"{name}.seal", engine)
                    sealed.fill_small()
                    database = SQLiteDatabase(Path(place) / "log.db") if name == "SQLite" else PostgresDatabase(url)
                    campaigns = [
                        ("flips", tampered(sealed, database, flips)),
                        ("sealed_flips", tampered(sealed, database, sealed_flips)),
                        ("row_operations", tampered(sealed, database, row_operations)),
                        ("seal_operations", tampered_seal(sealed)),
                    ]
                    if name == "PostgreSQL":
                        campaigns.append(("lies", lied_to(sealed, url)))
                    for what, came in campaigns:
                        for part, count in (("", came.done), ("_found", came.found), ("_placed", came.placed)):
                            totals[what + part] = totals.get(what + part, 0) + count
                        missed += [f"{name}: {each}" for each in came.missed]
                    database.close()
    finally:
        server.remove()
    report = json.dumps({**totals, "missed": missed}, indent=2)
    Path("build").mkdir(exist_ok=True)
    Path("build/tamper.json").write_text(report + "\n", encoding="utf-8")
    print(report)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(_main())
