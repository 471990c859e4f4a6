-- What the purger remembers of the CDN; one row.
CREATE TABLE purger (
    the_one        boolean PRIMARY KEY DEFAULT true CHECK (the_one),
    edge           text,                        -- what is purged there, as a digest of the settings; null: nothing yet
    stream_created timestamptz,                 -- of PROJECTIONS: a new one counts from 1 again
    purged_to      bigint NOT NULL DEFAULT 0,   -- no announcement up to this one waits for its purge, but for what is owed
    owed           smallint,                    -- everything must be purged: 1 what is ours, 2 the whole zone
    reason         text                         -- why
);
INSERT INTO purger DEFAULT VALUES;
