-- What stands beside the tables of generations, in the schema that the search path leads to. Each is made where it is
-- missing, so that a store of an earlier version gets what it lacks.
CREATE TABLE IF NOT EXISTS generations (
    view text NOT NULL, number bigint NOT NULL, fingerprint text NOT NULL, state text NOT NULL, cut text NOT NULL,
    built bigint NOT NULL, PRIMARY KEY (view, number)
);
CREATE TABLE IF NOT EXISTS parked (
    view text NOT NULL, generation bigint NOT NULL, subject text NOT NULL, bucket integer NOT NULL,
    number bigint NOT NULL, error text NOT NULL, PRIMARY KEY (view, generation, subject)
);
-- The parts of the log whose rows stand in the generations that were begun at a time; `ends` is null at the end.
CREATE TABLE IF NOT EXISTS folded_parts (
    begun bigint NOT NULL, bucket integer NOT NULL, begins text NOT NULL, ends text, touchpoints bigint NOT NULL,
    PRIMARY KEY (begun, bucket, begins)
);
-- What was published, in the order in which one rests on another.
CREATE TABLE IF NOT EXISTS published (name text PRIMARY KEY, place bigint NOT NULL);
-- One row; `names` is a digest of what was published.
CREATE TABLE IF NOT EXISTS reference_time (
    at bigint NOT NULL, day text NOT NULL, dayno bigint NOT NULL, pinned boolean NOT NULL, names text NOT NULL
);
INSERT INTO reference_time SELECT 0, '1970-01-01', 0, false, '' WHERE NOT EXISTS (SELECT FROM reference_time);
