"""Effective history as one Parquet file, with the columns of a mirror's history and the whole payload as JSON."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import IO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from adapters.export.told import Histories
from adapters.mirror.columns import PLAIN, history_schema, history_table
from adapters.settings import LIMITS
from domain.company import Company
from domain.touchpoint import Fact

_DATA = pa.field("data", pa.string(), metadata={"meaning": "all fields of the kind, as JSON"})
_SCHEMA = pa.schema([*(history_schema("").field(name) for name in PLAIN), _DATA])


def write_parquet(into: IO[bytes], histories: Histories, company: Company) -> int:
    """Write every fact as a row; how many it were."""
    facts = chain.from_iterable(((root, fact) for fact in history) for root, history in histories)
    count = 0
    with pq.ParquetWriter(into, _SCHEMA, compression="zstd", write_page_checksum=True) as writer:
        for rows in _batches(facts):
            payloads = pa.array([orjson.dumps(fact.data).decode() for _, fact in rows], pa.string())
            table = history_table("", rows, company, 0).select(list(PLAIN)).append_column(_DATA, payloads)
            writer.write_table(table)
            count += len(rows)
    return count


def _batches(facts: Iterator[tuple[str, Fact]]) -> Iterator[list[tuple[str, Fact]]]:
    return iter(lambda: list(islice(facts, LIMITS.mirror_page_touchpoints)), [])
