-- New facts, which nearly all that is sent are: stored without a look-up of each id, all or none. Whether one was known
-- before is left to the unique keys; then the answer is no row, nothing is stored, and append_v1 judges them all.
--
-- Drafts come as one array per column, in order. The answer's two arrays have a place for each of them.
CREATE FUNCTION lifecircle.append_facts_v1(
    buckets integer[], streams text[], kinds text[], ids text[], sources text[], occurred_times bigint[],
    recorders text[], states bytea[]
) RETURNS TABLE (recorded bigint, numbers bigint[], versions bigint[])
LANGUAGE plpgsql
SET search_path = pg_catalog, lifecircle, pg_temp
-- A plan made while the table is empty or unanalysed would scan it, and stay cached as it grows: only look-ups by index.
SET enable_seqscan = off
AS $body$
#variable_conflict use_column
BEGIN
    recorded := take_locks_v1(buckets);
    WITH first_seen AS (
        SELECT g.*, row_number() OVER its_stream AS nth, row_number() OVER its_bucket AS place
        FROM unnest(buckets, streams, kinds, ids, sources, occurred_times, recorders, states) WITH ORDINALITY
             AS g (bucket, stream, kind, id, source, occurred, recordedby, state, ordinal)
        WINDOW its_stream AS (PARTITION BY g.bucket, g.stream ORDER BY g.ordinal),
               its_bucket AS (PARTITION BY g.bucket ORDER BY g.ordinal)
    ), numbered AS (
        -- What stood before is looked up once for each stream and bucket, at its first draft.
        SELECT f.*,
               f.nth + max(CASE WHEN f.nth = 1 THEN coalesce((
                   SELECT t.version FROM touchpoints AS t
                   WHERE t.bucket = f.bucket AND t.stream = f.stream ORDER BY t.version DESC LIMIT 1), 0) END)
               OVER (PARTITION BY f.bucket, f.stream ORDER BY f.ordinal) AS version,
               f.place + max(CASE WHEN f.place = 1 THEN coalesce((
                   SELECT t.number FROM touchpoints AS t
                   WHERE t.bucket = f.bucket ORDER BY t.number DESC LIMIT 1), 0) END)
               OVER (PARTITION BY f.bucket ORDER BY f.ordinal) AS number
        FROM first_seen AS f
    ), stored AS (
        INSERT INTO touchpoints
            (bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state)
        SELECT n.bucket, n.number, n.stream, n.version, n.kind, n.id, n.source, n.occurred, append_facts_v1.recorded,
               n.recordedby, n.state
        FROM numbered AS n
    )
    SELECT array_agg(n.number ORDER BY n.ordinal), array_agg(n.version ORDER BY n.ordinal)
        INTO append_facts_v1.numbers, append_facts_v1.versions FROM numbered AS n;
    RETURN NEXT;
EXCEPTION WHEN unique_violation THEN
    RETURN;
END
$body$;
