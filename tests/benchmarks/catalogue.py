"""Every benchmark there is, in the order in which a round runs them."""

from functools import partial

from adapters.engine import Engine
from tests.benchmarks import appends, audits, funnels, imports, latency, limits, peers, processes, reads, rebuilds
from tests.benchmarks.measures import Aim, Figures, Measure, Ratio, at_least, at_most

_ONE = "one client, one by one"
_TASKS, _THREADS = "64 producers, tasks", "64 producers, threads"
_PROCESSES = "8 processes, 64 producers in all"
_GROWTH: dict[str, Aim | None] = {
    "import_10m_time_x": at_most(1.2),
    "rebuild_10m_time_x": at_most(1.2),
    "import_1m_s": None,
    "import_10m_s": None,
    "rebuild_1m_s": None,
    "rebuild_10m_s": None,
    "import_peak_mb_1m": None,
    "import_peak_mb_10m": None,
    "rebuild_peak_mb_1m": None,
    "rebuild_peak_mb_10m": None,
}
_AUDIT_PEAKS: dict[str, Aim | None] = {
    f"{work}_peak_mb_{size}": None for work in ("seal", "verify", "prove") for size in ("tenth", "all")
}

MEASURES: tuple[Measure, ...] = (
    Ratio("append_1_x", _ONE, "postgresql", appends.stock_append_1, appends.append_1, at_least(2.5)),
    Ratio("append_64_x", _TASKS, "postgresql", appends.stock_append_64, appends.append_tasks, at_least(20)),
    Ratio(
        "append_64_threads_x", _THREADS, "postgresql", appends.stock_append_64, appends.append_64_threads, at_least(10)
    ),
    Ratio(
        "append_64_buckets_4_x",
        "64 producers, tasks, four buckets",
        "postgresql",
        appends.stock_append_64,
        partial(appends.append_tasks, create=partial(Engine.create, buckets=4)),
    ),
    Ratio(
        "append_8_processes_x",
        _PROCESSES,
        "postgresql",
        processes.stock_append_processes,
        processes.append_processes,
        at_least(5),
    ),
    Ratio(
        "append_sealed_x",
        "64 producers, tasks, a personal field in each sealed, against unsealed",
        "postgresql",
        appends.append_unsealed,
        appends.append_sealed,
        at_least(0.7),
    ),
    Ratio(
        "append_partly_sealed_x",
        "64 producers, tasks, personal fields of contacts sealed, against unsealed",
        "postgresql",
        appends.append_partly_unsealed,
        appends.append_partly_sealed,
        at_least(0.7),
    ),
    Ratio("batch_100_x", "batches of 100", "postgresql", appends.stock_batch(100), appends.batch(100)),
    Ratio(
        "batch_1000_x", "batches of 1,000", "postgresql", appends.stock_batch(1_000), appends.batch(1_000), at_least(3)
    ),
    Ratio("read_x", "reading the log", "postgresql", reads.stock_read(decoded=False), reads.read(decoded=False)),
    Ratio(
        "read_decoded_x",
        "reading the log, decoded",
        "postgresql",
        reads.stock_read(decoded=True),
        reads.read(decoded=True),
        at_least(3),
    ),
    Ratio(
        "history_p50_x", "one customer's history", "postgresql", reads.stock_history, reads.history, at_most(1), "ms"
    ),
    Ratio(
        "rebuild_x",
        "rebuilding three views",
        "postgresql",
        rebuilds.stock_rebuild,
        rebuilds.rebuild_three,
        at_least(100),
    ),
    Ratio(
        "rebuild_all_x",
        "rebuilding every view, the peer three",
        "postgresql",
        rebuilds.stock_rebuild,
        rebuilds.rebuild_all,
        at_least(40),
    ),
    Ratio(
        "import_copy_x", "import, against bare COPY", "postgresql", imports.bare_copy, imports.import_csv, at_least(0.3)
    ),
    Figures(
        "append until its receipt, fixed rate",
        "postgresql",
        {"append_p50_ms": None, "append_p99_ms": None},
        latency.append_latency,
    ),
    Figures(
        "append until seen in a view, fixed rate",
        "postgresql",
        {"live_p50_ms": None, "live_p99_ms": at_most(50)},
        latency.live_latency,
    ),
    Figures(
        "long life against one of ten",
        "postgresql",
        {
            "long_life_append_x": at_least(0.8),
            "long_life_strict_x": None,
            "long_life_append_per_s": None,
            "long_life_strict_per_s": None,
        },
        appends.long_life,
    ),
    Figures(
        "64 producers, one subject: most by least",
        "postgresql",
        {
            "hot_customer_x": at_most(2),
            "hot_customer_per_s": None,
            "hot_customer_threads_x": at_most(2),
            "hot_customer_threads_per_s": None,
        },
        appends.hot_customer,
    ),
    Ratio("sqlite_append_1_x", _ONE, "sqlite", appends.stock_append_1, appends.append_1, at_least(1)),
    Ratio("sqlite_append_64_x", _TASKS, "sqlite", appends.stock_append_64, appends.append_tasks, at_least(2)),
    Ratio("sqlite_append_64_threads_x", _THREADS, "sqlite", appends.stock_append_64, appends.append_64_threads),
    Ratio(
        "sqlite_append_8_processes_x",
        _PROCESSES,
        "sqlite",
        processes.stock_append_processes,
        processes.append_processes,
    ),
    Ratio("sqlite_batch_100_x", "batches of 100", "sqlite", appends.stock_batch(100), appends.batch(100)),
    Ratio(
        "sqlite_batch_1000_x",
        "batches of 1,000",
        "sqlite",
        appends.stock_batch(1_000),
        appends.batch(1_000),
        at_least(1),
    ),
    Ratio(
        "sqlite_read_x",
        "reading the log",
        "sqlite",
        reads.stock_read(decoded=False),
        reads.read(decoded=False),
        at_least(1),
    ),
    Ratio(
        "sqlite_read_decoded_x",
        "reading the log, decoded",
        "sqlite",
        reads.stock_read(decoded=True),
        reads.read(decoded=True),
    ),
    Ratio("sqlite_history_p50_x", "one customer's history", "sqlite", reads.stock_history, reads.history, None, "ms"),
    Figures(
        "a funnel over all history, from the mirror",
        "sqlite",
        {"funnel_per_s": at_least(1_000_000), "funnel_strict_per_s": None, "mirror_per_s": None},
        funnels.funnel,
    ),
    Figures("rebuilding three views", "sqlite", {"sqlite_rebuild_per_s": None}, rebuilds.rebuild_figure),
    Figures("import", "sqlite", {"sqlite_import_per_s": None}, imports.import_figure),
    Figures(
        "one who waits for the disk", "postgresql", {"disk_fsync_per_s": None, "pg_commit_per_s": None}, limits.disk
    ),
    Figures("bare COPY", "postgresql", {"copy_unindexed_per_s": None, "copy_ours_per_s": None}, limits.copies),
    Figures(
        "plain psycopg, batches of 1,000",
        "postgresql",
        {"psycopg_executemany_per_s": None, "psycopg_unnest_per_s": None, "psycopg_copy_per_s": None},
        limits.psycopg_ways,
    ),
    Figures(
        "plain sqlite3, one by one and by 1,000",
        "sqlite",
        {"sqlite3_1_per_s": None, "sqlite3_1000_per_s": None},
        limits.sqlite_ways,
    ),
    Figures(
        "three aggregations over typed Parquet",
        "parquet",
        {"duckdb_three_views_per_s": None, "polars_three_views_per_s": None},
        limits.analysis,
    ),
    Figures(
        "sealing, verifying all of it, and 1,000 of one customer",
        "postgresql",
        {"seal_per_s": at_least(50_000), "verify_per_s": at_least(100_000), "bundle_1000_ms": at_most(100)},
        audits.audited,
    ),
    Figures(
        "recorded until signed, fixed rate",
        "postgresql",
        {"seal_lag_max_ms": at_most(1_000)},
        audits.seal_lag,
    ),
    Figures(
        "sealing, and verifying all of it",
        "sqlite",
        {"sqlite_seal_per_s": at_least(50_000), "sqlite_verify_per_s": at_least(100_000)},
        audits.audited_sqlite,
    ),
    Figures(
        "the memory of audits, and in a tenth of the log", "postgresql", _AUDIT_PEAKS, audits.audit_memory, once=True
    ),
    Figures("ten times as much", "postgresql", _GROWTH, imports.growth, once=True),
)

PEERS: tuple[Measure, ...] = (
    Ratio("umadb_append_64_x", "64 producers, against UmaDB", "postgresql", peers.umadb_64, appends.append_tasks),
    Ratio(
        "emmett_append_8_x",
        "8 producers, against Emmett",
        "postgresql",
        peers.emmett_8,
        partial(appends.append_tasks, producers=peers.FEW),
    ),
)

SHORT = (
    "append_1_x",
    "append_64_x",
    "append_64_threads_x",
    "batch_100_x",
    "batch_1000_x",
    "read_x",
    "read_decoded_x",
    "history_p50_x",
    "rebuild_x",
    "import_copy_x",
    "sqlite_append_64_x",
    "sqlite_batch_1000_x",
    "sqlite_read_x",
)
"""The ratios that a few seconds show well enough to notice a loss."""
