-- New facts, which nearly all that is sent are: stored without a look-up of each id, all or none. Whether one was known
-- before is left to the unique keys; then the answer is no row, nothing is stored, and append_v1 judges them all.
--
-- Three tables come as arrays. `touched` are the buckets. `streams` are the streams, each once, and `stream_buckets` the
-- place of each one's bucket in `touched`. Then the drafts, in order: `lives` is the place of each one's stream in
-- `streams`, `steps` its place among the drafts of that stream, and `places` its place among those of that bucket.
-- `hmacs` may end before the others: it is null for what is not sealed.
-- Whoever sends them can count, and a server that sorts to count needs longer than for the look-ups.
--
-- The answer: what stood before, the last version of each stream (heads) and the last number of each bucket (lasts).
CREATE FUNCTION lifecircle.append_facts_v1(
    touched integer[], streams text[], stream_buckets integer[], lives integer[], steps integer[], places integer[],
    kinds text[], ids text[], sources text[], occurred_times bigint[], recorders text[], states bytea[], hmacs bytea[]
) RETURNS TABLE (recorded bigint, heads bigint[], lasts bigint[])
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, lifecircle, pg_temp
-- A plan made while the table is empty or unanalysed would scan it, and stay cached as it grows: only look-ups by index.
SET enable_seqscan = off
-- The arrays' lengths are seen by the planner, which would plan for each anew.
SET plan_cache_mode = force_generic_plan
AS $body$
#variable_conflict use_column
BEGIN
    recorded := take_locks_v1(touched);
    lasts := ARRAY(
        SELECT coalesce((SELECT t.number FROM touchpoints AS t
                         WHERE t.bucket = b.bucket ORDER BY t.number DESC LIMIT 1), 0)
        FROM unnest(touched) WITH ORDINALITY AS b (bucket, ordinal) ORDER BY b.ordinal);
    heads := ARRAY(
        SELECT coalesce((SELECT t.version FROM touchpoints AS t
                         WHERE t.bucket = touched[s.bucket] AND t.stream = s.stream
                         ORDER BY t.version DESC LIMIT 1), 0)
        FROM unnest(streams, stream_buckets) WITH ORDINALITY AS s (stream, bucket, ordinal) ORDER BY s.ordinal);
    INSERT INTO touchpoints
        (bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state, content_hmac)
    -- By their places, for to make rows of ten arrays takes longer than to look into them.
    SELECT touched[stream_buckets[lives[i]]], append_facts_v1.lasts[stream_buckets[lives[i]]] + places[i],
           streams[lives[i]], append_facts_v1.heads[lives[i]] + steps[i], kinds[i], ids[i], sources[i],
           occurred_times[i], append_facts_v1.recorded, recorders[i], states[i], hmacs[i]
    FROM generate_series(1, cardinality(ids)) AS i;
    RETURN NEXT;
EXCEPTION WHEN unique_violation THEN
    RETURN;
END
$body$;
