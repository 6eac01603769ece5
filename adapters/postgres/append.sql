-- The one way into the log. Every write, the library recorder's too, is a call of this function; a changed one gets
-- the next suffix, so that programs of two versions can share a database.
--
-- Drafts come as one array per column, in order; `groups` numbers the group that each belongs to. `versions` is null,
-- or gives each draft's version itself (the library's recorder does; it has no ids). The last four arrays name the
-- version that a group expects a stream to be at. The caller sees to it that within one call an id comes once, and
-- that a stream with an expected version is named by one group only: so groups cannot meet, and can be judged as one set.
--
-- One row per draft, in order. verdict: stored (or repeat), reused, mixed, moved; the first that applies to its group.
CREATE FUNCTION lifecircle.append_v1(
    groups integer[], buckets integer[], streams text[], versions bigint[], kinds text[], ids text[], sources text[],
    occurred_times bigint[], recorders text[], states bytea[],
    expecting integer[], expected_buckets integer[], expected_streams text[], expected_versions bigint[]
) RETURNS TABLE (
    verdict text, number bigint, version bigint, recorded bigint, repeat boolean, differs boolean,
    moved_stream text, moved_to bigint
)
LANGUAGE plpgsql
SET search_path = pg_catalog, lifecircle, pg_temp
-- A plan made while the table is empty or unanalysed would scan it, and stay cached as it grows: only look-ups by index.
SET enable_seqscan = off
SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan
AS $body$
#variable_conflict use_column
DECLARE
    locked integer;
    now_us bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- An older snapshot would not see what was committed while we waited for the lock.
        RAISE EXCEPTION 'append needs READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        -- A receipt is a promise: it must not be given before the disk has it.
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- One writer at a time in each bucket, until its transaction ends: numbers are given in the order of commits. In
    -- ascending order, so that two calls cannot wait for each other. 1818453603 is 'lcic'; nothing else uses it.
    FOR locked IN SELECT DISTINCT b FROM unnest(buckets || expected_buckets) AS b ORDER BY b LOOP
        PERFORM pg_advisory_xact_lock(1818453603, locked);
    END LOOP;
    now_us := extract(epoch FROM clock_timestamp()) * 1000000;
    PERFORM pg_notify('lifecircle', '');

    RETURN QUERY
    WITH given AS MATERIALIZED (
        SELECT g.*, known.number AS known_number, known.version AS known_version, known.recorded AS known_recorded,
               known.same
        FROM unnest(groups, buckets, streams, versions, kinds, ids, sources, occurred_times, recorders, states)
             WITH ORDINALITY
             AS g (grp, bucket, stream, version, kind, id, source, occurred, recordedby, state, ordinal)
        LEFT JOIN LATERAL (
            SELECT t.number, t.version, t.recorded, t.state = g.state AS same
            FROM touchpoints AS t
            WHERE t.bucket = g.bucket AND t.stream = g.stream AND t.source = g.source AND t.id = g.id
        ) AS known ON true
    ), heads AS MATERIALIZED (
        -- One look-up by index for each stream. An aggregate over them all may become a scan of the whole table.
        SELECT s.bucket, s.stream, coalesce(h.version, 0) AS version
        FROM (
            SELECT g.bucket, g.stream FROM unnest(buckets, streams) AS g (bucket, stream)
            UNION SELECT e.bucket, e.stream FROM unnest(expected_buckets, expected_streams) AS e (bucket, stream)
        ) AS s
        LEFT JOIN LATERAL (
            SELECT t.version FROM touchpoints AS t
            WHERE t.bucket = s.bucket AND t.stream = s.stream ORDER BY t.version DESC LIMIT 1
        ) AS h ON true
    ), lasts AS MATERIALIZED (
        SELECT b.bucket, coalesce(l.number, 0) AS number, l.recorded
        FROM (SELECT DISTINCT u.bucket FROM unnest(buckets) AS u (bucket)) AS b
        LEFT JOIN LATERAL (
            SELECT t.number, t.recorded FROM touchpoints AS t
            WHERE t.bucket = b.bucket ORDER BY t.number DESC LIMIT 1
        ) AS l ON true
    ), moved AS (
        SELECT DISTINCT ON (e.grp) e.grp, e.stream, h.version
        FROM unnest(expecting, expected_buckets, expected_streams, expected_versions)
             WITH ORDINALITY AS e (grp, bucket, stream, version, ordinal)
        JOIN heads AS h ON h.bucket = e.bucket AND h.stream = e.stream
        WHERE h.version <> e.version
        ORDER BY e.grp, e.ordinal
    ), judged AS MATERIALIZED (
        SELECT j.grp, m.stream, m.version,
               CASE WHEN j.differs THEN 'reused'
                    WHEN j.all_known THEN 'stored'
                    WHEN j.any_known AND j.grp = ANY (expecting) THEN 'mixed'
                    WHEN m.grp IS NOT NULL THEN 'moved'
                    ELSE 'stored' END AS verdict
        FROM (
            SELECT g.grp, coalesce(bool_or(NOT g.same), false) AS differs,
                   bool_and(g.known_number IS NOT NULL) AS all_known, bool_or(g.known_number IS NOT NULL) AS any_known
            FROM given AS g GROUP BY g.grp
        ) AS j
        LEFT JOIN moved AS m ON m.grp = j.grp
    ), numbered AS MATERIALIZED (
        SELECT g.ordinal, g.bucket, g.stream, g.kind, g.id, g.source, g.occurred, g.recordedby, g.state,
               l.number + row_number() OVER (PARTITION BY g.bucket ORDER BY g.ordinal) AS number,
               coalesce(g.version, h.version
                        + row_number() OVER (PARTITION BY g.bucket, g.stream ORDER BY g.ordinal)) AS version,
               greatest(now_us, (SELECT max(r.recorded) FROM lasts AS r)) AS recorded
        FROM given AS g
        JOIN judged AS j ON j.grp = g.grp AND j.verdict = 'stored'
        JOIN heads AS h ON h.bucket = g.bucket AND h.stream = g.stream
        JOIN lasts AS l ON l.bucket = g.bucket
        WHERE g.known_number IS NULL
    ), stored AS (
        INSERT INTO touchpoints
            (bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state)
        SELECT n.bucket, n.number, n.stream, n.version, n.kind, n.id, n.source, n.occurred, n.recorded, n.recordedby,
               n.state
        FROM numbered AS n ORDER BY n.ordinal
    )
    SELECT j.verdict, coalesce(g.known_number, n.number), coalesce(g.known_version, n.version),
           coalesce(g.known_recorded, n.recorded), g.known_number IS NOT NULL, coalesce(NOT g.same, false),
           j.stream, j.version
    FROM given AS g
    JOIN judged AS j ON j.grp = g.grp
    LEFT JOIN numbered AS n ON n.ordinal = g.ordinal
    ORDER BY g.ordinal;
END
$body$;
