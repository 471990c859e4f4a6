-- name: look
SELECT edge, stream_created, purged_to, owed, reason FROM purger;

-- name: owe
UPDATE purger
SET edge = $1, stream_created = $2, purged_to = $3, owed = greatest(owed, $4::smallint), reason = $5
RETURNING owed;

-- name: note
UPDATE purger SET owed = greatest(owed, $1::smallint), reason = $2;

-- name: advance
UPDATE purger SET purged_to = greatest(purged_to, $1);

-- name: settle
UPDATE purger SET owed = NULL, reason = NULL;
