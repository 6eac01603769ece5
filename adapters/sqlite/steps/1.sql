-- Which steps the schema has taken, and which of them a program must know at least to go on.
CREATE TABLE schema_steps (
    step INTEGER NOT NULL PRIMARY KEY CHECK (step > 0),
    oldest INTEGER NOT NULL,
    taken INTEGER NOT NULL
) STRICT;

CREATE TRIGGER schema_steps_never_updated BEFORE UPDATE ON schema_steps
BEGIN
    SELECT raise(ABORT, 'the log is append-only: a step that was taken stays taken');
END;

CREATE TRIGGER schema_steps_never_deleted BEFORE DELETE ON schema_steps
BEGIN
    SELECT raise(ABORT, 'the log is append-only: a step that was taken stays taken');
END;

-- INSERT OR REPLACE deletes without the trigger above.
CREATE TRIGGER schema_steps_never_replaced BEFORE INSERT ON schema_steps
WHEN EXISTS (SELECT 1 FROM schema_steps WHERE step = new.step)
BEGIN
    SELECT raise(ABORT, 'the log is append-only: a step that was taken stays taken');
END;
