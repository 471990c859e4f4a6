-- name: hold
-- The epoch of the new or renewed lease; no row while somebody else has it. Who let it expire begins a new epoch.
UPDATE dispatcher
SET owner = $1::text,
    epoch = CASE WHEN owner = $1::text AND expires_at > clock_timestamp() THEN epoch ELSE epoch + 1 END,
    expires_at = clock_timestamp() + make_interval(secs => $2::float8),
    latency = COALESCE($3::real, latency)
WHERE owner = $1::text OR expires_at <= clock_timestamp()
RETURNING epoch;

-- name: prove
-- Under a lock for which the next holder has to wait.
SELECT true FROM dispatcher WHERE epoch = $1 AND expires_at > clock_timestamp() FOR SHARE;

-- name: release
UPDATE dispatcher SET expires_at = '-infinity' WHERE owner = $1 AND epoch = $2;
