-- What a mirror of a Kafka topic keeps beside the tables of a log.

CREATE TABLE IF NOT EXISTS mirror (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    topic       TEXT    NOT NULL,
    next_offset INTEGER NOT NULL,      -- the first record that is not folded yet
    last_record BLOB    NOT NULL,      -- hash of the last that is, by which the topic is known again
    events      INTEGER NOT NULL,      -- size of the log, held against the tree
    next_key    INTEGER NOT NULL       -- the first record of the topic of keys that is not read yet
) STRICT;

-- Each record that was given places; its events follow each other from `position`.
CREATE TABLE IF NOT EXISTS accepted (
    offset    INTEGER PRIMARY KEY,
    position  INTEGER NOT NULL,
    events    INTEGER NOT NULL,
    first_key BLOB    NOT NULL
) STRICT;

-- Each record that was given none, and why.
CREATE TABLE IF NOT EXISTS void (
    offset      INTEGER PRIMARY KEY,
    appended_ms INTEGER NOT NULL,
    story       TEXT,                  -- NULL where the record names none
    why         TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    found       INTEGER NOT NULL
) STRICT;

-- Keys by their number; NULL once erased.
CREATE TABLE IF NOT EXISTS keys (
    number BLOB PRIMARY KEY,
    key    BLOB
) STRICT, WITHOUT ROWID;

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

-- Keys that a redaction erased here and that the broker is still to be told of.
CREATE TABLE IF NOT EXISTS erasing (
    number BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
