-- Everything a rebuild says to PostgreSQL, but the statements that are made of the catalogue (shadow.py).
-- `live` is what readers see: always the schema public. New rows are in the schema rebuilding, on every connection.

-- name: has_shadow
SELECT to_regclass('rebuilding.state') IS NOT NULL;

-- name: create_state
CREATE TABLE rebuilding.state (
    run_id      bigint PRIMARY KEY,
    began_at    timestamptz NOT NULL DEFAULT now(),
    listening   boolean NOT NULL DEFAULT false,   -- the consumer was made: nothing that changes from now on is missed
    export      jsonb,                            -- what was read, once all of it is in
    report      jsonb                             -- once it was switched
);
CREATE TABLE rebuilding.aligned (                 -- what was decided, and about which versions of both rows
    event_id    bigint PRIMARY KEY,
    decision    text NOT NULL,
    listed      boolean NOT NULL,                 -- lists change, too
    live_row    text,                             -- xmin
    shadow_row  text
);
CREATE TABLE rebuilding.asked (                   -- events about which Shopify is asked, since when
    event_id    bigint PRIMARY KEY,
    seen_at     timestamptz NOT NULL,
    missing     boolean NOT NULL                  -- it was not read, although readers see it
);

-- name: begin_state
INSERT INTO rebuilding.state (run_id) VALUES ($1);

-- name: get_state
SELECT run_id, began_at, listening, export, report FROM rebuilding.state;

-- name: set_listening
UPDATE rebuilding.state SET listening = true WHERE run_id = $1;

-- name: set_export
UPDATE rebuilding.state SET export = $2 WHERE run_id = $1;

-- name: set_report  (nobody switches what is not theirs)
UPDATE rebuilding.state SET report = $2 WHERE run_id = $1 AND export IS NOT NULL AND report IS NULL RETURNING true;

-- name: is_open
SELECT EXISTS (SELECT FROM runs WHERE id = $1 AND state IN ('asked', 'running'));

-- name: seed_collections
INSERT INTO rebuilding.collections (name, revision) VALUES ('events', 1);

-- name: seed_items
INSERT INTO rebuilding.inventory_items (id, event_id) SELECT id, event_id FROM public.inventory_items;

-- name: seed_levels  (of strangers: their products may come yet)
INSERT INTO rebuilding.inventory_levels
SELECT l.* FROM public.inventory_levels AS l JOIN public.inventory_items AS i ON i.id = l.inventory_item_id
WHERE i.event_id IS NULL;

-- name: count_living
SELECT count(*) FROM public.events WHERE deleted_at IS NULL;

-- name: get_unread  (events that readers see, and the shadow has not: without a document, only their place was kept)
SELECT l.id FROM public.events AS l LEFT JOIN rebuilding.events AS s ON s.id = l.id
WHERE l.deleted_at IS NULL AND (s.id IS NULL OR s.deleted_at IS NULL AND s.document = '') ORDER BY l.id;

-- name: get_unaligned  (what was not decided yet, or about rows that are others now; what is still in doubt comes every time)
SELECT coalesce(l.id, s.id) AS id
FROM public.events AS l FULL JOIN rebuilding.events AS s ON s.id = l.id
LEFT JOIN rebuilding.aligned AS a ON a.event_id = coalesce(l.id, s.id)
WHERE a.event_id IS NULL OR a.live_row IS DISTINCT FROM l.xmin::text OR a.shadow_row IS DISTINCT FROM s.xmin::text
ORDER BY 1;

-- name: get_pairs  (`same`: readers would see no difference but the revision, and what goes with it)
SELECT n.id, l.xmin::text AS live_row,
       l.revision AS live_revision, l.deleted_at IS NOT NULL AS live_deleted, l.source_version AS live_version,
       l.data_complete AS live_complete,
       s.revision AS shadow_revision, s.deleted_at IS NOT NULL AS shadow_deleted, s.source_version AS shadow_version,
       s.data_complete AS shadow_complete, coalesce(s.document = '' AND s.deleted_at IS NULL, false) AS unread,
       CASE WHEN l.deleted_at IS NULL AND s.deleted_at IS NULL AND l.id = s.id AND s.document <> '' THEN
           l.document::jsonb - 'revision' = s.document::jsonb - 'revision'
           AND l.tickets_document::jsonb - 'revision' = s.tickets_document::jsonb - 'revision'
           AND l.item::jsonb - '{revision,updated_at}'::text[] = s.item::jsonb - '{revision,updated_at}'::text[]
           AND l.manage_document::jsonb - '{revision,synced_at}'::text[]
             = s.manage_document::jsonb - '{revision,synced_at}'::text[]
           AND l.manage_tickets_document::jsonb - 'revision' = s.manage_tickets_document::jsonb - 'revision'
           AND l.manage_item::jsonb - '{revision,updated_at}'::text[] = s.manage_item::jsonb - '{revision,updated_at}'::text[]
       ELSE false END AS same,
       a.seen_at AS asked_at
FROM unnest($1::bigint[]) AS n (id)
LEFT JOIN public.events AS l ON l.id = n.id
LEFT JOIN rebuilding.events AS s ON s.id = n.id
LEFT JOIN rebuilding.asked AS a ON a.event_id = n.id;

-- name: get_outdated  (live stock that is newer than the shadow's, and another: by Shopify's own time of it)
SELECT DISTINCT t.event_id
FROM public.tickets AS t
JOIN rebuilding.events AS e ON e.id = t.event_id
JOIN public.inventory_levels AS l ON l.inventory_item_id = t.inventory_item_id
LEFT JOIN rebuilding.inventory_levels AS s
    ON s.inventory_item_id = l.inventory_item_id AND s.location_id = l.location_id
WHERE t.event_id = ANY ($1::bigint[]) AND l.available IS DISTINCT FROM s.available
    AND l.source_version[1] > coalesce(s.source_version[1], e.source_version[2]);

-- name: get_forgotten  (a higher stock than the shadow has ever seen decides a capacity)
SELECT DISTINCT s.event_id
FROM rebuilding.tickets AS s JOIN public.tickets AS l ON l.id = s.id
WHERE s.event_id = ANY ($1::bigint[]) AND s.capacity_source = 'observed' AND l.observed_capacity > s.observed_capacity;

-- name: adopt  (what readers hold of it stays good; the newer source of two that look alike)
UPDATE rebuilding.events AS s
SET revision = l.revision, listed_revision = l.listed_revision, listed_at = l.listed_at, synced_at = l.synced_at,
    changed_at = l.changed_at, shown = l.shown, document = l.document, tickets_document = l.tickets_document, item = l.item,
    manage_document = l.manage_document, manage_tickets_document = l.manage_tickets_document, manage_item = l.manage_item,
    source_version = greatest(l.source_version, s.source_version),
    data = CASE WHEN l.source_version > s.source_version THEN l.data ELSE s.data END
FROM public.events AS l
WHERE l.id = s.id AND s.id = ANY ($1::bigint[]) AND l.deleted_at IS NULL;

-- name: adopt_capacities
UPDATE rebuilding.tickets AS s SET observed_capacity = l.observed_capacity
FROM public.tickets AS l
WHERE l.id = s.id AND s.event_id = ANY ($1::bigint[]) AND l.observed_capacity > coalesce(s.observed_capacity, 0);

-- name: get_standings
SELECT id, revision, synced_at, listed_revision, listed_at, deleted_at, status, description_html,
       document, tickets_document, item, manage_document, manage_tickets_document, manage_item
FROM public.events WHERE id = ANY ($1::bigint[]);

-- name: get_shadow_sources
SELECT id, data::text AS data FROM rebuilding.events WHERE id = ANY ($1::bigint[]) AND deleted_at IS NULL;

-- name: get_shadow_levels
SELECT DISTINCT l.inventory_item_id, l.location_id, l.available, l.committed, l.on_hand
FROM rebuilding.tickets AS t JOIN rebuilding.inventory_levels AS l ON l.inventory_item_id = t.inventory_item_id
WHERE t.event_id = ANY ($1::bigint[]) ORDER BY l.inventory_item_id, l.location_id;

-- name: get_shadow_capacities
SELECT id, observed_capacity FROM rebuilding.tickets WHERE event_id = ANY ($1::bigint[]) AND observed_capacity IS NOT NULL;

-- name: put_revision
UPDATE rebuilding.events SET
    revision = $2, synced_at = $3, listed_revision = $4, listed_at = $5, changed_at = now(), shown = $6,
    document = $7, tickets_document = $8, item = $9, manage_document = $10, manage_tickets_document = $11, manage_item = $12
WHERE id = $1;

-- name: bury  (copies of live rows, as tombstones)
UPDATE rebuilding.events
SET revision = revision + 1, deleted_at = now(), changed_at = now(), synced_at = now(), shown = (status = 'active')
WHERE id = ANY ($1::bigint[]);

-- name: drop_tickets
DELETE FROM rebuilding.tickets WHERE event_id = ANY ($1::bigint[]);

-- name: clear_tickets  (whatever stands where copies shall)
DELETE FROM rebuilding.tickets
WHERE event_id = ANY ($1::bigint[]) OR id IN (SELECT id FROM public.tickets WHERE event_id = ANY ($1::bigint[]));

-- name: copy_items
INSERT INTO rebuilding.inventory_items (id, event_id)
SELECT id, event_id FROM public.inventory_items WHERE event_id = ANY ($1::bigint[])
ON CONFLICT (id) DO UPDATE SET event_id = excluded.event_id;

-- name: copy_levels
INSERT INTO rebuilding.inventory_levels AS s
SELECT l.* FROM public.inventory_levels AS l JOIN public.inventory_items AS i ON i.id = l.inventory_item_id
WHERE i.event_id = ANY ($1::bigint[])
ON CONFLICT (inventory_item_id, location_id) DO UPDATE
SET available = excluded.available, committed = excluded.committed, on_hand = excluded.on_hand,
    source_version = excluded.source_version
WHERE s.source_version < excluded.source_version;

-- name: put_aligned  (the shadow's row is the one that was just written)
INSERT INTO rebuilding.aligned AS a (event_id, decision, listed, live_row, shadow_row)
SELECT n.id, n.decision, n.listed, n.live_row, s.xmin::text
FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::text[]) AS n (id, decision, listed, live_row)
LEFT JOIN rebuilding.events AS s ON s.id = n.id
ON CONFLICT (event_id) DO UPDATE
SET decision = excluded.decision, listed = excluded.listed, live_row = excluded.live_row, shadow_row = excluded.shadow_row;

-- name: ask  (once: later looks wait for the same answer)
INSERT INTO rebuilding.asked (event_id, seen_at, missing)
SELECT id, clock_timestamp(), missing FROM unnest($1::bigint[], $2::boolean[]) AS n (id, missing)
ON CONFLICT (event_id) DO NOTHING;

-- name: want  (of the refetcher, whose queue is everybody's)
INSERT INTO public.refetches AS r (resource, id, reason, seen_at, asked_at, due_at)
SELECT 'product', id, 'rebuild', clock_timestamp(), clock_timestamp(), now() FROM unnest($1::bigint[]) AS id ORDER BY id
ON CONFLICT (resource, id) DO UPDATE
SET seen_at = greatest(r.seen_at, excluded.seen_at), asked_at = excluded.asked_at, due_at = least(r.due_at, excluded.due_at);

-- name: count_decisions
SELECT decision, count(*) FROM rebuilding.aligned GROUP BY decision;

-- name: get_some  (ids for people to look at)
SELECT event_id FROM rebuilding.aligned WHERE decision = $1 ORDER BY event_id LIMIT $2;

-- name: get_missing
SELECT event_id FROM rebuilding.asked WHERE missing ORDER BY event_id LIMIT $1;

-- name: get_changed  (what readers must hear of; a tombstone of what they never saw is nothing to them)
SELECT s.id, s.revision, s.synced_at AS made_at, s.shown, s.deleted_at IS NOT NULL AS deleted, a.listed
FROM rebuilding.aligned AS a JOIN rebuilding.events AS s ON s.id = a.event_id
WHERE a.decision IN ('revise', 'bury') OR a.decision = 'new' AND s.deleted_at IS NULL
ORDER BY s.id;

-- name: date_changes
UPDATE rebuilding.events AS s SET changed_at = now() WHERE s.id = ANY ($1::bigint[]);

-- name: raise_events
UPDATE public.collections SET revision = revision + 1 WHERE name = 'events' RETURNING revision;

-- name: keep_unraised
INSERT INTO public.unraised AS u (tag, revision)
SELECT tag, revision FROM unnest($1::text[], $2::bigint[]) AS n (tag, revision)
ON CONFLICT (tag) DO UPDATE SET revision = greatest(u.revision, excluded.revision);

-- name: keep_unannounced
INSERT INTO public.unannounced AS u (event_id, revision, made_at, events_revision, visible, deleted, seen_at)
SELECT n.*, now()
FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::boolean[], $6::boolean[]) AS n
ON CONFLICT (event_id) DO UPDATE
SET revision = excluded.revision, made_at = excluded.made_at, visible = excluded.visible OR u.visible,
    events_revision = coalesce(excluded.events_revision, u.events_revision), deleted = excluded.deleted, seen_at = excluded.seen_at;

-- name: get_unannounced
SELECT event_id, revision, made_at, events_revision, visible, deleted, seen_at FROM unannounced ORDER BY event_id LIMIT $1;

-- name: drop_unannounced
DELETE FROM unannounced WHERE event_id = $1 AND revision = $2;

-- name: hold_projecting  (whoever projects into the live tables holds it shared, from the beginning of the transaction on)
SELECT pg_advisory_xact_lock(hashtext('projecting'), hashtext('public'));

-- name: get_making
SELECT version, rules FROM projection_rules;

-- name: put_making
INSERT INTO public.projection_rules AS p (name, version, rules, run_id) VALUES ('events', $1, $2, $3)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, rules = excluded.rules, run_id = excluded.run_id, since = now();

-- name: is_filled  (a backfill has succeeded: what readers see is what some rules made of everything)
SELECT EXISTS (SELECT FROM runs WHERE kind IN ('backfill', 'rebuild') AND state = 'succeeded');

-- name: is_empty
SELECT NOT EXISTS (SELECT FROM events);

-- name: was_in_vain  (the last rebuild has failed, or was cancelled, not long ago)
SELECT coalesce((
    SELECT state <> 'succeeded' AND finished_at > now() - make_interval(secs => $1)
    FROM runs WHERE kind = 'rebuild' AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 1
), false);

-- name: count_wanted  (reads that were asked for in place of products that did not add up)
SELECT count(*) FROM public.refetches WHERE reason = 'rebuild';
