"""A file as it stood when it was first looked at, and the digest of its beginning."""

import io
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK_BYTES = 1 << 20


class _Held(io.RawIOBase):
    def __init__(self, path: Path, size_bytes: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._size_bytes = size_bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        room = memoryview(buffer).cast("B")
        return self._file.readinto(room[: max(0, self._size_bytes - self._file.tell())])

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(*((self._size_bytes + offset,) if whence == io.SEEK_END else (offset, whence)))

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def held(path: Path, size_bytes: int) -> io.BufferedReader:
    """Open a file for reading up to a size: what somebody writes to its end meanwhile is left for another time."""
    return io.BufferedReader(_Held(path, size_bytes))


class Beginning:
    """The SHA-256 of a file's first bytes, taken further and further."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = sha256()
        self.bytes = 0

    def upto(self, size_bytes: int) -> str:
        """The digest of the first `size_bytes`, in hexadecimal; they may only become more."""
        with self._path.open("rb") as file:
            file.seek(self.bytes)
            while self.bytes < size_bytes and (part := file.read(min(_CHUNK_BYTES, size_bytes - self.bytes))):
                self._hash.update(part)
                self.bytes += len(part)
        return self._hash.hexdigest()
