-- Which steps the schema has taken, and which of them a program must know at least to go on.
CREATE TABLE lifecircle.schema_steps (
    step integer PRIMARY KEY CHECK (step > 0),
    oldest integer NOT NULL,
    taken bigint NOT NULL
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lifecircle.schema_steps
    FOR EACH STATEMENT EXECUTE FUNCTION lifecircle.refuse_change();
ALTER TABLE lifecircle.schema_steps ENABLE ALWAYS TRIGGER append_only;
