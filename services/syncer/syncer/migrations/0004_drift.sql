-- What reconciling found to differ from Shopify: one row for each field that was repaired, written in the transaction of the repair.
--
-- cause: missed (Shopify had something newer, and no webhook told us), late (missed, and a webhook told it after all, later),
-- truncated (what we had was incomplete), tie (other contents under one updated_at). Kept for 90 days.

CREATE TABLE drift (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id    bigint,                             -- the reconcile that found it
    event_id  bigint NOT NULL,
    ticket_id bigint,
    field     text NOT NULL,                      -- as users see it; "event" and "tickets" where the whole thing was missing or extra
    ours      jsonb,
    theirs    jsonb,
    since     timestamptz,                        -- from when on ours was wrong, by Shopify's clock; null: not known
    found_at  timestamptz NOT NULL DEFAULT now(),
    cause     text NOT NULL CHECK (cause IN ('missed', 'late', 'truncated', 'tie')),
    ours_at   timestamptz,                        -- Shopify's updated_at of what we had; null: nothing
    theirs_at timestamptz NOT NULL,               -- and of what repaired it: a webhook in between that comes later was late
    is_stock  boolean NOT NULL DEFAULT false      -- a stock level's webhook tells it, not a product's
);
CREATE INDEX drift_by_time  ON drift (found_at);
CREATE INDEX drift_by_event ON drift (event_id);
CREATE INDEX drift_missed   ON drift (event_id) WHERE cause = 'missed';

-- A product that a reconcile doubts is read apart from what changes ask for: a row of its own, so that neither takes the other's
-- reason away. put_off: how often it was being edited just then, so that webhooks still on their way would have counted as drift.
ALTER TABLE refetches DROP CONSTRAINT refetches_resource_check;
ALTER TABLE refetches ADD CONSTRAINT refetches_resource_check CHECK (resource IN ('product', 'inventory_item', 'doubt'));
ALTER TABLE refetches ADD COLUMN put_off integer NOT NULL DEFAULT 0;

CREATE INDEX refetches_doubts ON refetches (id) WHERE resource = 'doubt';

GRANT SELECT ON drift TO understudy_reader;
