-- name: take_due  (renewed while the reads go on; another replica leaves these alone, and takes up those of one that died)
UPDATE refetches SET taken_until = now() + make_interval(secs => $3), attempts = attempts + 1
WHERE (resource, id) IN (
    SELECT resource, id FROM refetches
    WHERE resource = ANY ($1::text[]) AND due_at <= now() AND coalesce(taken_until < now(), true)
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING resource, id, reason, seen_at, asked_at, attempts, put_off;

-- name: renew
UPDATE refetches AS r SET taken_until = now() + make_interval(secs => $3)
FROM unnest($1::text[], $2::bigint[]) AS mine (resource, id) WHERE r.resource = mine.resource AND r.id = mine.id;

-- name: fulfil  (unless it was asked for again while it was read)
DELETE FROM refetches WHERE resource = $1 AND id = $2 AND asked_at = $3 RETURNING true;

-- name: release  (it was asked for while it was read: at once, once more)
UPDATE refetches SET taken_until = NULL, due_at = now(), attempts = 0, error = NULL WHERE resource = $1 AND id = $2;

-- name: postpone
UPDATE refetches SET taken_until = NULL, due_at = now() + make_interval(secs => $3), error = $4 WHERE resource = $1 AND id = $2;

-- name: put_off  (no failure: it is being edited just now)
UPDATE refetches SET taken_until = NULL, due_at = now() + make_interval(secs => $3), attempts = 0, put_off = put_off + 1
WHERE resource = $1 AND id = $2;

-- name: count_refetches
SELECT count(*) FROM refetches WHERE resource = ANY ($1::text[]);
