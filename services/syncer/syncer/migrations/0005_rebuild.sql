-- Rebuilding the projections: new tables beside those that readers use, and one transaction that switches.
--
-- The new tables live in the schema `rebuilding` while they are filled, the old ones in `retired` until they are dropped. Both
-- schemas are made when a rebuild begins and are gone when it has ended.

-- By which code and which settings the projections were made; one row. Where the syncer that runs now says otherwise, a rebuild is due.
CREATE TABLE projection_rules (
    name    text PRIMARY KEY CHECK (name = 'events'),
    version integer NOT NULL,                     -- PROJECTION_VERSION of the code
    rules   text NOT NULL,                        -- a digest of the settings, and of the shop's currency
    run_id  bigint,                               -- the rebuild that made them; null: they grew with the first backfill
    since   timestamptz NOT NULL DEFAULT now()
);

-- What a switch has changed for readers, until it was announced on PROJECTIONS. Written with the switch, so no crash loses it.
CREATE TABLE unannounced (
    event_id        bigint PRIMARY KEY,
    revision        bigint NOT NULL,
    made_at         timestamptz NOT NULL,         -- when the revision was made: with it, the name of what is announced
    events_revision bigint,
    visible         boolean NOT NULL,
    deleted         boolean NOT NULL,
    seen_at         timestamptz NOT NULL          -- the moment of the switch
);

GRANT SELECT ON projection_rules, unannounced TO understudy_reader;
