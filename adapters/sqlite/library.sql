-- As the event sourcing library makes them itself, so that its recorders find them on a log that was opened read-only.
CREATE TABLE stored_snapshots (
    originator_id TEXT,
    originator_version INTEGER,
    topic TEXT,
    state BLOB,
    PRIMARY KEY (originator_id, originator_version)
) WITHOUT ROWID;

CREATE TABLE tracking (
    application_name TEXT,
    notification_id INTEGER,
    PRIMARY KEY (application_name)
) WITHOUT ROWID;

-- The library's own mark of a table with one row for each application.
INSERT INTO tracking (application_name, notification_id) VALUES ('__migration__', 1);
