-- What the sealer remembers of what it has read, so that it goes on where it was. It can be made anew from the log.

CREATE TABLE IF NOT EXISTS trees (
    bucket INTEGER NOT NULL PRIMARY KEY,
    size INTEGER NOT NULL,
    -- The leaf before the last one's in its stream: with it the last row is compared before the next is read.
    previous BLOB NOT NULL,
    -- The hashes of the tiles that are not full, each level's after the one below's.
    edges BLOB NOT NULL
) STRICT;

-- By their keys, so that the streams of a slot lie together.
CREATE TABLE IF NOT EXISTS tails (
    stream BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    leaf BLOB NOT NULL
) STRICT, WITHOUT ROWID;
