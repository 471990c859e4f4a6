-- name: get_answered  (what can be said as it is)
SELECT id, state, event_id, observation, finished_at, attempts AS attempt FROM jobs
WHERE observation IS NOT NULL AND observed_at IS NULL AND observation ->> 'what' IN ('answered', 'gone')
ORDER BY seq LIMIT $1;

-- name: get_unread  (what has to be read first; not the products of $1, which could not be read a moment ago)
SELECT id, state, event_id, observation, finished_at, attempts AS attempt FROM jobs
WHERE observation IS NOT NULL AND observed_at IS NULL AND COALESCE(observation ->> 'what', '') NOT IN ('answered', 'gone')
  AND COALESCE(observation ->> 'product_id', event_id::text, '') <> ALL ($1::text[])
ORDER BY seq LIMIT $2;

-- name: be_patient  (a replica that hangs while it looks is waited for so many seconds)
SELECT set_config('idle_in_transaction_session_timeout', $1::float8::integer || 's', true);

-- name: look_alone  (until the transaction ends)
SELECT pg_try_advisory_xact_lock(hashtext('jobs'), hashtext('observer'));

-- name: mark_observed  (not where the job has ended anew meanwhile, nor where somebody is at it: then it is said again, and dropped)
UPDATE jobs SET observed_at = clock_timestamp()
WHERE id IN (
    SELECT jobs.id FROM jobs JOIN unnest($1::uuid[], $2::text[], $3::integer[]) AS said (id, state, attempt) ON jobs.id = said.id
    WHERE jobs.state = said.state AND jobs.attempts = said.attempt AND jobs.observed_at IS NULL
    FOR UPDATE OF jobs SKIP LOCKED);
