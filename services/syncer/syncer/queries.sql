-- name: share_projecting  (first of all: whoever switches to rebuilt tables holds it alone, and nothing is decided from the old ones)
SELECT pg_advisory_xact_lock_shared(hashtext('projecting'), hashtext(current_schema));

-- name: lock_events  (until the transaction ends; whoever changes an event or its stock holds it. Nobody waits, so none in a circle)
SELECT id, pg_try_advisory_xact_lock(hashtextextended(current_schema, id)) AS locked, clock_timestamp() AS now
FROM unnest($1::bigint[]) AS id;

-- name: get_events
SELECT id, data::text AS data, source_version, revision, synced_at, listed_revision, listed_at, deleted_at, status, description_html,
       document, tickets_document, item, manage_document, manage_tickets_document, manage_item
FROM events WHERE id = ANY ($1::bigint[]);

-- name: get_tickets
SELECT id, event_id, name, type, sku, price, compare_at_price, capacity, capacity_source, observed_capacity, sold, available,
       max_per_order, visible, status, position, inventory_item_id
FROM tickets WHERE event_id = ANY ($1::bigint[]);

-- name: get_currency
SELECT currency FROM shop ORDER BY read_at DESC LIMIT 1;

-- name: find_event_of_item
SELECT event_id FROM inventory_items WHERE id = $1;

-- name: get_owners
SELECT id, event_id FROM inventory_items WHERE id = ANY ($1::bigint[]) AND event_id IS NOT NULL;

-- name: meet_items  (locks every row, in one order: a product and a level that arrive at once wait for each other here)
INSERT INTO inventory_items AS i (id, event_id)
SELECT id, event_id FROM unnest($1::bigint[], $2::bigint[]) AS n (id, event_id) ORDER BY id
ON CONFLICT (id) DO UPDATE SET event_id = coalesce(excluded.event_id, i.event_id)
RETURNING id, event_id;

-- name: get_levels
SELECT inventory_item_id, location_id, available, committed, on_hand, source_version
FROM inventory_levels WHERE inventory_item_id = ANY ($1::bigint[]);

-- name: put_levels  (guarded; a webhook says only `available`, and the rest is unknown again)
INSERT INTO inventory_levels AS l (inventory_item_id, location_id, available, committed, on_hand, source_version)
SELECT item_id, location_id, available, committed, on_hand, ARRAY[updated_at, seen_at]
FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::int[], $6::timestamptz[], $7::timestamptz[])
     AS n (item_id, location_id, available, committed, on_hand, updated_at, seen_at)
ON CONFLICT (inventory_item_id, location_id) DO UPDATE
SET available = excluded.available, committed = excluded.committed, on_hand = excluded.on_hand,
    source_version = excluded.source_version
WHERE l.source_version < excluded.source_version
RETURNING inventory_item_id;

-- name: put_events  (the guard: an older source never wins, and nothing wins over a revision that we did not see)
INSERT INTO events AS e (
    id, handle, title, subtitle, description_html, status, category, tags, organizer, images, starts_at, ends_at, timezone,
    venue_name, venue_address, venue_city, venue_country, currency, price_min, price_max, capacity, sold, available,
    availability, created_at, updated_at, listed_at, listed_revision, source_version, revision, changed_at, synced_at,
    data, data_complete, document, tickets_document, item, manage_document, manage_tickets_document, manage_item, shown,
    search
)
SELECT
    id, handle, title, subtitle, description_html, status, category, tags, organizer, images, starts_at, ends_at, timezone,
    venue_name, venue_address, venue_city, venue_country, currency, price_min, price_max, capacity, sold, available,
    availability, created_at, updated_at, listed_at, listed_revision, source_version, revision, now(), synced_at,
    data, data_complete, document, tickets_document, item, manage_document, manage_tickets_document, manage_item, shown,
    setweight(to_tsvector('simple', title), 'A')
        || setweight(to_tsvector('simple', concat_ws(' ', subtitle, organizer, venue_name, venue_city, category,
                                                     array_to_string(tags, ' '))), 'B')
        || setweight(to_tsvector('simple', searched), 'C')
FROM json_to_recordset($1::text::json) AS n (
    id bigint, handle text, title text, subtitle text, description_html text, status text, category text, tags text[],
    organizer text, images jsonb, starts_at timestamptz, ends_at timestamptz, timezone text, venue_name text,
    venue_address text, venue_city text, venue_country text, currency text, price_min numeric, price_max numeric,
    capacity integer, sold integer, available integer, availability text, created_at timestamptz, updated_at timestamptz,
    listed_at timestamptz, listed_revision bigint, source_version timestamptz[], revision bigint, synced_at timestamptz,
    data jsonb, data_complete boolean, document text, tickets_document text, item text, manage_document text,
    manage_tickets_document text, manage_item text, shown boolean, searched text
)
ON CONFLICT (id) DO UPDATE SET
    handle = excluded.handle, title = excluded.title, subtitle = excluded.subtitle,
    description_html = excluded.description_html, status = excluded.status, category = excluded.category,
    tags = excluded.tags, organizer = excluded.organizer, images = excluded.images, starts_at = excluded.starts_at,
    ends_at = excluded.ends_at, timezone = excluded.timezone, venue_name = excluded.venue_name,
    venue_address = excluded.venue_address, venue_city = excluded.venue_city, venue_country = excluded.venue_country,
    currency = excluded.currency, price_min = excluded.price_min, price_max = excluded.price_max,
    capacity = excluded.capacity, sold = excluded.sold, available = excluded.available,
    availability = excluded.availability, created_at = excluded.created_at, updated_at = excluded.updated_at,
    listed_at = excluded.listed_at, listed_revision = excluded.listed_revision, source_version = excluded.source_version,
    revision = excluded.revision, changed_at = excluded.changed_at, deleted_at = NULL, synced_at = excluded.synced_at,
    data = excluded.data, data_complete = excluded.data_complete, search = excluded.search, document = excluded.document,
    tickets_document = excluded.tickets_document, item = excluded.item, manage_document = excluded.manage_document,
    manage_tickets_document = excluded.manage_tickets_document, manage_item = excluded.manage_item, shown = excluded.shown
WHERE e.source_version <= excluded.source_version AND excluded.revision = e.revision + 1
RETURNING id;

-- name: put_stock  (a sale: the same product with other stock. What lists show stands, and is neither written nor indexed again)
UPDATE events AS e SET
    sold = n.sold, available = n.available, revision = n.revision, changed_at = now(), synced_at = n.synced_at,
    document = n.document, tickets_document = n.tickets_document, manage_document = n.manage_document,
    manage_tickets_document = n.manage_tickets_document, shown = n.shown
FROM json_to_recordset($1::text::json) AS n (
    id bigint, sold integer, available integer, source_version timestamptz[], revision bigint, synced_at timestamptz,
    shown boolean, document text, tickets_document text, manage_document text, manage_tickets_document text
)
WHERE e.id = n.id AND e.source_version = n.source_version AND n.revision = e.revision + 1
RETURNING e.id;

-- name: put_sources  (nothing that readers see has changed: only what we know, and how new it is)
UPDATE events AS e SET
    data = coalesce(n.data, e.data), data_complete = n.data_complete, source_version = n.source_version,
    synced_at = n.synced_at
FROM json_to_recordset($1::text::json) AS n (
    id bigint, data jsonb, data_complete boolean, source_version timestamptz[], synced_at timestamptz
)
WHERE e.id = n.id AND e.source_version <= n.source_version
RETURNING e.id;

-- name: bury_events  (tombstones, even of events never seen: their older changes may still be on their way)
INSERT INTO events AS e (
    id, handle, title, description_html, status, tags, images, availability, updated_at, listed_at, listed_revision,
    source_version, revision, changed_at, deleted_at, synced_at, data, data_complete, search,
    document, tickets_document, item, manage_document, manage_tickets_document, manage_item, shown
)
SELECT id, '', '', '', 'archived', '{}', '[]', 'sold_out', updated_at, updated_at, 1, ARRAY[updated_at, seen_at], 1,
       now(), now(), now(), 'null', true, '', '', '', '', '', '', '', false
FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) AS n (id, updated_at, seen_at)
ON CONFLICT (id) DO UPDATE SET
    source_version = excluded.source_version,
    revision = CASE WHEN e.deleted_at IS NULL THEN e.revision + 1 ELSE e.revision END,
    changed_at = CASE WHEN e.deleted_at IS NULL THEN now() ELSE e.changed_at END,
    shown = CASE WHEN e.deleted_at IS NULL THEN e.status = 'active' ELSE e.shown END,
    deleted_at = coalesce(e.deleted_at, now()), synced_at = now()
WHERE e.source_version < excluded.source_version
RETURNING id, revision, synced_at;

-- name: put_tickets
INSERT INTO tickets (
    id, event_id, name, type, sku, price, compare_at_price, capacity, capacity_source, observed_capacity, sold, available,
    max_per_order, visible, status, position, inventory_item_id, data
)
SELECT *
FROM json_to_recordset($1::text::json) AS n (
    id bigint, event_id bigint, name text, type text, sku text, price numeric, compare_at_price numeric, capacity integer,
    capacity_source text, observed_capacity integer, sold integer, available integer, max_per_order integer,
    visible boolean, status text, position integer, inventory_item_id bigint, data jsonb
)
ON CONFLICT (id) DO UPDATE SET
    event_id = excluded.event_id, name = excluded.name, type = excluded.type, sku = excluded.sku, price = excluded.price,
    compare_at_price = excluded.compare_at_price, capacity = excluded.capacity,
    capacity_source = excluded.capacity_source, observed_capacity = excluded.observed_capacity, sold = excluded.sold,
    available = excluded.available, max_per_order = excluded.max_per_order, visible = excluded.visible,
    status = excluded.status, position = excluded.position, inventory_item_id = excluded.inventory_item_id,
    data = excluded.data;

-- name: delete_tickets
DELETE FROM tickets AS t USING unnest($1::bigint[], $2::bigint[]) AS n (id, event_id)
WHERE t.id = n.id AND t.event_id = n.event_id;

-- name: delete_tickets_of
DELETE FROM tickets WHERE event_id = ANY ($1::bigint[]);

-- name: raise_events  (the last statement of a transaction: every change of a list waits here for the one before)
UPDATE collections SET revision = revision + 1 WHERE name = 'events' RETURNING revision;

-- name: get_changed_since  (by the database clock: a syncer that died may not have said these)
SELECT id, revision FROM events WHERE changed_at > now() - make_interval(secs => $1) ORDER BY changed_at;

-- name: put_shop
INSERT INTO shop (domain, currency, timezone) VALUES ($1, $2, $3)
ON CONFLICT (domain) DO UPDATE SET currency = excluded.currency, timezone = excluded.timezone, read_at = now();

-- name: want  (one row for each resource; whoever asks later is answered by the same read, or by the next)
-- A run waits for the reads that bear its reason: a webhook in between must not take it off, and a run's reads begin with no failures.
INSERT INTO refetches AS r (resource, id, reason, seen_at, asked_at, due_at)
VALUES ($1, $2, $3, $4, clock_timestamp(), now() + make_interval(secs => $5))
ON CONFLICT (resource, id) DO UPDATE
SET reason = CASE WHEN r.reason IN ('export', 'reconcile', 'rebuild') THEN r.reason ELSE excluded.reason END,
    attempts = CASE WHEN excluded.reason IN ('export', 'reconcile', 'rebuild') THEN 0 ELSE r.attempts END,
    seen_at = greatest(r.seen_at, excluded.seen_at), asked_at = excluded.asked_at, due_at = least(r.due_at, excluded.due_at);

-- name: want_all  (the same for many, in one order: two of us never wait for each other in a circle)
INSERT INTO refetches AS r (resource, id, reason, seen_at, asked_at, due_at)
SELECT resource, id, reason, seen_at, clock_timestamp(), now() + make_interval(secs => delay)
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::float8[]) AS n (resource, id, reason, seen_at, delay)
ORDER BY resource, id
ON CONFLICT (resource, id) DO UPDATE
SET reason = CASE WHEN r.reason IN ('export', 'reconcile', 'rebuild') THEN r.reason ELSE excluded.reason END,
    attempts = CASE WHEN excluded.reason IN ('export', 'reconcile', 'rebuild') THEN 0 ELSE r.attempts END,
    seen_at = greatest(r.seen_at, excluded.seen_at), asked_at = excluded.asked_at, due_at = least(r.due_at, excluded.due_at);

-- name: keep_unraised
INSERT INTO unraised AS u (tag, revision)
SELECT tag, revision FROM unnest($1::text[], $2::bigint[]) AS n (tag, revision) ORDER BY tag
ON CONFLICT (tag) DO UPDATE SET revision = greatest(u.revision, excluded.revision);

-- name: get_unraised  (in one order, in which they are locked by whoever keeps and whoever drops them)
SELECT tag, revision FROM unraised ORDER BY tag LIMIT $1;

-- name: drop_unraised
DELETE FROM unraised WHERE tag = $1 AND revision <= $2;
