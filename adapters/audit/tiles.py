"""A tree's hashes as files: the tiles of c2sp.org/tlog-tiles, 256 hashes wide, partial ones at the right edge."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from shutil import rmtree

from adapters.durable_files import write_whole
from domain.errors import SealContradicted
from domain.merkle import HASH_BYTES, Subtree, complete_root
from domain.merkle import root as root_of

WIDTH = 256
TILE_BYTES = WIDTH * HASH_BYTES

Hashes = Callable[[int, int, int], bytes]
"""Hashes of a level of tiles, strung together: by level, the first one's index, and how many."""


def subtree_over(hashes: Hashes) -> Subtree:
    """Complete subtrees, from the hashes of every eighth level of the tree."""

    def subtree(level: int, index: int) -> bytes:
        inside = level % 8
        return complete_root(hashes(level // 8, index << inside, 1 << inside))

    return subtree


def name_of(level: int, index: int, width: int = WIDTH) -> str:
    """Where a tile lies below its tree's folder."""
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.insert(0, f"x{index % 1000:03}")
    return f"tile/{level}/{'/'.join(parts)}" + (f".p/{width}" if width < WIDTH else "")


class Tiles:
    """The tiles of one tree, to be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tile = lru_cache(1024)(self._read)

    def of_size(self, size: int) -> Subtree:
        """The complete subtrees of the tree of the first `size` leaves.

        Raises:
            SealContradicted: when asked for one whose tile is missing or cut.
        """

        def hashes(level: int, first: int, count: int) -> bytes:
            at = first % WIDTH * HASH_BYTES
            return self.tile(level, first // WIDTH, size)[at : at + count * HASH_BYTES]

        return subtree_over(hashes)

    def tile(self, level: int, index: int, size: int) -> bytes:
        """One tile, as wide as it is in the tree of the first `size` leaves.

        Raises:
            SealContradicted: it is missing or cut.
        """
        return self._tile(level, index, min(WIDTH, (size >> 8 * level) - index * WIDTH))

    def _read(self, level: int, index: int, width: int) -> bytes:
        whole = self.folder / name_of(level, index)
        partial = whole.with_name(f"{whole.name}.p")
        wider = sorted((int(path.name) for path in partial.glob("[0-9]*")), reverse=True)
        for path in (whole, *(partial / str(given) for given in wider if given >= width)):
            if path.is_file() and len(found := path.read_bytes()) >= width * HASH_BYTES:
                return found[: width * HASH_BYTES]
        raise SealContradicted(
            "a tile of the seal is missing or cut",
            where=str(self.folder / name_of(level, index, width)),
            way_out="put the folder back from a copy of it, or begin anew with: lifecircle seal --new-origin",
        )


class GrowingTiles:
    """The right edge of a tree, in memory, that writes tiles as they fill."""

    def __init__(self, folder: Path, edges: list[bytes], size: int, sealed: int) -> None:
        self.folder, self.size = folder, size
        self.edges = [bytearray(edge) for edge in edges]
        self.sealed = sealed
        self.written: list[Path] = []
        """Files to be brought to the disk before anything is signed that needs them."""

    @property
    def root(self) -> bytes:
        """The root of the tree as it stands."""
        # All complete subtrees that a root is made of lie in tiles that are not full.
        return root_of(self.size, subtree_over(self._edge))

    def _edge(self, level: int, first: int, count: int) -> bytes:
        at = first % WIDTH * HASH_BYTES
        return bytes(self.edges[level][at : at + count * HASH_BYTES])

    def extend(self, leaves: bytes) -> None:
        """Take the next leaves, strung together.

        Raises:
            SealContradicted: a tile that was signed holds others.
        """
        self.size += len(leaves) // HASH_BYTES
        level = 0
        while leaves:
            if level == len(self.edges):
                self.edges.append(bytearray())
            edge = self.edges[level]
            edge += leaves
            full = len(edge) // TILE_BYTES
            first = (self.size >> 8 * level) // WIDTH - full
            above = []
            for at in range(full):
                tile = bytes(edge[at * TILE_BYTES : (at + 1) * TILE_BYTES])
                self._write(level, first + at, tile)
                above.append(complete_root(tile))
            del edge[: full * TILE_BYTES]
            leaves, level = b"".join(above), level + 1

    def write_edges(self) -> None:
        """Write the tiles that are not full."""
        for level, edge in enumerate(self.edges):
            if edge:
                self._write(level, (self.size >> 8 * level) // WIDTH, bytes(edge))

    def _write(self, level: int, index: int, tile: bytes) -> None:
        path = self.folder / name_of(level, index, len(tile) // HASH_BYTES)
        if level == 0:
            self._compare(index, tile)
        if not path.is_file() or path.read_bytes() != tile:
            write_whole(path, tile, sync=False)
        self.written.append(path)
        if len(tile) == TILE_BYTES:
            rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)

    def _compare(self, index: int, tile: bytes) -> None:
        """Sealed leaves never change: look at what was signed before it is written again."""
        signed = min(len(tile) // HASH_BYTES, self.sealed - index * WIDTH)
        if signed <= 0:
            return
        before = Tiles(self.folder).tile(0, index, self.sealed)
        for at in range(min(signed, len(before) // HASH_BYTES)):
            here = slice(at * HASH_BYTES, (at + 1) * HASH_BYTES)
            if tile[here] != before[here]:
                raise contradiction(self.folder.name, index * WIDTH + at + 1)


def contradiction(bucket: int | str, number: int) -> SealContradicted:
    """The log holds something else at a position than what was signed."""
    return SealContradicted(
        "the log is not what was sealed",
        where=f"position {bucket}/{number}, and perhaps others after it",
        rule="a sealed touchpoint is never changed, dropped or replaced; a log restored from a backup has lost some",
        way_out="look with: lifecircle verify; restore the whole log, or say openly that it begins anew with: "
        "lifecircle seal --new-origin",
    )
