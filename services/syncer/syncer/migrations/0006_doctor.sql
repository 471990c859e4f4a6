-- What the doctor remembers of the webhook subscriptions; one row.
CREATE TABLE webhook_watch (
    the_one     boolean PRIMARY KEY DEFAULT true CHECK (the_one),
    well_at     timestamptz,                      -- until then nothing was missed, or all of it was looked for since
    gap         boolean NOT NULL DEFAULT false,   -- webhooks were missed after that, and nobody was asked to look for them yet
    renewed_for text                              -- the API version for which subscriptions were made anew last
);
INSERT INTO webhook_watch DEFAULT VALUES;
