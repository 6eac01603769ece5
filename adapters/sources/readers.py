"""Rows out of a file: delimited text, JSON Lines, an event log (XES) or Parquet; in flat memory, gzipped or not.

A row that cannot be read comes out all the same, with its flaw and as much of its text as there is.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import file_digest
from pathlib import Path
from typing import IO, ClassVar, NamedTuple, cast

import orjson

from adapters.settings import LIMITS
from adapters.sources.held import held
from domain.errors import MappingInvalid, UnreadableInput

_GZIP = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20
MARKED = "lifecircle-marked"
UNDECODABLE = re.compile("[\udc00-\udcff]")
_UNSTORABLE = re.compile("[\0\udc00-\udcff]")


class Row(NamedTuple):
    """One row: the line of the file that it begins in, its cells, its text, and why it cannot be read.

    Lines are counted from 1; where a file has no lines to speak of (XES, Parquet), its events or rows are, and the text
    is empty.
    """

    line: int
    cells: Sequence[str]
    raw: str
    flaw: str | None = None


def storable(text: str) -> str:
    r"""A text as a database can keep it: NUL and undecodable bytes written as \x00 to \xff."""
    return _UNSTORABLE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text)


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Stand a lone surrogate in for each byte that cannot be decoded, so that only its own row suffers."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(MARKED, _mark)


class Source(ABC):
    """A file of rows, checked whole before its first row is given out.

    Args:
        path: the file; gzip is known by its first bytes.

    Raises:
        UnreadableInput: it is missing, empty, damaged, cut off or of another format, or has too many columns.
        MappingInvalid: it names a column twice.
    """

    columns: tuple[str, ...] = ()
    by_lines: ClassVar[bool] = False
    """Whether what is written to its end leaves the rows before as they are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        try:
            self.size_bytes = path.stat().st_size
            with held(path, self.size_bytes) as file:
                self._gzipped = file.read(2) == _GZIP
                file.seek(0)
                self.digest = file_digest(file, "sha256").hexdigest()
            self.columns = self._checked()
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise damaged(path, "the length and checksum of a gzip file are those that it ends with") from None
        except OSError as error:
            raise UnreadableInput(
                "the file cannot be read",
                where=str(path),
                rule=error.strerror or "it is a whole file",
                way_out="check its name and rights",
            ) from None
        self._check_columns()

    @abstractmethod
    def _checked(self) -> tuple[str, ...]:
        """Read the whole file once for nothing, for damage must be noticed before a row is stored; its columns."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Every row, in the file's order."""

    def told(self, row: Row) -> str:
        """What quarantine keeps of a row: its text; of a file without text its cells, as a JSON object."""
        if row.raw or not row.cells:
            return storable(row.raw.rstrip("\r\n"))
        cells = zip(self.columns, row.cells, strict=True)
        return orjson.dumps({name: storable(cell) for name, cell in cells if cell}).decode()

    @property
    def read_bytes(self) -> int:
        """How far into the file reading has come, in bytes as they lie on disk."""
        return self._file.tell() if self._file and not self._file.closed else 0

    @property
    def may_grow(self) -> bool:
        """Whether what is written to the file's end leaves its rows until then as they are."""
        return self.by_lines and not self._gzipped

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        """The file's bytes, unpacked."""
        with held(self.path, self.size_bytes) as file:
            self._file = file
            if not self._gzipped:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast("IO[bytes]", unpacked)

    def _unpack(self) -> None:
        """Unpack a gzip file once, for its end tells whether it is whole."""
        if self._gzipped:
            with self._opened() as unpacked:
                while unpacked.read(_CHUNK_BYTES):
                    pass

    def _check_columns(self) -> None:
        if len(self.columns) > LIMITS.import_columns_max:
            raise UnreadableInput(
                "the file has too many columns",
                where=str(self.path),
                rule=f"at most {LIMITS.import_columns_max} columns",
                way_out="name the right format, encoding and delimiter, or take out the columns that are not needed",
            )
        if len(set(self.columns)) < len(self.columns):
            raise MappingInvalid(
                "the file names a column twice",
                where=str(self.path),
                rule="every column has a name of its own",
                way_out="rename it in the file",
            )


def damaged(path: Path, rule: str) -> UnreadableInput:
    """The error of a file that as a whole is not what it should be."""
    return UnreadableInput(
        "the file is damaged, cut off or of another format; nothing of it was stored",
        where=str(path),
        rule=rule,
        way_out="fetch the file again, or mend it and import what is left",
    )


class EventLines(Source):
    """JSON Lines: a CloudEvent on every line, which is its row's only cell."""

    by_lines = True

    def _checked(self) -> tuple[str, ...]:
        self._unpack()
        first = next((row for row in self.rows() if row.cells or row.flaw), None)
        if first and not first.raw.lstrip("\ufeff \t").startswith("{"):
            raise UnreadableInput(
                "the file holds no CloudEvents",
                where=str(self.path),
                rule="without a mapping every line is a CloudEvent as a JSON object",
                way_out="say with --map what its rows are",
            )
        return ("event",)

    def rows(self) -> Iterator[Row]:
        """Every line, blank ones too (they have no cells)."""
        with self._opened() as unpacked:
            lines = _Lines(io.TextIOWrapper(unpacked, "utf-8-sig", errors=MARKED, newline="\n"))
            for number, line in enumerate(lines, start=1):
                yield Row(number, [line] if line.strip() else (), lines.taken.pop(), lines.flaw)
                lines.flaw = None


class DelimitedFile(Source):
    """CSV, TSV or whitespace-separated text.

    Args:
        path: the file.
        form: csv, tsv or whitespace.
        encoding: a Python codec; a byte-order mark of UTF-8 is left out.
        columns: the names of its columns, where the file has no header.
        delimiter: what parts the cells of a CSV or TSV file, if not a comma or tab.
        quote: what encloses cells of a CSV or TSV file; empty for nothing.
    """

    by_lines = True

    def __init__(
        self,
        path: Path,
        *,
        form: str = "csv",
        encoding: str = "utf-8",
        columns: Sequence[str] = (),
        delimiter: str | None = None,
        quote: str = '"',
    ) -> None:
        self._form = form
        self._encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        self._delimiter = delimiter or ("\t" if form == "tsv" else ",")
        self._quote = quote
        self._given = tuple(columns)
        super().__init__(path)

    def _checked(self) -> tuple[str, ...]:
        self._unpack()
        return self._given or self._header()

    def _header(self) -> tuple[str, ...]:
        first = next(self._all_rows(), None)
        names = [name.strip() for name in first.cells] if first else []
        if first is None or first.flaw or not any(names):
            raise UnreadableInput(
                "the file has no header that can be read",
                where=str(self.path),
                rule=first.flaw if first and first.flaw else "its first line names the columns",
                way_out="name the right format, encoding and delimiter, or header = false and the columns",
            )
        return tuple(names)

    def rows(self) -> Iterator[Row]:
        """Every row after the header, blank lines too (they have no cells), in the file's order."""
        rows = self._all_rows()
        if not self._given:
            next(rows, None)
        width = len(self.columns)
        for row in rows:
            if len(row.cells) == width or row.flaw or not row.cells:
                yield row
            else:
                yield row._replace(flaw="the row has as many cells as there are columns")

    def _all_rows(self) -> Iterator[Row]:
        with self._opened() as unpacked:
            lines = _Lines(io.TextIOWrapper(unpacked, self._encoding, errors=MARKED, newline=""))
            yield from self._split(lines) if self._form == "whitespace" else self._parsed(lines)

    @staticmethod
    def _split(lines: "_Lines") -> Iterator[Row]:
        for number, line in enumerate(lines, start=1):
            yield Row(number, line.split(), lines.taken.pop(), lines.flaw)
            lines.flaw = None

    def _parsed(self, lines: "_Lines") -> Iterator[Row]:
        reader = csv.reader(
            lines,
            delimiter=self._delimiter,
            quotechar=self._quote or None,
            quoting=csv.QUOTE_MINIMAL if self._quote else csv.QUOTE_NONE,
            strict=True,
        )
        taken, begun = lines.taken, 1
        while True:
            flaw = None
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells, flaw = [], f"quotes and lengths of cells are right ({error})"
            raw = taken[0] if len(taken) == 1 else "".join(taken)
            yield Row(begun, cells, raw, lines.flaw or flaw)
            begun += len(taken)
            taken.clear()
            lines.flaw = None


class _Lines:
    """The lines of a text, none longer than the limit.

    `taken` keeps them until their row is read, `flaw` what is wrong with one of them.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.taken: list[str] = []
        self.flaw: str | None = None

    def __iter__(self) -> Iterator[str]:
        limit, taken = LIMITS.import_line_max_chars, self.taken
        readline = partial(self._text.readline, limit)
        while line := readline():
            taken.append(line)
            if len(line) == limit and line[-1] not in "\r\n":
                self.flaw = f"a line has at most {limit} characters"
                while (rest := readline()) and rest[-1] not in "\r\n":
                    pass
                # Half a line could open a quote that swallows the rows after it.
                yield "\n"
                continue
            if "\0" in line:
                self.flaw = "text holds no NUL character"
            elif not line.isascii() and UNDECODABLE.search(line):
                self.flaw = f"the text is {self._text.encoding.removesuffix('-sig')}"
            yield line
