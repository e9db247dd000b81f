-- Everything in this file can be made again from the log; losing it loses nothing.

-- How far each consumer is. `in_hand` is the position up to which a batch is being handled; it
-- outlives the process that handles it, so that an event that kills its consumer is noticed.
CREATE TABLE IF NOT EXISTS subscriptions (
    consumer     TEXT    PRIMARY KEY,
    generation   INTEGER NOT NULL,
    checkpoint   INTEGER NOT NULL,
    recorded_ms  INTEGER NOT NULL,
    event        BLOB    NOT NULL, -- leaf hash of the event at the checkpoint: which history this is
    in_hand      INTEGER NOT NULL,
    heartbeat_ms INTEGER NOT NULL
) STRICT;

-- How often an event was tried, counted before each try.
CREATE TABLE IF NOT EXISTS attempts (
    consumer TEXT    NOT NULL,
    position INTEGER NOT NULL,
    times    INTEGER NOT NULL,
    reason   TEXT,
    PRIMARY KEY (consumer, position)
) STRICT, WITHOUT ROWID;

-- Events that a consumer could not handle, with the reason.
CREATE TABLE IF NOT EXISTS parked (
    consumer  TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    story     TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    parked_ms INTEGER NOT NULL,
    PRIMARY KEY (consumer, position)
) STRICT, WITHOUT ROWID;
