-- What a mirror of a Kafka topic keeps beside the tables of a log.

CREATE TABLE IF NOT EXISTS mirror (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    topic       TEXT    NOT NULL,
    next_offset INTEGER NOT NULL,      -- the first record that is not folded yet
    last_record BLOB    NOT NULL,      -- hash of the last that is, by which the topic is known again
    events      INTEGER NOT NULL,      -- size of the log, held against the tree
    next_key    INTEGER NOT NULL       -- the first record of the topic of keys that is not read yet
) STRICT;

-- Events whose keys have numbers that follow each other, as they do from `first_key`.
CREATE TABLE IF NOT EXISTS accepted (
    position  INTEGER PRIMARY KEY,     -- of the first of them
    events    INTEGER NOT NULL,
    first_key BLOB    NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS accepted_by_key ON accepted (first_key);

-- Each record that was given none, and why.
CREATE TABLE IF NOT EXISTS void (
    offset      INTEGER PRIMARY KEY,
    appended_ms INTEGER NOT NULL,
    story       TEXT,                  -- NULL where the record names none
    why         TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    found       INTEGER NOT NULL
) STRICT;

-- Keys in blocks for many events, under the number of the first; zeros in the place of those erased.
CREATE TABLE IF NOT EXISTS keys (
    number BLOB PRIMARY KEY,
    block  BLOB NOT NULL
) STRICT;

-- The tree's root at every 64th event: what appends of other nodes say that it is, is held against it.
CREATE TABLE IF NOT EXISTS roots (
    size INTEGER PRIMARY KEY,
    root BLOB NOT NULL
) STRICT;

-- Each record whose node believed in another root than this one.
CREATE TABLE IF NOT EXISTS disagreements (
    offset INTEGER PRIMARY KEY,
    size   INTEGER NOT NULL,
    theirs BLOB NOT NULL
) STRICT;

-- Blocks with keys that are erased here and that the broker is still to be told of.
CREATE TABLE IF NOT EXISTS erasing (
    number BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
