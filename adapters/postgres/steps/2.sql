-- One touchpoint, which most appends are: what append_v1 does with one that is new, in as few statements as it takes.
-- Where its id is known, or the subject is not at the version that is expected (null: any), the answer is null, nothing
-- is stored, and append_v1 judges it. Otherwise the answer is its number, its version and its recorded time.
CREATE FUNCTION lifecircle.append_one_v1(
    a_bucket integer, a_stream text, a_kind text, an_id text, a_source text, an_occurred bigint, a_recorder text,
    a_state bytea, a_hmac bytea, expected bigint
) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, lifecircle, pg_temp
-- A plan made while the table is empty or unanalysed would scan it, and stay cached as it grows: only look-ups by index.
SET enable_seqscan = off
AS $body$
DECLARE
    now_us bigint;
    last_number bigint;
    last_version bigint;
    last_us bigint;
BEGIN
    -- All that take_locks_v1 does for one bucket, with its reasons; a call costs as much as the look-ups.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'append needs READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    PERFORM pg_advisory_xact_lock(1818453603, a_bucket);
    PERFORM FROM touchpoints AS t
        WHERE t.bucket = a_bucket AND t.stream = a_stream AND t.source = a_source AND t.id = an_id;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    SELECT t.version INTO last_version FROM touchpoints AS t
        WHERE t.bucket = a_bucket AND t.stream = a_stream ORDER BY t.version DESC LIMIT 1;
    last_version := coalesce(last_version, 0);
    IF last_version <> expected THEN
        RETURN NULL;
    END IF;
    SELECT t.number, t.recorded INTO last_number, last_us FROM touchpoints AS t
        WHERE t.bucket = a_bucket ORDER BY t.number DESC LIMIT 1;
    last_number := coalesce(last_number, 0);
    now_us := greatest(last_us + 1, extract(epoch FROM clock_timestamp()) * 1000000);
    INSERT INTO touchpoints
            (bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state, content_hmac)
        VALUES (a_bucket, last_number + 1, a_stream, last_version + 1, a_kind, an_id, a_source, an_occurred, now_us,
                a_recorder, a_state, a_hmac);
    IF current_setting('lifecircle.quiet', true) IS DISTINCT FROM 'on' THEN
        PERFORM pg_notify('lifecircle', '');
    END IF;
    RETURN ARRAY[last_number + 1, last_version + 1, now_us];
END
$body$;

-- Until the rights of this version are given, as `lifecircle upgrade` does next, it is its owner's alone.
REVOKE ALL ON FUNCTION lifecircle.append_one_v1 FROM PUBLIC;

-- As it is made now (append_facts.sql).
ALTER FUNCTION lifecircle.append_facts_v1 SET plan_cache_mode = force_generic_plan;
