"""Where a funnel's touchpoints come from: the columns of a mirror, or the log itself, with the same answer."""

# pyright: reportAttributeAccessIssue=false
# Arrow makes its functions of computation as it is imported, so no checker finds them.

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adapters.engine import Engine
from adapters.extensions import load_extensions
from adapters.funnels.conversion import Ints, Sightings
from adapters.mirror.columns import AT, ORDER, SEQUENCE, STREAM, SUBJECT, VERSION, WRITTEN
from adapters.mirror.folded import folded_as
from adapters.mirror.manifest import Manifest, MirrorUnusable
from adapters.mirror.parts import Replaced, read_parts
from adapters.views.histories import Parked, histories
from domain.company import Company
from domain.funnel import Condition, Funnel, FunnelInvalid, Step

_COMPARED = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def from_log(engine: Engine, funnel: Funnel, as_of: int | None, parked: Parked) -> Sightings:
    """Read every history of a log.

    Args:
        engine: the log.
        funnel: what is asked.
        as_of: leaves out what occurred later, in microseconds since 1970 UTC.
        parked: told of what cannot be folded.

    Raises:
        FunnelInvalid: nothing had occurred by then.
    """
    numbers = tuple(array("q") for _ in range(4))
    customers, times, steps, by = numbers
    names, values, began = list[str](), dict[Any, int](), None
    every = funnel.order == "strict"
    for root, facts in histories(engine.log, engine.url, engine.log.heads(), parked):
        names.append(root)
        began = facts[0].at if facts and (began is None or facts[0].at < began) else began
        for fact in facts:
            if as_of is not None and fact.at > as_of:
                break
            bits = sum(step.matches(fact) << place for place, step in enumerate(funnel.steps))
            if not (bits or every):
                continue
            customers.append(len(names) - 1)
            times.append(fact.at)
            steps.append(bits)
            value = funnel.by.read(fact) if funnel.by and bits & 1 else None
            by.append(-1 if value is None else values.setdefault(value, len(values)))
    _check_as_of(as_of, began, engine.company)
    columns = [np.frombuffer(each, np.int64) for each in numbers]
    return Sightings(columns[0], columns[1], columns[2], columns[3], names, list(values))


def _check_as_of(as_of: int | None, began: int | None, company: Company) -> None:
    if as_of is None or began is None or as_of >= began:
        return
    raise FunnelInvalid(
        "the log begins after this moment",
        where="as-of",
        rule=f"the first touchpoint of all occurred on {company.day_at(began)}",
        way_out="ask as of that day or a later one",
    )


def from_mirror(folder: Path, manifest: Manifest, funnel: Funnel, as_of: int | None) -> Sightings:
    """Read the columns that a funnel needs from a mirror.

    Raises:
        MirrorUnusable: its columns are those of another version, or of other packages.
        FunnelInvalid: nothing had occurred by then.
    """
    load_extensions()  # their kinds have columns too
    company, history = Company(zone=manifest.zone), manifest.history
    if history.folded_as != folded_as(company):
        raise MirrorUnusable(
            "the history in the mirror has the columns of another version of lifecircle or of its packages",
            where=str(folder),
            rule="a funnel reads columns as this version knows them",
            way_out="bring the mirror up to date with: lifecircle mirror FOLDER",
        )
    _check_as_of(as_of, history.began, company)
    wanted = dict.fromkeys(step.kind for step in funnel.steps)
    kinds = dict.fromkeys(part.kind for part in history.parts) if funnel.order == "strict" else wanted
    replaced = Replaced.read(folder, manifest)
    slices = [
        found
        for kind in kinds
        for found in _slices(
            folder, [part.file for part in history.parts if part.kind == kind], funnel, kind, replaced, as_of
        )
    ]
    return _in_order(slices, funnel)


class _Slice(NamedTuple):
    """Rows of one file that matter."""

    table: pa.Table
    steps: Ints
    by: pa.Array | None


def _slices(
    folder: Path, files: Sequence[str], funnel: Funnel, kind: str, replaced: Replaced, as_of: int | None
) -> Iterator[_Slice]:
    mine = [(place, step) for place, step in enumerate(funnel.steps) if step.kind == kind]
    by = funnel.by.name if funnel.by and funnel.steps[0].kind == kind else None
    names = {condition.column.name for _, step in mine for condition in step.conditions} | ({by} if by else set())
    for read in read_parts(folder, files, [*ORDER, WRITTEN, *sorted(names - {*ORDER})]):
        table = replaced.standing(read)
        if as_of is not None:
            table = table.filter(pc.less_equal(table.column(AT).cast(pa.int64()), as_of))
        steps = np.zeros(table.num_rows, np.int64)
        for place, step in mine:
            steps |= _matching(table, step) << place
        if funnel.order == "loose":
            matching = pa.array(steps != 0)
            table, steps = table.filter(matching), steps[steps != 0]
        yield _Slice(table, steps, _plain(table.column(by).combine_chunks()) if by else None)


def _matching(table: pa.Table, step: Step) -> Ints:
    found = np.ones(table.num_rows, np.int64)
    for condition in step.conditions:
        found &= _holding(table, condition)
    return found


def _holding(table: pa.Table, condition: Condition) -> Ints:
    cells, compare = table.column(condition.column.name).combine_chunks(), _COMPARED[condition.operator]
    if pa.types.is_dictionary(cells.type):
        holds = compare(cells.dictionary, condition.value).take(cells.indices)
    else:
        holds = compare(cells.cast(pa.int64()) if pa.types.is_timestamp(cells.type) else cells, condition.value)
    numbers: Ints = pc.fill_null(holds, False).to_numpy(zero_copy_only=False).astype(np.int64)  # noqa: FBT003 - arrow's
    return numbers


def _in_order(slices: Sequence[_Slice], funnel: Funnel) -> Sightings:
    """Put the rows of all files into the order of each customer's history."""
    if not slices:
        none = np.empty(0, np.int64)
        return Sightings(none, none, none, none, [], [])
    table = pa.concat_tables([each.table.select(list(ORDER)) for each in slices])
    customer, names = _numbered(table.column(SUBJECT))
    at: Ints = table.column(AT).cast(pa.int64()).to_numpy()
    order = np.lexsort((at, customer))
    tied = (customer[order][1:] == customer[order][:-1]) & (at[order][1:] == at[order][:-1])
    if tied.any():
        _untie(order, tied, customer, at, table)
    by, values = np.full(len(at), -1, np.int64), list[Any]()
    if funnel.by:
        told = [each.by for each in slices if each.by is not None]
        form = told[0].type if told else pa.string()
        cells = [pa.nulls(len(each.steps), form) if each.by is None else each.by for each in slices]
        by, values = _numbered(pa.chunked_array(cells, form).dictionary_encode())
    steps: Ints = np.concatenate([each.steps for each in slices])
    return Sightings(customer[order].astype(np.int64), at[order], steps[order], by[order], names, values)


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _numbered(column: pa.ChunkedArray) -> tuple[Ints, list[Any]]:
    """A number for each value, -1 for none, and what the numbers stand for."""
    unified = column.unify_dictionaries()
    indices = pa.chunked_array([chunk.indices for chunk in unified.chunks], pa.int32())
    numbers = pc.fill_null(indices, -1).to_numpy()
    return numbers, unified.chunk(0).dictionary.to_pylist() if unified.num_chunks else []


def _untie(order: Ints, tied: "np.ndarray[Any, np.dtype[np.bool_]]", customer: Ints, at: Ints, table: pa.Table) -> None:
    """Put rows of one customer and one instant into their order: by sequence, stream and version."""
    among = np.concatenate((tied, [False])) | np.concatenate(([False], tied))
    rows = order[among]
    told = table.select([SEQUENCE, STREAM, VERSION]).take(pa.array(rows))
    streams, names = _numbered(told.column(STREAM))
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(np.array(names, object))] = np.arange(len(names))
    keys = (told.column(VERSION).to_numpy(), rank[streams], told.column(SEQUENCE).to_numpy(), at[rows], customer[rows])
    order[among] = rows[np.lexsort(keys)]
