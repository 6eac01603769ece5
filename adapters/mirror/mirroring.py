"""Keeping a mirror: what is new in a log and its views becomes files, step by step, whenever it is asked for.

The log's cursor decides what is new. Each step ends with a new manifest, so a run that is killed leaves the mirror as
its last step had it, and the next one goes on there.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from adapters.clock import clock_us
from adapters.cursor import Cursor
from adapters.durable_files import leading
from adapters.engine import Engine
from adapters.log import Stored
from adapters.mirror.columns import touchpoint_table, view_schema, view_table
from adapters.mirror.folded import HistoryFold, folded_as
from adapters.mirror.manifest import (
    NAME,
    Files,
    History,
    LogPart,
    Manifest,
    MirrorBusy,
    MirrorUnusable,
    ViewPart,
    private_folder,
    read_manifest,
)
from adapters.mirror.parts import Part, extended, written_whole
from adapters.progress import StagedProgress
from adapters.settings import LIMITS
from adapters.views.projector import position_cursor
from adapters.views.tables import Generation, Reading, Views, open_tables, primary_key
from domain.kinds.log_itself import KeyDestroyed
from projections.view import View


def mirror(engine: Engine, folder: Path, on_progress: StagedProgress | None = None) -> Manifest:
    """Bring the mirror in a folder up to the log as it stands now; make it where there is none.

    Args:
        engine: the log.
        folder: the mirror's own folder.
        on_progress: told after each step, and before the first.

    Raises:
        MirrorUnusable: something else lies in the folder, or a mirror of another log.
        MirrorBusy: another process writes this mirror.
        LogUnavailable: the log was lost on the way; what is mirrored is kept.
    """
    private_folder(folder)
    busy = MirrorBusy(
        "another process writes this mirror",
        where=str(folder),
        rule="one process at a time writes a mirror",
        way_out="leave it to that one, or stop it first",
    )
    with leading(folder, busy):
        return _Run(engine, folder, on_progress or (lambda *_: None)).run()


class _Step:
    """Pages of the log; `reached` is how far those that were taken have come."""

    reached: Cursor

    def __init__(self, pages: Iterable[tuple[list[Stored], Cursor]]) -> None:
        self._pages = pages

    def __iter__(self) -> Iterator[list[Stored]]:
        for page, self.reached in self._pages:  # noqa: B020 - where it stands
            yield page


class _Run:
    def __init__(self, engine: Engine, folder: Path, on_progress: StagedProgress) -> None:
        self._engine = engine
        self._log = engine.log
        self._tell = on_progress
        self._files = Files(folder)
        self._cut = engine.log.heads()
        self._manifest = self._opened(folder)

    def _opened(self, folder: Path) -> Manifest:
        start, log_id = str(self._log.start()), self._log.log_id.hex()
        if not (folder / NAME).exists():
            history = History(cursor=start, folded_as=folded_as(self._engine.company))
            fresh = Manifest(
                log=log_id,
                buckets=self._log.buckets,
                company=self._engine.company.name,
                zone=self._engine.company.zone,
                mirrored=clock_us(),
                cursor=start,
                history=history,
            )
            return self._files.commit(fresh)
        manifest = read_manifest(folder)
        if manifest.log != log_id or not self._cut.reaches(self._engine.cursor(manifest.cursor)):
            raise MirrorUnusable(
                "the mirror is of another log, or of this one before it was restored",
                where=str(folder),
                rule="a mirror goes on where it stands in the log that it was made of",
                way_out="mirror this log into a folder of its own",
            )
        self._files.clear_up(manifest)
        return manifest

    def run(self) -> Manifest:
        """Bring touchpoints, history and views up to the cut."""
        self._mirror_touchpoints()
        self._mirror_history()
        with closing(open_tables(self._engine.url, self._engine.company)) as tables, tables.reading() as reading:
            views = tuple(self._mirrored_views(reading, tables.views)) if reading else ()
        company = {"company": self._engine.company.name, "zone": self._engine.company.zone}
        self._commit(views=views, mirrored=clock_us(), **company)
        self._forget()
        return self._manifest

    def _forget(self) -> None:
        """Delete at once what was replaced, where it may show bands of somebody who was forgotten since."""
        if self._manifest.erased is None:
            return
        erased = self._engine.cursor(self._manifest.erased)
        if all(self._engine.cursor(part.cursor).reaches(erased) for part in self._manifest.views):
            self._files.clear_up(self._manifest)
            self._commit(erased=None)

    def _commit(self, **changes: Any) -> None:
        self._manifest = self._files.commit(self._manifest.with_(**changes))

    def _pages(self, doing: str, cursor: Cursor) -> Iterator[tuple[list[Stored], Cursor]]:
        """What the log has after a cursor, page by page, each with the cursor behind it."""
        total, done = sum(self._cut.numbers), sum(cursor.numbers)
        self._tell(doing, done, total)
        while not cursor.reaches(self._cut):
            page = self._log.read(cursor, LIMITS.mirror_page_touchpoints, self._cut)
            for bucket, number in {stored.bucket: stored.number for stored in page}.items():
                cursor = cursor.advanced(bucket, number)
            yield page, cursor
            done += len(page)
            self._tell(doing, done, total)

    def _steps(self, doing: str, text: str) -> Iterator["_Step"]:
        """What the log has after a cursor, step by step."""
        pages = self._pages(doing, self._engine.cursor(text))
        at_once = -(-LIMITS.mirror_step_touchpoints // LIMITS.mirror_page_touchpoints)
        while first := next(pages, None):
            yield _Step(chain([first], islice(pages, at_once - 1)))

    def _mirror_touchpoints(self) -> None:
        for step in self._steps("touchpoints", self._manifest.cursor):
            tables: dict[int, list[pa.Table]] = {}
            erased = False
            for page in step:
                erased = erased or any(stored.kind == KeyDestroyed.kind for stored in page)
                for bucket in range(1, self._log.buckets + 1):
                    if rows := [stored for stored in page if stored.bucket == bucket]:
                        tables.setdefault(bucket, []).append(touchpoint_table(rows))
            parts = list(self._manifest.touchpoints)
            for bucket, made in tables.items():
                parts = self._extended_bucket(parts, bucket, made)
            reached = str(step.reached)
            self._commit(touchpoints=tuple(parts), cursor=reached, erased=reached if erased else self._manifest.erased)

    def _extended_bucket(self, parts: Sequence[LogPart], bucket: int, tables: list[pa.Table]) -> list[LogPart]:
        mine = [part for part in parts if part.bucket == bucket]
        last = Part(mine[-1].file, mine[-1].rows) if mine else None
        written = extended(self._files, "touchpoints", f"bucket={bucket}", last, tables)
        full = mine if not mine or mine[-1].rows >= LIMITS.mirror_part_rows else mine[:-1]
        first = sum(part.rows for part in full) + 1
        added = list[LogPart]()
        for file, rows in written:
            added.append(LogPart(file=file, rows=rows, bucket=bucket, first=first))
            first += rows
        return [*(part for part in parts if part.bucket != bucket), *full, *added]

    def _mirror_history(self) -> None:
        told = folded_as(self._engine.company)
        if self._manifest.history.folded_as != told:
            self._commit(history=History(cursor=str(self._log.start()), folded_as=told))
        fold = HistoryFold(self._engine, self._files, self._manifest, self._cut)
        try:
            for step in self._steps("history", self._manifest.history.cursor):
                for page in step:
                    fold.take(page)
                self._commit(history=fold.step(step.reached))
            if (compacted := fold.compacted()) is not None:
                self._commit(history=compacted)
        finally:
            fold.close()

    def _mirrored_views(self, reading: Reading, views: Views) -> Iterator[ViewPart]:
        """The files of all views: those that stand, where neither generation nor cursor has moved, else new ones."""
        cursor = str(position_cursor(self._log, reading.position()))
        standing = {part.view: part for part in self._manifest.views}
        for generation in reading.generations():
            view = views.get(generation.view)
            if generation.state != "live" or view is None:
                continue
            known = standing.get(generation.view)
            if known and (known.generation, known.cursor) == (generation.number, cursor):
                yield known
                continue
            if [name for name, _ in reading.columns(generation)] != [column.name for column in view.columns()]:
                continue  # made by another version: it waits for its rebuild
            yield self._mirrored_view(reading, generation, view, cursor)

    def _mirrored_view(self, reading: Reading, generation: Generation, view: type[View[Any]], cursor: str) -> ViewPart:
        columns = view.columns()
        schema = view_schema(columns)
        rows = reading.scan(generation, [column.name for column in columns], primary_key(view))
        batches = iter(lambda: list(islice(rows, LIMITS.mirror_page_touchpoints)), [])
        name, path = self._files.new("views", generation.view)
        count = written_whole(path, schema, (view_table(schema, batch) for batch in batches))
        return ViewPart(file=name, rows=count, view=generation.view, generation=generation.number, cursor=cursor)
