-- The auditor's book. Tiles and checkpoints can be made again; proofs and backups are memory.

-- The tree in tiles of 256 hashes (C2SP tlog-tiles, height 8): at level 0 leaf hashes, at each level
-- above the roots of whole tiles below.
CREATE TABLE IF NOT EXISTS tiles (
    level  INTEGER NOT NULL,
    place  INTEGER NOT NULL,
    hashes BLOB    NOT NULL,
    PRIMARY KEY (level, place)
) STRICT;

-- Checkpoints as they were signed.
CREATE TABLE IF NOT EXISTS checkpoints (
    size      INTEGER PRIMARY KEY,
    root      BLOB    NOT NULL,
    note      TEXT    NOT NULL,
    signed_ms INTEGER NOT NULL
) STRICT;

-- Each time that the log was read whole and found to be what its tree says.
CREATE TABLE IF NOT EXISTS proofs (
    size      INTEGER NOT NULL,
    root      BLOB    NOT NULL,
    proved_ms INTEGER NOT NULL
) STRICT;

-- What was found wrong since the last time that it was right.
CREATE TABLE IF NOT EXISTS failures (
    position INTEGER NOT NULL,
    words    TEXT    NOT NULL,
    found_ms INTEGER NOT NULL
) STRICT;

-- Copies of the log that were made with `dateline backup`.
CREATE TABLE IF NOT EXISTS backups (
    file    TEXT    NOT NULL,
    size    INTEGER NOT NULL,
    made_ms INTEGER NOT NULL
) STRICT;

-- Exports that were made with `dateline audit export` or given over HTTP.
CREATE TABLE IF NOT EXISTS exports (
    place   TEXT    NOT NULL,
    story   TEXT,
    parts   TEXT    NOT NULL,
    size    INTEGER NOT NULL,
    made_ms INTEGER NOT NULL
) STRICT;

-- Erasures, until every file beside the log was cleaned of what they erased.
CREATE TABLE IF NOT EXISTS redactions (
    position   INTEGER PRIMARY KEY,
    story      TEXT    NOT NULL,
    cleaned_ms INTEGER
) STRICT;
