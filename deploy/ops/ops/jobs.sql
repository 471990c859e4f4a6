-- What the command line asks of the writer's tables. A job is moved by the functions of its migration alone.

-- name: columns  (of a job; `due_in`: seconds until its event is due again)
id, kind, event_id, ticket_id, command, merged, owner, state, superseded_by, attempts, retried_from, due_at, waits_for, waits_because, epoch, error, note, cost,
observed_at, visible_revision, version, created_at, dispatched_at, finished_at,
greatest(0, extract(epoch FROM due_at - clock_timestamp()))::float8 AS due_in,
extract(epoch FROM coalesce(finished_at, clock_timestamp()) - created_at)::float8 AS seconds

-- name: newest
SELECT {columns} FROM jobs
WHERE ($1::text[] IS NULL OR state = ANY ($1)) AND ($2::bigint IS NULL OR event_id = $2)
ORDER BY seq DESC LIMIT $3;

-- name: counts
SELECT state, count(*)::int AS jobs FROM jobs WHERE $1::bigint IS NULL OR event_id = $1 GROUP BY state;

-- name: census
SELECT count(*) FILTER (WHERE state <> 'in_doubt')::int AS open, count(*) FILTER (WHERE state = 'in_doubt')::int AS in_doubt,
       extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE state <> 'in_doubt'))::float8 AS oldest_seconds
FROM jobs WHERE state IN ('queued', 'dispatching', 'in_doubt');

-- name: job
SELECT {columns} FROM jobs WHERE id = $1;

-- name: between  (ids that begin alike; two are enough to know that it isn't one)
SELECT id FROM jobs WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT 2;

-- name: calls
SELECT number, document, variables, retry, epoch, sent_at, within, outcome, answer, cost, answered_at, gave_up_at, late,
       discarded
FROM calls WHERE job_id = $1 ORDER BY number;

-- name: took_in  (what it carried with it)
SELECT id FROM jobs WHERE superseded_by = $1 ORDER BY seq LIMIT 200;

-- name: served  (what readers are given of its event now)
SELECT manage_document, deleted_at, revision FROM events WHERE id = $1;

-- name: dispatcher
SELECT owner, epoch, expires_at > clock_timestamp() AS held,
       extract(epoch FROM greatest(expires_at, clock_timestamp()) - clock_timestamp())::float8 AS expires_in,
       extract(epoch FROM greatest(breaker_until, clock_timestamp()) - clock_timestamp())::float8 AS breaker_in,
       breaker_reason, latency::float8 AS latency
FROM dispatcher;

-- name: retry
SELECT found, done FROM job_retry($1, $2);

-- name: resolve
SELECT found, done FROM job_resolve($1, $2, $3, $4);

-- name: cancel
SELECT found, done FROM job_cancel($1);
