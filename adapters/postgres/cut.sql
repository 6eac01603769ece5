-- The last number of every bucket that had been recorded at or before an instant (microseconds since 1970 UTC).
-- Recorded time never falls within a bucket and numbers have no gaps, so halving finds it without an index of its own.
-- STABLE, so that all buckets are seen in the one snapshot of the calling statement.
CREATE FUNCTION lifecircle.cut_v1(instant bigint) RETURNS TABLE (bucket integer, number bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, lifecircle, pg_temp
AS $body$
DECLARE
    low bigint;
    high bigint;
    middle bigint;
BEGIN
    FOR bucket IN SELECT generate_series(1, l.buckets) FROM log AS l LOOP
        low := 0;
        high := coalesce((SELECT max(t.number) FROM touchpoints AS t WHERE t.bucket = cut_v1.bucket), 0);
        WHILE low < high LOOP
            middle := (low + high + 1) / 2;
            IF (SELECT t.recorded FROM touchpoints AS t WHERE t.bucket = cut_v1.bucket AND t.number = middle) <= instant
            THEN low := middle;
            ELSE high := middle - 1;
            END IF;
        END LOOP;
        number := low;
        RETURN NEXT;
    END LOOP;
END
$body$;
