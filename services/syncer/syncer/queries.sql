-- name: lock_event  (until the transaction ends; whoever changes an event or its stock holds it)
SELECT pg_advisory_xact_lock($1), clock_timestamp() AS now;

-- name: get_event
SELECT data::text AS data, source_version, revision, synced_at, listed_revision, listed_at, deleted_at, status, description_html,
       document, tickets_document, item, manage_document, manage_tickets_document, manage_item, data_complete
FROM events WHERE id = $1;

-- name: get_observed_capacities
SELECT id, observed_capacity FROM tickets WHERE event_id = $1 AND observed_capacity IS NOT NULL;

-- name: get_currency
SELECT currency FROM shop ORDER BY read_at DESC LIMIT 1;

-- name: claim_items  (locks every row, also those that stay as they are: a level that arrives now waits, or was here before)
INSERT INTO inventory_items AS i (id, event_id)
SELECT id, $2 FROM unnest($1::bigint[]) AS id ORDER BY id
ON CONFLICT (id) DO UPDATE SET event_id = excluded.event_id WHERE i.event_id IS DISTINCT FROM excluded.event_id;

-- name: find_event_of_item
SELECT event_id FROM inventory_items WHERE id = $1;

-- name: meet_item  (insert or lock; says which event claimed it in the meantime)
INSERT INTO inventory_items AS i (id) VALUES ($1)
ON CONFLICT (id) DO UPDATE SET id = excluded.id
RETURNING event_id;

-- name: get_levels
SELECT inventory_item_id, location_id, available, committed, on_hand, source_version
FROM inventory_levels WHERE inventory_item_id = ANY ($1::bigint[]) ORDER BY inventory_item_id, location_id;

-- name: put_level  (guarded; a webhook says only `available`, and the rest is unknown again)
INSERT INTO inventory_levels AS l (inventory_item_id, location_id, available, committed, on_hand, source_version)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (inventory_item_id, location_id) DO UPDATE
SET available = excluded.available, committed = excluded.committed, on_hand = excluded.on_hand,
    source_version = excluded.source_version
WHERE l.source_version < excluded.source_version
RETURNING true;

-- name: put_event  (the guard: an older source never wins, and nothing wins over a revision that we did not see)
INSERT INTO events AS e (
    id, handle, title, subtitle, description_html, status, category, tags, organizer, images, starts_at, ends_at, timezone,
    venue_name, venue_address, venue_city, venue_country, currency, price_min, price_max, capacity, sold, available,
    availability, created_at, updated_at, listed_at, listed_revision, source_version, revision, changed_at, deleted_at,
    synced_at, data, data_complete, search,
    document, tickets_document, item, manage_document, manage_tickets_document, manage_item, shown
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
    $23, $24, $25, $26, $27, $28, $29, $30, now(), NULL, $31, $32::text::jsonb, $33,
    setweight(to_tsvector('simple', $3), 'A')
        || setweight(to_tsvector('simple', concat_ws(' ', $4::text, $9::text, $14::text, $16::text, $7::text,
                                                     array_to_string($8::text[], ' '))), 'B')
        || setweight(to_tsvector('simple', $34), 'C'),
    $35, $36, $37, $38, $39, $40, $41
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
    revision = excluded.revision,
    changed_at = CASE WHEN excluded.revision > e.revision THEN excluded.changed_at ELSE e.changed_at END,
    deleted_at = NULL, synced_at = excluded.synced_at, data = excluded.data, data_complete = excluded.data_complete,
    search = excluded.search, document = excluded.document, tickets_document = excluded.tickets_document,
    item = excluded.item, manage_document = excluded.manage_document,
    manage_tickets_document = excluded.manage_tickets_document, manage_item = excluded.manage_item, shown = excluded.shown
WHERE e.source_version <= excluded.source_version AND excluded.revision - e.revision IN (0, 1)
RETURNING revision;

-- name: put_source  (nothing that readers see has changed: only what we know, and how new it is)
UPDATE events SET data = $2::text::jsonb, data_complete = $3, source_version = $4, synced_at = $5
WHERE id = $1 AND source_version <= $4
RETURNING revision;

-- name: bury_event  (a tombstone, even of an event never seen: its older changes may still be on their way)
INSERT INTO events AS e (
    id, handle, title, description_html, status, tags, images, availability, updated_at, listed_at, listed_revision,
    source_version, revision, changed_at, deleted_at, synced_at, data, data_complete, search,
    document, tickets_document, item, manage_document, manage_tickets_document, manage_item, shown
) VALUES ($1, '', '', '', 'archived', '{}', '[]', 'sold_out', ($2::timestamptz[])[1], ($2::timestamptz[])[1], 1, $2, 1,
          now(), now(), now(), 'null', true, '', '', '', '', '', '', '', false)
ON CONFLICT (id) DO UPDATE SET
    source_version = excluded.source_version, revision = e.revision + 1, changed_at = now(), deleted_at = now(),
    synced_at = now(), shown = (e.status = 'active')
WHERE e.source_version < excluded.source_version AND e.deleted_at IS NULL
RETURNING revision, synced_at;

-- name: put_ticket
INSERT INTO tickets (
    id, event_id, name, type, sku, price, compare_at_price, capacity, capacity_source, observed_capacity, sold, available,
    max_per_order, visible, status, position, inventory_item_id, data
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18::text::jsonb)
ON CONFLICT (id) DO UPDATE SET
    event_id = excluded.event_id, name = excluded.name, type = excluded.type, sku = excluded.sku, price = excluded.price,
    compare_at_price = excluded.compare_at_price, capacity = excluded.capacity,
    capacity_source = excluded.capacity_source, observed_capacity = excluded.observed_capacity, sold = excluded.sold,
    available = excluded.available, max_per_order = excluded.max_per_order, visible = excluded.visible,
    status = excluded.status, position = excluded.position, inventory_item_id = excluded.inventory_item_id,
    data = excluded.data;

-- name: delete_tickets_but
DELETE FROM tickets WHERE event_id = $1 AND id <> ALL ($2::bigint[]);

-- name: raise_events  (the last statement of a transaction: every change of a list waits here for the one before)
UPDATE collections SET revision = revision + 1 WHERE name = 'events' RETURNING revision;

-- name: get_standing
SELECT revision, synced_at, shown, deleted_at IS NOT NULL AS deleted FROM events WHERE id = $1;

-- name: get_events_revision
SELECT revision FROM collections WHERE name = 'events';

-- name: get_changed_since  (by the database clock: a syncer that died may not have said these)
SELECT id, revision FROM events WHERE changed_at > now() - make_interval(secs => $1) ORDER BY changed_at;

-- name: put_shop
INSERT INTO shop (domain, currency, timezone) VALUES ($1, $2, $3)
ON CONFLICT (domain) DO UPDATE SET currency = excluded.currency, timezone = excluded.timezone, read_at = now();

-- name: want  (one row for each resource; whoever asks later is answered by the same read, or by the next)
INSERT INTO refetches AS r (resource, id, reason, seen_at, asked_at, due_at)
VALUES ($1, $2, $3, $4, clock_timestamp(), now() + make_interval(secs => $5))
ON CONFLICT (resource, id) DO UPDATE
SET reason = excluded.reason, seen_at = greatest(r.seen_at, excluded.seen_at), asked_at = excluded.asked_at,
    due_at = least(r.due_at, excluded.due_at);

-- name: take_due  (for as long as a read may take; another replica leaves these alone)
UPDATE refetches SET taken_until = now() + make_interval(secs => $2), attempts = attempts + 1
WHERE (resource, id) IN (
    SELECT resource, id FROM refetches WHERE due_at <= now() AND coalesce(taken_until < now(), true)
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
RETURNING resource, id, reason, seen_at, asked_at, attempts;

-- name: fulfil  (unless it was asked for again while it was read)
DELETE FROM refetches WHERE resource = $1 AND id = $2 AND asked_at = $3 RETURNING true;

-- name: release  (it was asked for while it was read: at once, once more)
UPDATE refetches SET taken_until = NULL, due_at = now(), attempts = 0, error = NULL WHERE resource = $1 AND id = $2;

-- name: postpone
UPDATE refetches SET taken_until = NULL, due_at = now() + make_interval(secs => $3), error = $4 WHERE resource = $1 AND id = $2;

-- name: count_refetches
SELECT count(*) FROM refetches;

-- name: keep_unraised
INSERT INTO unraised AS u (tag, revision) VALUES ($1, $2)
ON CONFLICT (tag) DO UPDATE SET revision = greatest(u.revision, excluded.revision);

-- name: get_unraised
SELECT tag, revision FROM unraised LIMIT $1;

-- name: drop_unraised
DELETE FROM unraised WHERE tag = $1 AND revision <= $2;

-- name: last_backfill
SELECT id, started_at, finished_at, cursor, products, expected FROM backfills ORDER BY id DESC LIMIT 1;

-- name: begin_backfill
INSERT INTO backfills (expected) VALUES ($1) RETURNING id;

-- name: advance_backfill  (no further page: it is finished)
UPDATE backfills
SET cursor = $2, products = products + $3, error = NULL, finished_at = CASE WHEN $2::text IS NULL THEN now() END
WHERE id = $1;

-- name: fail_backfill
UPDATE backfills SET error = $2 WHERE id = $1;

