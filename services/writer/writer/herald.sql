-- name: has_news  (mostly there is none. In order, or the planner, who does not know that, would look at every job)
SELECT true FROM jobs WHERE version > announced ORDER BY seq LIMIT 1;

-- name: be_brief  (a replica that hangs with the word loses it)
SELECT set_config('lock_timeout', '2s', true), set_config('idle_in_transaction_session_timeout', '20s', true);

-- name: take_the_word  (until the transaction ends)
SELECT pg_advisory_xact_lock(hashtext('jobs'), hashtext('herald'));

-- name: get_news
SELECT id, owner, version, state, kind, event_id, ticket_id, attempts, cost, error, note, superseded_by, visible_revision, waits_for,
       created_at, dispatched_at, finished_at
FROM jobs WHERE version > announced ORDER BY seq LIMIT $1;

-- name: set_announced  (up to what was said. A row that somebody is at is said again, and dropped as a duplicate)
UPDATE jobs SET announced = said.version
FROM (
    SELECT j.id, s.version
    FROM jobs AS j JOIN unnest($1::uuid[], $2::integer[]) AS s (id, version) ON j.id = s.id
    WHERE j.announced < s.version
    FOR UPDATE OF j SKIP LOCKED
) AS said
WHERE jobs.id = said.id;
