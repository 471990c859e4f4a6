-- name: get_standing  (the newest first)
SELECT id, revision, synced_at, shown, deleted_at IS NOT NULL AS deleted, changed_at FROM events
WHERE id = ANY ($1::bigint[]) ORDER BY changed_at DESC, id;

-- name: get_newest  (of those that are shown; a draft, where none is)
SELECT coalesce(
    (SELECT id FROM events WHERE shown ORDER BY changed_at DESC LIMIT 1),
    (SELECT id FROM events ORDER BY changed_at DESC LIMIT 1)
);

-- name: get_events_revision
SELECT revision FROM collections WHERE name = 'events';
