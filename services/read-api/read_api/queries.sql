-- Every statement that read-api sends. Parameters are `:names`; `{…}` is filled with the pieces below, never with input.

-- name: ready
SELECT revision FROM collections WHERE name = 'events';

-- name: public_event
SELECT revision, status = 'active' AND deleted_at IS NULL AS visible, document AS body FROM events WHERE id = :id;

-- name: public_tickets
SELECT revision, status = 'active' AND deleted_at IS NULL AS visible, tickets_document AS body FROM events WHERE id = :id;

-- name: organizer_event
SELECT revision, deleted_at IS NULL AS visible, manage_document AS body FROM events WHERE id = :id;

-- name: organizer_tickets
SELECT revision, deleted_at IS NULL AS visible, manage_tickets_document AS body FROM events WHERE id = :id;

-- name: public_handle  (may belong to two events for a moment: a rename and its successor come in either order; the newer has it)
SELECT revision, (
    SELECT id FROM events WHERE handle = :handle AND deleted_at IS NULL AND status = 'active'
    ORDER BY updated_at DESC, id DESC LIMIT 1
) AS id
FROM collections WHERE name = 'events';

-- name: organizer_handle
SELECT revision, (
    SELECT id FROM events WHERE handle = :handle AND deleted_at IS NULL
    ORDER BY status = 'active' DESC, updated_at DESC, id DESC LIMIT 1
) AS id
FROM collections WHERE name = 'events';

-- name: categories
SELECT revision, (
    SELECT coalesce(json_agg(json_build_object('name', category, 'count', count) ORDER BY category COLLATE "C"), '[]')::text
    FROM (
        SELECT category, count(*) FROM events
        WHERE deleted_at IS NULL AND status = 'active' AND category IS NOT NULL
        GROUP BY category
    ) AS counted
) AS body
FROM collections WHERE name = 'events';

-- name: page  (one statement, so its rows and the revision of their collection are one snapshot)
SELECT collections.revision, page.item, page.place, page.id
FROM collections LEFT JOIN LATERAL ({parts}) AS page ON true
WHERE collections.name = 'events'
ORDER BY page.place {direction} NULLS LAST, page.id {direction}
LIMIT :rows;

-- name: part
(SELECT {item} AS item, {place} AS place, id FROM events WHERE {conditions} ORDER BY {place} {direction}, id {direction} LIMIT :rows)

-- name: union
UNION ALL

-- name: is_public
deleted_at IS NULL AND status = 'active'

-- name: is_organizer
deleted_at IS NULL

-- name: has_status
status = :status

-- name: has_category
category = :category

-- name: has_tag
tags @> ARRAY[:tag::text]

-- name: has_city
venue_city = :city

-- name: has_available
sold_out = NOT :available

-- name: has_starts_after
starts_at >= :starts_after

-- name: has_starts_before
starts_at < :starts_before

-- name: matches_query
search @@ websearch_to_tsquery('simple', :q)

-- name: matches_words  (plain words, the last of which may be the beginning of one)
search @@ CASE numnode(websearch_to_tsquery('simple', :q)) WHEN 0 THEN ''::tsquery
          ELSE (websearch_to_tsquery('simple', :q)::text || ':*')::tsquery END

-- name: is_dated
starts_at IS NOT NULL

-- name: is_undated
starts_at IS NULL

-- name: after
({place}, id) > (:after_place, :after_id)

-- name: before
({place}, id) < (:after_place, :after_id)

-- name: after_id
id > :after_id

-- name: before_id
id < :after_id

-- name: status  (`events` counts what anyone may see)
SELECT
    (SELECT count(*) FROM events WHERE deleted_at IS NULL AND status = 'active') AS events,
    (SELECT count(*) FROM events WHERE NOT data_complete AND deleted_at IS NULL) AS incomplete,
    (SELECT max(changed_at) FROM events) AS last_change_at,
    (SELECT count(*) FROM refetches) AS refetches_pending;

-- name: backfill  (the one that goes on, or else the last; `complete`: the whole shop was read once, by this one or before;
-- of the error only the name: its words may quote addresses, and everyone may ask)
SELECT coalesce(started_at, asked_at) AS started_at,
       CASE WHEN state = 'succeeded' THEN finished_at END AS finished_at,
       done, expected, report,
       state <> 'succeeded' AND error IS NOT NULL AS failed,
       CASE WHEN state <> 'succeeded' THEN split_part(error, ':', 1) END AS error,
       succeeded.at AS last_succeeded_at, succeeded.at IS NOT NULL AS complete
FROM runs, (SELECT max(finished_at) AS at FROM runs WHERE kind = 'backfill' AND state = 'succeeded') succeeded
WHERE kind = 'backfill' AND state <> 'cancelled' ORDER BY id DESC LIMIT 1;

-- name: last_reconcile
SELECT scope, finished_at, extract(epoch FROM now() - finished_at)::float8 AS age_seconds, report
FROM runs WHERE kind = 'reconcile' AND state = 'succeeded' ORDER BY finished_at DESC LIMIT 1;

-- name: open_runs
SELECT kind, scope, stage, done, expected FROM runs WHERE state IN ('asked', 'running') ORDER BY id LIMIT 20;

-- name: drift_by_cause  (of the last 24 hours; an index serves it)
SELECT cause, count(*) FROM drift WHERE found_at > now() - interval '24 hours' GROUP BY cause;
