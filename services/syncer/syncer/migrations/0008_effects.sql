-- In which revision of its event the effect of a job stands. Written with the projection, and read by the writer.
CREATE TABLE effects (
    job_id   uuid PRIMARY KEY,                    -- as the change names it (`caused_by`)
    event_id bigint NOT NULL,
    revision bigint NOT NULL,
    made     boolean NOT NULL,                    -- with this very batch of changes: it is announced after the commit
    at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX effects_by_age ON effects (at);
GRANT SELECT ON effects TO understudy_reader;

-- A rebuild that is under way must not tell the writer what only its own tables show.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'rebuilding') THEN
        CREATE TABLE rebuilding.effects (LIKE effects INCLUDING ALL);
    END IF;
END $$;
