-- The log in PostgreSQL. Kept in a schema of its own, so that it can live beside anything else.
CREATE SCHEMA lifecircle;

-- One row: what this log is. A reader refuses a higher format version.
CREATE TABLE lifecircle.log (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    log_id bytea NOT NULL CHECK (octet_length(log_id) = 16),
    format_version integer NOT NULL,
    buckets integer NOT NULL CHECK (buckets >= 1),
    company text NOT NULL
);

-- Times are microseconds since 1970 UTC. The bucket is in every key, so that a cluster can be distributed by it.
-- What only touchpoints have may be null: the event sourcing library's recorders also store bare events.
-- Keys compare by bytes, whatever the database's language: faster, and the order of effective history. An id stands
-- before its stream, for producers' ids come near each other, and what is near in an index is stored faster.
CREATE TABLE lifecircle.touchpoints (
    bucket integer NOT NULL,
    number bigint NOT NULL,
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL,
    id text COLLATE "C",
    source text COLLATE "C",
    occurred bigint,
    recorded bigint NOT NULL,
    recordedby text,
    state bytea NOT NULL,
    content_hmac bytea,
    PRIMARY KEY (bucket, number),
    CONSTRAINT touchpoints_version_key UNIQUE (bucket, stream, version),
    CONSTRAINT touchpoints_id_key UNIQUE (bucket, id, source, stream)
);

-- Merges and reverts are few and asked for often. The kinds are those of LINK_KINDS.
CREATE INDEX touchpoints_links ON lifecircle.touchpoints (bucket, number)
    WHERE kind IN ('CustomersMerged', 'CustomerMergeReverted');

CREATE FUNCTION lifecircle.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$body$;

-- ALWAYS: for replication roles too, which triggers do not hold for otherwise.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lifecircle.touchpoints
    FOR EACH STATEMENT EXECUTE FUNCTION lifecircle.refuse_change();
ALTER TABLE lifecircle.touchpoints ENABLE ALWAYS TRIGGER append_only;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lifecircle.log
    FOR EACH STATEMENT EXECUTE FUNCTION lifecircle.refuse_change();
ALTER TABLE lifecircle.log ENABLE ALWAYS TRIGGER append_only;

-- The logs that this one was copied from: how far each had come (cut), and where its copy ended (ends), as cursors.
CREATE TABLE lifecircle.origins (
    log_id bytea PRIMARY KEY CHECK (octet_length(log_id) = 16),
    buckets integer NOT NULL,
    cut text NOT NULL,
    ends text NOT NULL,
    copied bigint NOT NULL
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lifecircle.origins
    FOR EACH STATEMENT EXECUTE FUNCTION lifecircle.refuse_change();
ALTER TABLE lifecircle.origins ENABLE ALWAYS TRIGGER append_only;

-- Rows of imports that could not become touchpoints; raw is bytes, for it may hold what text may not.
CREATE TABLE lifecircle.quarantine (
    batch text NOT NULL,
    row bigint NOT NULL,
    source text NOT NULL,
    rule text NOT NULL,
    message text NOT NULL,
    raw bytea NOT NULL,
    recorded bigint NOT NULL,
    stem text NOT NULL,
    released bigint,
    released_by text NOT NULL,
    PRIMARY KEY (batch, row)
);

-- What the company's settings were changed to, from version 2; the first version came with the log.
CREATE TABLE lifecircle.settings (
    number bigint PRIMARY KEY CHECK (number > 1),
    recorded bigint NOT NULL,
    recordedby text NOT NULL,
    company text NOT NULL
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lifecircle.settings
    FOR EACH STATEMENT EXECUTE FUNCTION lifecircle.refuse_change();
ALTER TABLE lifecircle.settings ENABLE ALWAYS TRIGGER append_only;

-- How far each import has come, so that one that was interrupted goes on; and by which mapping, to release rows by it.
CREATE TABLE lifecircle.imports (
    batch text PRIMARY KEY,
    plan text NOT NULL,
    file text NOT NULL,
    mapping text NOT NULL,
    columns text NOT NULL,
    read_bytes bigint NOT NULL,
    digest text NOT NULL,
    whole boolean NOT NULL,
    taken bigint NOT NULL,
    outcomes text NOT NULL,
    recorded bigint NOT NULL
);

-- Rule state of long streams, written down by the library's application. Copies: they may be deleted at any time.
CREATE TABLE lifecircle.stored_snapshots (
    originator_id text NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
);
