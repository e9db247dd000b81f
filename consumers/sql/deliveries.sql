-- What was sent to whom. This cannot be made again from the log: the log knows what was decided,
-- only this file knows what left the house. It holds no word of the news; what is sent is made of
-- the log each time, so that what is erased there is erased everywhere.

-- How far the log was acted on. `event` is the leaf hash of the event there: of which history.
CREATE TABLE IF NOT EXISTS reactions (
    reaction   TEXT    PRIMARY KEY,
    checkpoint INTEGER NOT NULL,
    event      BLOB    NOT NULL
) STRICT;

-- Whom alerts go to. `address` and `owner` are sealed: they may hold passwords and tokens.
CREATE TABLE IF NOT EXISTS targets (
    target      TEXT    PRIMARY KEY,
    channel     TEXT    NOT NULL,
    wishes      TEXT    NOT NULL, -- JSON: which alerts, when not, how many
    address     BLOB    NOT NULL,
    shown       TEXT    NOT NULL, -- the address as far as anybody may see it
    named       INTEGER NOT NULL DEFAULT 0, -- 1 of one that the policy names, and may unname
    owner       BLOB,             -- who is told before the target is disabled
    state       TEXT    NOT NULL CHECK (state IN ('active', 'disabled')),
    reason      TEXT,
    made_ms     INTEGER NOT NULL,
    failing_ms  INTEGER,          -- since when nothing but failure; NULL once the desk disabled it
    warned_ms   INTEGER,
    disabled_ms INTEGER           -- of earlier versions; nothing reads or writes it
) STRICT;

-- What webhooks are signed with: the newest, and for a day the one before.
CREATE TABLE IF NOT EXISTS secrets (
    target   TEXT    NOT NULL REFERENCES targets (target) ON DELETE CASCADE,
    made_ms  INTEGER NOT NULL,
    until_ms INTEGER,
    sealed   BLOB    NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS secrets_by_target ON secrets (target);

-- One alert for one target. Written before anything is sent; (event, target) is there once, so
-- that whoever decides the same again, decides nothing.
CREATE TABLE IF NOT EXISTS deliveries (
    delivery   INTEGER PRIMARY KEY,
    webhook_id TEXT    NOT NULL UNIQUE,
    event      TEXT    NOT NULL, -- id of the alert's event
    target     TEXT    NOT NULL,
    position   INTEGER NOT NULL, -- of the event in the log; 0 of what is in no log
    story      TEXT    NOT NULL,
    alert      TEXT    NOT NULL, -- the alert's ref in its story
    kind       TEXT    NOT NULL,
    level      TEXT    NOT NULL,
    fast       INTEGER NOT NULL, -- 1 of a flash and of what chases: first in line
    state      TEXT    NOT NULL CHECK ( -- one by one: of a list, a table is made for each row
        state = 'delivered' OR state = 'in flight' OR state = 'pending' OR state = 'retry'
        OR state = 'failed' OR state = 'expired' OR state = 'superseded' OR state = 'held'
        OR state = 'suppressed' OR state = 'skipped'),
    reason     TEXT    NOT NULL, -- in our own words, none of an event's
    tries      INTEGER NOT NULL DEFAULT 0,
    before     INTEGER NOT NULL DEFAULT 0, -- tries before it was sent again by hand
    made_ms    INTEGER NOT NULL,
    due_ms     INTEGER NOT NULL,
    began_ms   INTEGER,          -- the last try
    expires_ms INTEGER NOT NULL,
    ended_ms   INTEGER,
    overtaken  INTEGER NOT NULL DEFAULT 0, -- 1 once a correction was decided: not tried again
    digest     INTEGER REFERENCES deliveries (delivery), -- what tells it: a digest or, in its place,
                                                         -- the correction that it did not go before
    digested   INTEGER NOT NULL DEFAULT 0, -- 1 of what is held for a digest
    shown_as   TEXT, -- what the channel calls what it shows, to change it later
    UNIQUE (event, target)
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (target, fast DESC, due_ms, delivery)
    WHERE state IN ('pending', 'retry');
CREATE INDEX IF NOT EXISTS deliveries_held ON deliveries (due_ms) WHERE state = 'held';
-- Of each story one at a time is on its way to a target, whoever sends.
CREATE UNIQUE INDEX IF NOT EXISTS deliveries_in_flight ON deliveries (target, story)
    WHERE state = 'in flight';
CREATE INDEX IF NOT EXISTS deliveries_of_story ON deliveries (story, alert);
CREATE INDEX IF NOT EXISTS deliveries_of_target ON deliveries (target, made_ms);
CREATE INDEX IF NOT EXISTS deliveries_in_digest ON deliveries (digest) WHERE digest IS NOT NULL;

-- Each try that ended. One that is under way stands in its delivery.
CREATE TABLE IF NOT EXISTS attempts (
    delivery     INTEGER NOT NULL REFERENCES deliveries (delivery),
    number       INTEGER NOT NULL,
    began_ms     INTEGER NOT NULL,
    milliseconds INTEGER NOT NULL,
    status       INTEGER,
    error        TEXT,
    address      TEXT,
    may_have     INTEGER NOT NULL, -- 0 where it is certain that the target did not get it
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;

-- How many deliveries ended in each way, kept by the triggers below: it is asked for whenever the
-- metrics are, and to count them would take longer from year to year. Those that are open are few,
-- and change their state twice before they end: they are counted when it is asked.
CREATE TABLE IF NOT EXISTS counted (
    state      TEXT    PRIMARY KEY,
    deliveries INTEGER NOT NULL,
    alerts     INTEGER NOT NULL -- of them those of the log
) STRICT, WITHOUT ROWID;
-- Each is there from the start, so that counting is an update of a row and no more.
INSERT OR IGNORE INTO counted SELECT value, 0, 0 FROM json_each(
    '["delivered", "failed", "expired", "superseded", "suppressed", "skipped"]');
CREATE TRIGGER IF NOT EXISTS deliveries_counted AFTER INSERT ON deliveries
WHEN new.state <> 'pending' BEGIN
    UPDATE counted SET deliveries = deliveries + 1, alerts = alerts + (new.position > 0)
        WHERE state = new.state;
END;
CREATE TRIGGER IF NOT EXISTS deliveries_recounted AFTER UPDATE OF state ON deliveries
WHEN new.state <> old.state AND new.state <> 'in flight' BEGIN
    UPDATE counted SET deliveries = deliveries - 1, alerts = alerts - (old.position > 0)
        WHERE state = old.state;
    UPDATE counted SET deliveries = deliveries + 1, alerts = alerts + (new.position > 0)
        WHERE state = new.state;
END;
