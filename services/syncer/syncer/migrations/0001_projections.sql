-- The projections: what readers see of Shopify's products, variants and stock.
--
-- source_version is [Shopify's updated_at, the moment it was triggered or read]; PostgreSQL compares arrays element by element,
-- so `source_version < excluded.source_version` is the whole guard. revision is our own number of a row: it only grows, and
-- only when what readers can see has changed.

CREATE TABLE collections (
    name     text PRIMARY KEY,
    revision bigint NOT NULL CHECK (revision > 0)
);
INSERT INTO collections (name, revision) VALUES ('events', 1);

CREATE TABLE events (
    id               bigint PRIMARY KEY CHECK (id > 0),  -- Shopify's product id
    handle           text NOT NULL,
    title            text NOT NULL,
    subtitle         text,
    description_html text NOT NULL,
    status           text NOT NULL CHECK (status IN ('active', 'draft', 'archived', 'unlisted')),
    category         text,
    tags             text[] NOT NULL,
    organizer        text,
    images           jsonb NOT NULL,
    starts_at        timestamptz,
    ends_at          timestamptz,
    timezone         text,
    venue_name       text,
    venue_address    text,
    venue_city       text,
    venue_country    text,
    currency         text,
    price_min        numeric(18, 3),
    price_max        numeric(18, 3),
    capacity         integer,
    sold             integer,
    available        integer,
    availability     text NOT NULL CHECK (availability IN ('available', 'few_left', 'sold_out')),
    sold_out         boolean NOT NULL GENERATED ALWAYS AS (availability = 'sold_out') STORED,
    created_at       timestamptz,
    updated_at       timestamptz NOT NULL,
    listed_at        timestamptz NOT NULL,        -- updated_at of the last change that lists show: a sale is none
    listed_revision  bigint NOT NULL,             -- and its revision
    source_version   timestamptz[] NOT NULL CHECK (array_length(source_version, 1) = 2),
    revision         bigint NOT NULL CHECK (revision > 0),
    changed_at       timestamptz NOT NULL,        -- when the revision was last raised, by the database clock
    shown            boolean NOT NULL,            -- anonymous readers could see it before or after the last revision
    deleted_at       timestamptz,                 -- a tombstone: nothing older resurrects it
    synced_at        timestamptz NOT NULL,
    data             jsonb NOT NULL,              -- the source, whole, as it was seen last
    data_complete    boolean NOT NULL,            -- false: something is missing and is being read from Shopify
    search           tsvector NOT NULL,

    -- Rendered once, at projection time. A read sends these bytes; it builds nothing.
    document         text NOT NULL,               -- GET /v1/events/{id}
    tickets_document text NOT NULL,               -- GET /v1/events/{id}/tickets
    item             text NOT NULL,               -- one entry of GET /v1/events
    manage_document  text NOT NULL,               -- the same three for organizers
    manage_tickets_document text NOT NULL,
    manage_item      text NOT NULL
);

-- What anonymous readers may list. Every sort ends in the id, so that a cursor names one place.
CREATE INDEX events_by_start   ON events (starts_at, id) WHERE status = 'active' AND deleted_at IS NULL;
CREATE INDEX events_by_title   ON events (title COLLATE "C", id) WHERE status = 'active' AND deleted_at IS NULL;
CREATE INDEX events_by_listing ON events (listed_at, id) WHERE status = 'active' AND deleted_at IS NULL;
CREATE INDEX events_by_category ON events (category, starts_at, id) WHERE status = 'active' AND deleted_at IS NULL;
CREATE INDEX events_by_city    ON events (venue_city, starts_at, id) WHERE status = 'active' AND deleted_at IS NULL;
CREATE INDEX events_by_tag     ON events USING gin (tags);
CREATE INDEX events_by_text    ON events USING gin (search);
CREATE INDEX events_managed    ON events (status, starts_at, id) WHERE deleted_at IS NULL;
CREATE INDEX events_by_change  ON events (changed_at);
CREATE INDEX events_incomplete ON events (id) WHERE NOT data_complete AND deleted_at IS NULL;
-- A handle belongs to one living product, but a rename and its successor may arrive in either order: not unique.
CREATE INDEX events_by_handle  ON events (handle) WHERE deleted_at IS NULL;

CREATE TABLE tickets (
    id                bigint PRIMARY KEY CHECK (id > 0),  -- Shopify's variant id
    event_id          bigint NOT NULL REFERENCES events (id),
    name              text NOT NULL,
    type              text,
    sku               text,
    price             numeric(18, 3) NOT NULL CHECK (price >= 0),
    compare_at_price  numeric(18, 3),
    capacity          integer,
    capacity_source   text CHECK (capacity_source IN ('metafield', 'observed')),
    observed_capacity integer,                    -- the highest stock ever seen
    sold              integer CHECK (sold >= 0),
    available         integer,                    -- null: not tracked, never sells out
    max_per_order     integer,
    visible           boolean NOT NULL,
    status            text NOT NULL CHECK (status IN ('on_sale', 'sold_out', 'hidden')),
    position          integer NOT NULL,
    inventory_item_id bigint,
    data              jsonb NOT NULL
);
CREATE INDEX tickets_by_event ON tickets (event_id, position, id);
CREATE INDEX tickets_by_item  ON tickets (inventory_item_id);

-- What we know of the shop itself; webhooks don't say it.
CREATE TABLE shop (
    domain   text PRIMARY KEY,
    currency text NOT NULL,
    timezone text NOT NULL,
    read_at  timestamptz NOT NULL DEFAULT now()
);

-- Which event an inventory item belongs to. The row is the meeting point of a product and a stock level that arrive in either
-- order: both lock it, so one of them sees the other. event_id is null while no product was seen that has it.
CREATE TABLE inventory_items (
    id       bigint PRIMARY KEY CHECK (id > 0),
    event_id bigint
);

-- A level outlives its ticket and may come before it: no foreign keys. available is null where the item is not stocked.
CREATE TABLE inventory_levels (
    inventory_item_id bigint NOT NULL,
    location_id       bigint NOT NULL,
    available         integer,
    committed         integer,
    on_hand           integer,
    source_version    timestamptz[] NOT NULL CHECK (array_length(source_version, 1) = 2),
    PRIMARY KEY (inventory_item_id, location_id)
);

-- What has to be read from Shopify: one row for each resource, however many changes ask for it.
CREATE TABLE refetches (
    resource text NOT NULL CHECK (resource IN ('product', 'inventory_item')),
    id       bigint NOT NULL,
    reason   text NOT NULL,
    seen_at  timestamptz NOT NULL,                -- the newest trigger that was known when it was asked for: the answer is newer
    asked_at timestamptz NOT NULL DEFAULT now(),
    due_at   timestamptz NOT NULL DEFAULT now(),
    taken_until timestamptz,                      -- somebody reads it now; after that time, anybody may
    attempts integer NOT NULL DEFAULT 0,
    error    text,
    PRIMARY KEY (resource, id)
);
CREATE INDEX refetches_by_due ON refetches (due_at);

-- Tags whose raise Redis did not take; raised again until it does.
CREATE TABLE unraised (
    tag      text PRIMARY KEY,
    revision bigint NOT NULL
);

-- One row for each reading of everything.
CREATE TABLE backfills (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    cursor      text,                             -- resume after this page
    products    bigint NOT NULL DEFAULT 0,        -- published so far
    expected    bigint,                           -- Shopify's own count when it began
    error       text
);
-- read-api's database role.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'understudy_reader') THEN
        CREATE ROLE understudy_reader NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- another database of this server was migrated at the same moment
END $$;
GRANT USAGE ON SCHEMA public TO understudy_reader;
GRANT SELECT ON collections, events, tickets, inventory_levels, backfills, refetches TO understudy_reader;
