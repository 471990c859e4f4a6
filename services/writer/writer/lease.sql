-- name: renew
-- The epoch of a lease that is ours still. It waits for no transition: those lock the row's key only.
UPDATE dispatcher
SET expires_at = clock_timestamp() + make_interval(secs => $2::float8), latency = COALESCE($3::real, latency)
WHERE owner = $1 AND expires_at > clock_timestamp()
RETURNING epoch;

-- name: find_free
-- Nobody has it, and every transition of whoever had it has ended: for those this waits.
SELECT true FROM dispatcher WHERE expires_at <= clock_timestamp() FOR UPDATE;

-- name: take
-- A new epoch, also for who had it before.
UPDATE dispatcher SET owner = $1, epoch = epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $2::float8)
WHERE expires_at <= clock_timestamp()
RETURNING epoch;

-- name: prove
-- Under a lock for which whoever takes the lease over has to wait, but who renews it has not.
SELECT true FROM dispatcher WHERE epoch = $1 AND expires_at > clock_timestamp() FOR KEY SHARE;

-- name: release
UPDATE dispatcher SET expires_at = '-infinity' WHERE owner = $1 AND epoch = $2;
