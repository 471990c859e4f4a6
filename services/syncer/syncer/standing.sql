-- name: get_standing  (the newest first: it may be none of those that were asked for)
SELECT id, revision, synced_at, shown, deleted_at IS NOT NULL AS deleted, changed_at FROM events
WHERE id = ANY($1::bigint[]) OR id = (SELECT id FROM events ORDER BY changed_at DESC LIMIT 1)
ORDER BY changed_at DESC;

-- name: get_events_revision
SELECT revision FROM collections WHERE name = 'events';
