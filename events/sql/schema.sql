-- The log. One row is one event for ever; only its contents may be erased, and only whole.

CREATE TABLE events (
    position      INTEGER PRIMARY KEY,               -- 1..n
    story         TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    id            BLOB    NOT NULL UNIQUE,           -- UUIDv7, 16 bytes, in time order
    kind          TEXT    NOT NULL,
    schema        INTEGER NOT NULL,
    recorded_ms   INTEGER NOT NULL,                  -- milliseconds since 1970 UTC, never going back
    envelope      BLOB    NOT NULL,                  -- the canonical bytes that the tree is made of
    body          BLOB,                              -- canonical bytes; NULL once erased
    body_nonce    BLOB,
    private       BLOB,                              -- canonical bytes, empty when nothing is private
    private_nonce BLOB,
    UNIQUE (story, version)
) STRICT;

-- The right edge of the audit tree, renewed in the same transaction as the events.
CREATE TABLE tree (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    size        INTEGER NOT NULL,
    hashes      BLOB    NOT NULL,
    recorded_ms INTEGER NOT NULL
) STRICT;

INSERT INTO tree VALUES (1, 0, x'', 0);

-- What is left of bodies that were erased, as the redaction that erased them says.
CREATE TABLE remains (
    position INTEGER PRIMARY KEY,
    body     BLOB NOT NULL
) STRICT;

CREATE TRIGGER an_event_is_never_removed
BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'an event is never removed');
END;

CREATE TRIGGER an_event_is_never_changed
BEFORE UPDATE OF position, story, version, id, kind, schema, recorded_ms, envelope ON events
BEGIN
    SELECT RAISE(ABORT, 'an event is never changed');
END;

CREATE TRIGGER contents_are_erased_or_kept
BEFORE UPDATE OF body, body_nonce, private, private_nonce ON events
WHEN (NEW.body IS NOT NULL AND NEW.body IS NOT OLD.body)
    OR (NEW.body_nonce IS NOT NULL AND NEW.body_nonce IS NOT OLD.body_nonce)
    OR (NEW.private IS NOT NULL AND NEW.private IS NOT OLD.private)
    OR (NEW.private_nonce IS NOT NULL AND NEW.private_nonce IS NOT OLD.private_nonce)
    OR (NEW.body IS NULL) <> (NEW.body_nonce IS NULL)
    OR (NEW.private IS NULL) <> (NEW.private_nonce IS NULL)
BEGIN
    SELECT RAISE(ABORT, 'the contents of an event are erased with their nonce or kept');
END;
