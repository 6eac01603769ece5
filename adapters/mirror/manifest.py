"""The manifest of a mirror: which files make it up, and how far it has come. It is replaced at one moment.

A file that the manifest does not name is no part of the mirror: what a killed run left behind, or what was replaced.
"""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.durable_files import sync_all, write_whole
from domain.errors import LifecircleError

FORMAT = 1
NAME = "manifest.json"
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600


class MirrorUnusable(LifecircleError):
    """The folder holds no mirror that this program can read, or one of another log."""

    exit_code = 8


class MirrorBusy(LifecircleError):
    """Another process writes this mirror."""

    exit_code = 9


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    rows: int


class LogPart(_Part):
    """Touchpoints of a bucket as they were recorded: the numbers from `first` on, as many as rows."""

    bucket: int
    first: int


class HistoryPart(_Part):
    """Facts of effective history, of one kind."""

    kind: str


class ViewPart(_Part):
    """All rows of a view, of one generation as it stood at a cursor."""

    view: str
    generation: int
    cursor: str


class History(BaseModel):
    """How far effective history is folded into the mirror.

    folded_as: a digest of what its columns depend on; folds: how many wrote to it; replaced: the file that says of each
    stream that was folded again since which fold its rows count; dead: about how many rows count no more; parked: the
    streams that could not be folded, each with the name of what was raised; began: the first instant in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cursor: str
    folded_as: str
    folds: int = 0
    replaced: str | None = None
    dead: int = 0
    began: int | None = None
    parked: dict[str, str] = {}
    parts: tuple[HistoryPart, ...] = ()


class Manifest(BaseModel):
    """What a mirror is made up of; cursors are of the log, `mirrored` is in microseconds since 1970 UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Annotated[int, Field(le=FORMAT)] = FORMAT
    log: str
    buckets: int
    company: str
    zone: str
    mirrored: int
    cursor: str
    files: int = 0
    """How many files were ever made, for their names."""
    touchpoints: tuple[LogPart, ...] = ()
    history: History
    erased: str | None = None
    """Where in the log somebody was forgotten last, while files of before are still there."""
    views: tuple[ViewPart, ...] = ()

    def with_(self, **changes: object) -> Self:
        """The same with some of it changed."""
        return self.model_copy(update=changes)

    def named(self) -> set[str]:
        """The files that it is made up of."""
        parts = (*self.touchpoints, *self.history.parts, *self.views)
        return {part.file for part in parts} | ({self.history.replaced} if self.history.replaced else set())

    @property
    def rows(self) -> int:
        """How many touchpoints are mirrored as they were recorded."""
        return sum(part.rows for part in self.touchpoints)


def read_manifest(folder: Path) -> Manifest:
    """Read what a mirror is made up of.

    Raises:
        MirrorUnusable: there is none, or it is damaged, or newer.
    """
    path = folder / NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise MirrorUnusable(
            "there is no mirror in this folder",
            where=str(folder),
            rule=f"a mirror has a {NAME}",
            way_out="make one with: lifecircle mirror FOLDER",
        ) from None
    except ValidationError as error:
        newer = any(problem["loc"] == ("format",) for problem in error.errors(include_url=False))
        raise MirrorUnusable(
            "the mirror was made by a newer lifecircle" if newer else "the mirror's manifest is damaged",
            where=str(path),
            way_out="use that version" if newer else "take the folder away and mirror the log again: it is a copy",
        ) from None


class Files:
    """The folder of a mirror while it is written: new files, readable by their owner alone, and the manifest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: list[Path] = []
        self._count = 0

    def clear_up(self, manifest: Manifest) -> None:
        """Delete what the manifest does not name: what a killed run left, or what was replaced before this one."""
        self._count = manifest.files
        named = manifest.named()
        for path in self.folder.rglob("*.parquet"):
            if str(path.relative_to(self.folder)) not in named:
                path.unlink()

    def new(self, dataset: Literal["touchpoints", "history", "views"], part: str) -> tuple[str, Path]:
        """Begin a file of a partition; its name in the manifest, and its path."""
        self._count += 1
        name = f"{dataset}/{part}/{self._count:09}.parquet"
        path = self.folder / name
        for place in (path.parent.parent, path.parent):
            place.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        path.touch(mode=_PRIVATE_FILE)
        # What the umask took away is given back, and what it left is not.
        path.chmod(_PRIVATE_FILE)
        self._made.append(path)
        return name, path

    def commit(self, manifest: Manifest) -> Manifest:
        """Make what was written part of the mirror, at one moment."""
        sync_all(self._made)
        self._made.clear()
        manifest = manifest.with_(files=self._count)
        told = orjson.dumps(manifest.model_dump(mode="json", exclude_defaults=False), option=orjson.OPT_INDENT_2)
        write_whole(self.folder / NAME, told, mode=_PRIVATE_FILE)
        return manifest


def private_folder(folder: Path) -> None:
    """Make the folder of a mirror, which only its owner may enter.

    Raises:
        MirrorUnusable: something else lies in it.
    """
    if folder.exists() and not (folder / NAME).exists() and any(path.name != "lock" for path in folder.iterdir()):
        raise MirrorUnusable(
            "something else lies in this folder",
            where=str(folder),
            rule="a mirror has a folder of its own",
            way_out="name an empty folder, or one that does not exist",
        )
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        return
    folder.chmod(_PRIVATE_FOLDER)
