"""Rows out of a file of text: CSV, TSV or whitespace-separated, plain or gzipped, in any encoding, in flat memory.

A row that cannot be read comes out all the same, with its flaw and as much of its text as there is.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import file_digest
from pathlib import Path
from typing import IO, NamedTuple

from adapters.settings import LIMITS
from domain.errors import MappingInvalid, UnreadableInput

_GZIP = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20
_MARKED = "lifecircle-marked"
_UNDECODABLE = re.compile("[\udc00-\udcff]")
_UNSTORABLE = re.compile("[\0\udc00-\udcff]")


class Row(NamedTuple):
    """One row: the line of the file that it begins in (from 1), its cells, its text, and why it cannot be read."""

    line: int
    cells: Sequence[str]
    raw: str
    flaw: str | None = None

    @property
    def text(self) -> str:
        r"""The row's text as a database can keep it: NUL and undecodable bytes written as \x00 to \xff."""
        return _UNSTORABLE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", self.raw.rstrip("\r\n"))


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Stand a lone surrogate in for each byte that cannot be decoded, so that only its own row suffers."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARKED, _mark)


class SourceFile:
    """A file of rows, checked whole before its first row is given out.

    Args:
        path: the file; gzip is known by its first bytes.
        form: csv, tsv or whitespace.
        encoding: a Python codec; a byte-order mark of UTF-8 is left out.
        columns: the names of its columns, where the file has no header.
        delimiter: what parts the cells of a CSV or TSV file, if not a comma or tab.
        quote: what encloses cells of a CSV or TSV file; empty for nothing.

    Raises:
        UnreadableInput: it is missing or empty, its gzip is damaged or cut off.
        MappingInvalid: its header names a column twice.
    """

    def __init__(
        self,
        path: Path,
        *,
        form: str = "csv",
        encoding: str = "utf-8",
        columns: Sequence[str] | None = None,
        delimiter: str | None = None,
        quote: str = '"',
    ) -> None:
        self.path = path
        self._form = form
        self._encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        self._delimiter = delimiter or ("\t" if form == "tsv" else ",")
        self._quote = quote
        self._given = columns
        self._file: IO[bytes] | None = None
        try:
            with path.open("rb") as file:
                self._gzipped = file.read(2) == _GZIP
                self.size_bytes = file.seek(0, io.SEEK_END)
                file.seek(0)
                self.digest = file_digest(file, "sha256").hexdigest()
            if self._gzipped:
                self._check_gzip()
            self.columns = tuple(columns) if columns else self._header()
        except OSError as error:
            raise UnreadableInput(
                "the file cannot be read",
                where=str(path),
                rule=error.strerror or "it is a whole file",
                way_out="check its name and rights",
            ) from None

    @property
    def read_bytes(self) -> int:
        """How far into the file reading has come, in bytes as they lie on disk."""
        return self._file.tell() if self._file and not self._file.closed else 0

    def _check_gzip(self) -> None:
        """Unpack it once for nothing: a cut-off file must be noticed before its first row is stored."""
        try:
            with gzip.open(self.path) as unpacked:
                while unpacked.read(_CHUNK_BYTES):
                    pass
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise UnreadableInput(
                "the gzip file is damaged or cut off; nothing of it was stored",
                where=str(self.path),
                rule="its length and checksum are those that it ends with",
                way_out="fetch the file again, or import what `gzip -dc` still gives",
            ) from None

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
        if len(set(names)) < len(names):
            raise MappingInvalid(
                "the file's header names a column twice",
                where=str(self.path),
                rule="every column has a name of its own",
                way_out="rename it in the file",
            )
        return tuple(names)

    def rows(self) -> Iterator[Row]:
        """Every row after the header, blank lines too (they have no cells), in the file's order."""
        rows = self._all_rows()
        if self._given is None:
            next(rows, None)
        width = len(self.columns)
        for row in rows:
            if len(row.cells) == width or row.flaw or not row.cells:
                yield row
            else:
                yield row._replace(flaw="the row has as many cells as there are columns")

    def _all_rows(self) -> Iterator[Row]:
        with self.path.open("rb") as file, gzip.GzipFile(fileobj=file) if self._gzipped else file as unpacked:
            self._file = file
            lines = _Lines(io.TextIOWrapper(unpacked, self._encoding, errors=_MARKED, newline=""))
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
            elif not line.isascii() and _UNDECODABLE.search(line):
                self.flaw = f"the text is {self._text.encoding.removesuffix('-sig')}"
            yield line
