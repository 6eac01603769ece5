-- The whole of one log in a SQLite file. Every statement may be run again.

CREATE TABLE IF NOT EXISTS log (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    log_id BLOB NOT NULL CHECK (length(log_id) = 16),
    format_version INTEGER NOT NULL,
    buckets INTEGER NOT NULL CHECK (buckets > 0),
    company TEXT NOT NULL
) STRICT;

CREATE TRIGGER IF NOT EXISTS log_never_updated BEFORE UPDATE ON log
BEGIN
    SELECT raise(ABORT, 'the log is append-only: what it is stays as it was made');
END;

CREATE TRIGGER IF NOT EXISTS log_never_deleted BEFORE DELETE ON log
BEGIN
    SELECT raise(ABORT, 'the log is append-only: what it is stays as it was made');
END;

-- INSERT OR REPLACE deletes without the trigger above.
CREATE TRIGGER IF NOT EXISTS log_never_replaced BEFORE INSERT ON log WHEN EXISTS (SELECT 1 FROM log)
BEGIN
    SELECT raise(ABORT, 'the log is append-only: what it is stays as it was made');
END;

-- In number order on the disk, so that followers and rebuilds read it straight through. Columns that only
-- touchpoints have may be null: the event sourcing library's own events have a stream, version, kind and state.
CREATE TABLE IF NOT EXISTS touchpoints (
    bucket INTEGER NOT NULL,
    number INTEGER NOT NULL,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id TEXT,
    source TEXT,
    occurred INTEGER,
    recorded INTEGER NOT NULL,
    recordedby TEXT,
    state BLOB NOT NULL,
    content_hmac BLOB,
    PRIMARY KEY (bucket, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX IF NOT EXISTS touchpoints_stream ON touchpoints (bucket, stream, version);

CREATE UNIQUE INDEX IF NOT EXISTS touchpoints_id ON touchpoints (bucket, id, source, stream) WHERE id IS NOT NULL;

CREATE INDEX IF NOT EXISTS touchpoints_link ON touchpoints (bucket, number)
WHERE kind IN ('CustomersMerged', 'CustomerMergeReverted');

CREATE TRIGGER IF NOT EXISTS touchpoints_never_updated BEFORE UPDATE ON touchpoints
BEGIN
    SELECT raise(ABORT, 'the log is append-only: a touchpoint is never changed');
END;

CREATE TRIGGER IF NOT EXISTS touchpoints_never_deleted BEFORE DELETE ON touchpoints
BEGIN
    SELECT raise(ABORT, 'the log is append-only: a touchpoint is never deleted');
END;

-- INSERT OR REPLACE deletes without the trigger above, by whichever unique key it meets; so each is looked at here. With
-- ABORT, here or in the statement, every row would first open a journal of its own: twice what it costs to insert it.
CREATE TRIGGER IF NOT EXISTS touchpoints_never_replaced BEFORE INSERT ON touchpoints
WHEN new.number <> (SELECT coalesce(max(number), 0) + 1 FROM touchpoints WHERE bucket = new.bucket)
    OR EXISTS (
        SELECT 1 FROM touchpoints
        WHERE bucket = new.bucket AND stream = new.stream AND version = new.version
    )
    OR EXISTS (
        SELECT 1 FROM touchpoints
        WHERE bucket = new.bucket AND stream = new.stream AND source = new.source AND id = new.id
    )
BEGIN
    SELECT raise(ROLLBACK, 'the log is append-only: every touchpoint takes the next number, and its keys are its own');
END;

-- The logs that this one was copied from: how far each had come (cut), and where its copy ended (ends), as cursors.
CREATE TABLE IF NOT EXISTS origins (
    log_id BLOB NOT NULL PRIMARY KEY CHECK (length(log_id) = 16),
    buckets INTEGER NOT NULL,
    cut TEXT NOT NULL,
    ends TEXT NOT NULL,
    copied INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS origins_never_updated BEFORE UPDATE ON origins
BEGIN
    SELECT raise(ABORT, 'the log is append-only: where it comes from is never changed');
END;

CREATE TRIGGER IF NOT EXISTS origins_never_deleted BEFORE DELETE ON origins
BEGIN
    SELECT raise(ABORT, 'the log is append-only: where it comes from is never deleted');
END;

CREATE TRIGGER IF NOT EXISTS origins_never_replaced BEFORE INSERT ON origins
WHEN EXISTS (SELECT 1 FROM origins WHERE log_id = new.log_id)
BEGIN
    SELECT raise(ABORT, 'the log is append-only: where it comes from is never changed');
END;

-- `raw` is UTF-8 bytes, for a row that cannot be read may hold what no text column takes.
CREATE TABLE IF NOT EXISTS quarantine (
    batch TEXT NOT NULL,
    "row" INTEGER NOT NULL,
    source TEXT NOT NULL,
    rule TEXT NOT NULL,
    message TEXT NOT NULL,
    raw BLOB NOT NULL,
    recorded INTEGER NOT NULL,
    stem TEXT NOT NULL,
    released INTEGER,
    released_by TEXT NOT NULL,
    PRIMARY KEY (batch, "row")
) STRICT, WITHOUT ROWID;

-- What the company's settings were changed to, from version 2; the first version came with the log.
CREATE TABLE IF NOT EXISTS settings (
    number INTEGER NOT NULL PRIMARY KEY CHECK (number > 1),
    recorded INTEGER NOT NULL,
    recordedby TEXT NOT NULL,
    company TEXT NOT NULL
) STRICT;

CREATE TRIGGER IF NOT EXISTS settings_never_updated BEFORE UPDATE ON settings
BEGIN
    SELECT raise(ABORT, 'the log is append-only: settings get a new version');
END;

CREATE TRIGGER IF NOT EXISTS settings_never_deleted BEFORE DELETE ON settings
BEGIN
    SELECT raise(ABORT, 'the log is append-only: settings are never deleted');
END;

-- INSERT OR REPLACE deletes without the trigger above.
CREATE TRIGGER IF NOT EXISTS settings_never_replaced BEFORE INSERT ON settings
WHEN EXISTS (SELECT 1 FROM settings WHERE number = new.number)
BEGIN
    SELECT raise(ABORT, 'the log is append-only: settings take a number of their own');
END;

-- How far each import has come, so that one that was interrupted goes on; and by which mapping, to release rows by it.
CREATE TABLE IF NOT EXISTS imports (
    batch TEXT NOT NULL PRIMARY KEY,
    plan TEXT NOT NULL,
    file TEXT NOT NULL,
    mapping TEXT NOT NULL,
    columns TEXT NOT NULL,
    read_bytes INTEGER NOT NULL,
    digest TEXT NOT NULL,
    whole INTEGER NOT NULL,
    taken INTEGER NOT NULL,
    outcomes TEXT NOT NULL,
    recorded INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
