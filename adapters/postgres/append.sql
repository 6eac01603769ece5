-- The way into the log. Every write is a call of append_v1, the library recorder's too, or of append_facts_v1 or
-- append_one_v1 (steps/2.sql); a changed function gets the next suffix, so that programs of two versions can share a
-- database. They run with the rights of their owner and see no name but those of the log, so that nobody else needs the
-- right to write its table.

-- Lock buckets for writing until the transaction ends, and tell the time that what is written was recorded at, in
-- microseconds since 1970 UTC: after all that was recorded in any of them, also when the clock was set back. So what
-- follows on something else was recorded after it, in whichever buckets the two stand.
CREATE FUNCTION lifecircle.take_locks_v1(buckets integer[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, lifecircle, pg_temp
AS $body$
DECLARE
    locked integer;
    last_us bigint;
    recorded_us bigint := 0;
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
    FOR locked IN SELECT DISTINCT b FROM unnest(buckets) AS b ORDER BY b LOOP
        PERFORM pg_advisory_xact_lock(1818453603, locked);
        SELECT t.recorded INTO last_us FROM touchpoints AS t WHERE t.bucket = locked ORDER BY t.number DESC LIMIT 1;
        recorded_us := greatest(recorded_us, last_us);
    END LOOP;
    IF current_setting('lifecircle.quiet', true) IS DISTINCT FROM 'on' THEN
        -- The server commits what notifies one after the other. That costs a log of one bucket nothing; where buckets
        -- commit side by side, the client asks for quiet, and notifies once it has committed.
        PERFORM pg_notify('lifecircle', '');
    END IF;
    RETURN greatest(recorded_us + 1, extract(epoch FROM clock_timestamp()) * 1000000);
END
$body$;

-- Drafts come as one array per column, in order; `groups` numbers the group that each belongs to. `versions` is null,
-- or gives each draft's version itself (the library's recorder does; it has no ids). The last four arrays name the
-- version that a group expects a stream to be at. The caller sees to it that within one call an id comes once, and
-- that a stream with an expected version is named by one group only: so groups cannot meet, and can be judged as one set.
--
-- `hmacs` may be shorter than the other columns, and is null for content that is not sealed. What is sealed differs each
-- time, so content is the same where the bytes are, or where the HMACs are.
--
-- One row per draft, in order. verdict: stored (or repeat), reused, mixed, moved; the first that applies to its group.
-- digest: of a repeat, the SHA-256 of the bytes that are stored.
CREATE FUNCTION lifecircle.append_v1(
    groups integer[], buckets integer[], streams text[], versions bigint[], kinds text[], ids text[], sources text[],
    occurred_times bigint[], recorders text[], states bytea[], hmacs bytea[],
    expecting integer[], expected_buckets integer[], expected_streams text[], expected_versions bigint[]
) RETURNS TABLE (
    verdict text, number bigint, version bigint, recorded bigint, repeat boolean, differs boolean,
    moved_stream text, moved_to bigint, digest bytea
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, lifecircle, pg_temp
-- A plan made while the table is empty or unanalysed would scan it, and stay cached as it grows: only look-ups by index.
SET enable_seqscan = off
AS $body$
#variable_conflict use_column
-- A name that is a column and a result is the column; the result is written append_v1.name.
DECLARE
    alone boolean;
    now_us bigint;
BEGIN
    -- Nearly always a call of one draft; the lock of a subject's bucket is enough, when no other subject is expected.
    alone := cardinality(streams) = 1 AND (cardinality(expecting) = 0 OR expected_streams = streams);
    now_us := take_locks_v1(CASE WHEN alone THEN buckets ELSE buckets || expected_buckets END);

    IF alone THEN
        -- One draft alone is the commonest call, and to start the large statement costs more than all of its work.
        SELECT t.number, t.version, t.recorded, sha256(t.state),
               t.state <> states[1] AND (t.content_hmac = hmacs[1]) IS NOT TRUE
            INTO append_v1.number, append_v1.version, append_v1.recorded, append_v1.digest, append_v1.differs
            FROM touchpoints AS t
            WHERE t.bucket = buckets[1] AND t.stream = streams[1] AND t.source = sources[1] AND t.id = ids[1];
        repeat := FOUND;
        IF repeat THEN
            verdict := CASE WHEN append_v1.differs THEN 'reused' ELSE 'stored' END;
            RETURN NEXT;
            RETURN;
        END IF;
        differs := false;
        moved_to := coalesce((SELECT t.version FROM touchpoints AS t WHERE t.bucket = buckets[1]
                              AND t.stream = streams[1] ORDER BY t.version DESC LIMIT 1), 0);
        IF moved_to <> expected_versions[1] THEN
            verdict := 'moved';
            moved_stream := streams[1];
            RETURN NEXT;
            RETURN;
        END IF;
        verdict := 'stored';
        number := coalesce((SELECT t.number FROM touchpoints AS t WHERE t.bucket = buckets[1]
                            ORDER BY t.number DESC LIMIT 1), 0) + 1;
        version := coalesce(versions[1], moved_to + 1);
        recorded := now_us;
        INSERT INTO touchpoints
                (bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state, content_hmac)
            VALUES (buckets[1], append_v1.number, streams[1], append_v1.version, kinds[1], ids[1], sources[1],
                    occurred_times[1], append_v1.recorded, recorders[1], states[1], hmacs[1]);
        RETURN NEXT;
        RETURN;
    END IF;

    RETURN QUERY
    WITH moved AS (
        SELECT DISTINCT ON (e.grp) e.grp, e.stream, coalesce(h.version, 0) AS version
        FROM unnest(expecting, expected_buckets, expected_streams, expected_versions)
             WITH ORDINALITY AS e (grp, bucket, stream, version, ordinal)
        LEFT JOIN LATERAL (
            SELECT t.version FROM touchpoints AS t
            WHERE t.bucket = e.bucket AND t.stream = e.stream ORDER BY t.version DESC LIMIT 1
        ) AS h ON true
        WHERE e.version <> coalesce(h.version, 0)
        ORDER BY e.grp, e.ordinal
    ), lasts AS (
        SELECT b.bucket, coalesce(l.number, 0) AS number
        FROM (SELECT DISTINCT u.bucket FROM unnest(buckets) AS u (bucket)) AS b
        LEFT JOIN LATERAL (
            SELECT t.number FROM touchpoints AS t WHERE t.bucket = b.bucket ORDER BY t.number DESC LIMIT 1
        ) AS l ON true
    ), given AS (
        -- One look-up by index for each draft. (An aggregate over all streams may become a scan of the whole table;
        -- LIMIT keeps each look-up from becoming a join with it.)
        SELECT g.*, known.number AS known_number, known.version AS known_version, known.recorded AS known_recorded,
               known.state <> g.state AND (known.content_hmac = g.content_hmac) IS NOT TRUE AS differs,
               sha256(known.state) AS digest, coalesce(head.version, 0) AS head
        FROM unnest(groups, buckets, streams, versions, kinds, ids, sources, occurred_times, recorders, states, hmacs)
             WITH ORDINALITY
             AS g (grp, bucket, stream, version, kind, id, source, occurred, recordedby, state, content_hmac, ordinal)
        LEFT JOIN LATERAL (
            SELECT t.number, t.version, t.recorded, t.state, t.content_hmac FROM touchpoints AS t
            WHERE t.bucket = g.bucket AND t.stream = g.stream AND t.source = g.source AND t.id = g.id LIMIT 1
        ) AS known ON true
        LEFT JOIN LATERAL (
            SELECT t.version FROM touchpoints AS t
            WHERE t.bucket = g.bucket AND t.stream = g.stream ORDER BY t.version DESC LIMIT 1
        ) AS head ON true
    ), weighed AS (
        SELECT g.*, coalesce(bool_or(g.differs) OVER its_group, false) AS any_differs,
               bool_or(g.known_number IS NULL) OVER its_group AS any_new,
               bool_or(g.known_number IS NOT NULL) OVER its_group AS any_known
        FROM given AS g WINDOW its_group AS (PARTITION BY g.grp)
    ), judged AS (
        SELECT w.*, m.stream AS moved_stream, m.version AS moved_to,
               CASE WHEN w.any_differs THEN 'reused'
                    WHEN NOT w.any_new THEN 'stored'
                    WHEN w.any_known AND w.grp = ANY (expecting) THEN 'mixed'
                    WHEN m.grp IS NOT NULL THEN 'moved'
                    ELSE 'stored' END AS verdict
        FROM weighed AS w LEFT JOIN moved AS m ON m.grp = w.grp
    ), chosen AS (
        SELECT j.*, j.verdict = 'stored' AND j.known_number IS NULL AS fresh FROM judged AS j
    ), numbered AS MATERIALIZED (
        SELECT c.*, l.number + count(*) FILTER (WHERE c.fresh) OVER (PARTITION BY c.bucket ORDER BY c.ordinal)
                   AS next_number,
               coalesce(c.version, c.head + count(*) FILTER (WHERE c.fresh)
                                            OVER (PARTITION BY c.bucket, c.stream ORDER BY c.ordinal)) AS next_version
        FROM chosen AS c JOIN lasts AS l ON l.bucket = c.bucket
    ), stored AS (
        INSERT INTO touchpoints
            (bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state, content_hmac)
        SELECT n.bucket, n.next_number, n.stream, n.next_version, n.kind, n.id, n.source, n.occurred, now_us,
               n.recordedby, n.state, n.content_hmac
        FROM numbered AS n WHERE n.fresh ORDER BY n.ordinal
    )
    SELECT n.verdict, coalesce(n.known_number, n.next_number), coalesce(n.known_version, n.next_version),
           coalesce(n.known_recorded, now_us), n.known_number IS NOT NULL, coalesce(n.differs, false),
           n.moved_stream, n.moved_to, n.digest
    FROM numbered AS n ORDER BY n.ordinal;
END
$body$;
