-- Every statement that the command line sends to PostgreSQL.

-- name: now
SELECT now() AS now;

-- name: ask  (no row: one of this kind and scope is open)
INSERT INTO runs (kind, scope, options, asked_by) VALUES ($1, $2, $3, 'operator')
ON CONFLICT (kind, scope) WHERE state IN ('asked', 'running') DO NOTHING
RETURNING id;

-- name: join_open  (one that waits after an error tries again at once: somebody is here who wants it)
UPDATE runs SET due_at = least(due_at, now())
WHERE kind = $1 AND scope = $2 AND state IN ('asked', 'running')
RETURNING id, options;

-- name: run  (`behind`: the run of its kind that goes first; `unheard`: seconds since the syncer last wrote to it)
SELECT id, kind, scope, options, asked_by, state, stage, done, expected, report, error, attempts,
       asked_at, started_at, finished_at,
       extract(epoch FROM coalesce(finished_at, now()) - coalesce(started_at, asked_at))::float8 AS seconds,
       extract(epoch FROM now() - greatest(asked_at, started_at, advanced_at, due_at))::float8 AS unheard,
       (SELECT min(o.id) FROM runs o WHERE o.kind = r.kind AND o.state = 'running' AND o.due_at <= now() AND o.id <> r.id) AS behind
FROM runs r WHERE id = $1;

-- name: recent
SELECT id, kind, scope, options, asked_by, state, stage, done, expected, report, error, attempts,
       asked_at, started_at, finished_at,
       extract(epoch FROM coalesce(finished_at, now()) - coalesce(started_at, asked_at))::float8 AS seconds,
       0::float8 AS unheard, NULL::bigint AS behind
FROM runs ORDER BY id DESC LIMIT $1;

-- name: cancel
UPDATE runs SET state = 'cancelled', finished_at = now() WHERE id = $1 AND state IN ('asked', 'running')
RETURNING id;

-- name: drift  (newest first)
SELECT id, run_id, event_id, ticket_id, field, ours, theirs, since, found_at, cause
FROM drift
WHERE ($1::timestamptz IS NULL OR found_at >= $1)
  AND ($2::bigint IS NULL OR event_id = $2)
  AND ($3::text IS NULL OR cause = $3)
ORDER BY id DESC LIMIT $4;
