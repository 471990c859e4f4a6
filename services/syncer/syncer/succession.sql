-- name: be_present  (for as long as this connection lives, and not a moment longer, however its holder dies)
SELECT pg_advisory_lock(hashtext('syncer'), pg_backend_pid());

-- name: get_present  (the others)
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint = hashtext('syncer')::bigint & 4294967295
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted AND pid <> pg_backend_pid();

-- name: get_time
SELECT clock_timestamp();

-- name: get_lately  (`changed_at` is when the transaction began: whatever its death cut off began before it was noticed)
SELECT id FROM events WHERE changed_at > $1::timestamptz - make_interval(secs => $2) AND changed_at <= $1
ORDER BY changed_at DESC LIMIT $3;
