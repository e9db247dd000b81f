-- The parts of all stories, in one generation of the view. What readers may see of them, readers'
-- queries find in the `public_` views and nowhere else; audience 0 is the newsroom alone, 1
-- everybody, 2 readers in place of what they may not see.

-- In the order in which a state shows its parts, so that reading one is one sweep.
CREATE TABLE IF NOT EXISTS story_parts_{generation} (
    story    TEXT    NOT NULL,
    section  TEXT    NOT NULL,
    place    INTEGER NOT NULL,
    key      TEXT    NOT NULL,
    audience INTEGER NOT NULL,
    rank     INTEGER,
    content  TEXT    NOT NULL,
    names    TEXT,
    until    TEXT,
    PRIMARY KEY (story, section, place, key)
) STRICT, WITHOUT ROWID;

-- Finds a part by its key, which is there once wherever it has moved; and the lead without looking at what does not lead.
CREATE UNIQUE INDEX IF NOT EXISTS story_parts_{generation}_by_key
    ON story_parts_{generation} (story, key);
CREATE INDEX IF NOT EXISTS story_parts_{generation}_leading
    ON story_parts_{generation} (story, rank, place DESC, audience)
    WHERE section = 'timeline' AND rank IS NOT NULL;
CREATE INDEX IF NOT EXISTS story_parts_{generation}_headings
    ON story_parts_{generation} (story) WHERE section = 'heading';
-- Stories by when they last moved, for the newsroom and for readers.
CREATE INDEX IF NOT EXISTS story_parts_{generation}_moved
    ON story_parts_{generation} (json_extract(content, '$.position')) WHERE section = 'heading';
CREATE INDEX IF NOT EXISTS story_parts_{generation}_seen_moving
    ON story_parts_{generation} (json_extract(content, '$.public_position'))
    WHERE section = 'heading' AND audience <> 0;
-- What names other parts, what readers may not know of, and what is under embargo: few each.
CREATE INDEX IF NOT EXISTS story_parts_{generation}_naming
    ON story_parts_{generation} (story) WHERE names IS NOT NULL;
CREATE INDEX IF NOT EXISTS story_parts_{generation}_hidden
    ON story_parts_{generation} (story) WHERE audience = 0;
CREATE INDEX IF NOT EXISTS story_parts_{generation}_until
    ON story_parts_{generation} (until) WHERE until IS NOT NULL;
CREATE INDEX IF NOT EXISTS story_parts_{generation}_of_alerts
    ON story_parts_{generation} (section, place DESC) WHERE section IN ('alerts', 'silences');

CREATE VIEW IF NOT EXISTS newsroom_parts_{generation} AS
    SELECT story, section, place, key, rank, content FROM story_parts_{generation}
    WHERE audience <> 2;
CREATE VIEW IF NOT EXISTS public_parts_{generation} AS
    SELECT story, section, place, key, rank, content FROM story_parts_{generation}
    WHERE audience <> 0;
CREATE VIEW IF NOT EXISTS public_naming_{generation} AS
    SELECT story, section, key, content, names
    FROM story_parts_{generation} INDEXED BY story_parts_{generation}_naming
    WHERE names IS NOT NULL AND audience <> 0;
-- A name that a tombstone stands for is known, and nothing that readers see names an alert.
CREATE VIEW IF NOT EXISTS public_hidden_{generation} AS
    SELECT story, key
    FROM story_parts_{generation} AS part INDEXED BY story_parts_{generation}_hidden
    WHERE audience = 0 AND section NOT IN ('alerts', 'mentions', 'silences', 'touched') AND NOT EXISTS (
        SELECT 1 FROM story_parts_{generation} AS stone INDEXED BY story_parts_{generation}_by_key
        WHERE stone.story = part.story AND stone.key = part.key || '/withdrawn'
    );
