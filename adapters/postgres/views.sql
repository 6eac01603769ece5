-- The view store. Tables of generations stand beside these; what analysts read stands in schema report.
CREATE SCHEMA lifecircle_views;
CREATE SCHEMA IF NOT EXISTS report;

CREATE TABLE lifecircle_views.generations (
    view text NOT NULL, number bigint NOT NULL, fingerprint text NOT NULL, state text NOT NULL, cut text NOT NULL,
    built bigint NOT NULL, PRIMARY KEY (view, number)
);
CREATE TABLE lifecircle_views.parked (
    view text NOT NULL, generation bigint NOT NULL, subject text NOT NULL, bucket integer NOT NULL,
    number bigint NOT NULL, error text NOT NULL, PRIMARY KEY (view, generation, subject)
);
-- What was published, in the order in which one rests on another.
CREATE TABLE lifecircle_views.published (name text PRIMARY KEY, place bigint NOT NULL);
-- One row; `names` is a digest of what was published.
CREATE TABLE lifecircle_views.reference_time (
    at bigint NOT NULL, day text NOT NULL, dayno bigint NOT NULL, pinned boolean NOT NULL, names text NOT NULL
);
INSERT INTO lifecircle_views.reference_time VALUES (0, '1970-01-01', 0, false, '');
