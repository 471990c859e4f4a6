-- name: ask  (an open run of the same kind and scope is the answer)
INSERT INTO runs (kind, scope, asked_by, options) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, scope) WHERE state IN ('asked', 'running') DO UPDATE SET kind = excluded.kind
RETURNING id;

-- name: due
SELECT id FROM runs WHERE kind = $1 AND state IN ('asked', 'running') AND due_at <= now() ORDER BY id;

-- name: begin
UPDATE runs
SET state = 'running', started_at = coalesce(started_at, now()), advanced_at = now(), attempts = attempts + 1
WHERE id = $1 AND state IN ('asked', 'running')
RETURNING id, kind, scope, options, cursor, asked_by, asked_at, attempts, started_at;

-- name: progress
UPDATE runs
SET stage = $2, done = $3, expected = $4, cursor = CASE WHEN $5 THEN $6::jsonb ELSE cursor END, advanced_at = now(),
    attempts = CASE WHEN $5 THEN 0 ELSE attempts END, error = NULL
WHERE id = $1 AND state = 'running'
RETURNING true;

-- name: is_open
SELECT state = 'running' FROM runs WHERE id = $1;

-- name: succeed
UPDATE runs SET state = 'succeeded', stage = 'done', report = $2, error = NULL, finished_at = now(), advanced_at = now()
WHERE id = $1 AND state = 'running'
RETURNING extract(epoch FROM now() - started_at)::float8 AS seconds;

-- name: fail
UPDATE runs SET state = 'failed', error = $2, finished_at = now(), advanced_at = now() WHERE id = $1 AND state = 'running';

-- name: put_off
UPDATE runs SET error = $2, due_at = now() + make_interval(secs => $3), advanced_at = now() WHERE id = $1 AND state = 'running';

-- name: last
SELECT id, scope, options, cursor, report, asked_at, started_at, finished_at, now() AS now
FROM runs WHERE kind = $1 AND scope = $2 AND state = 'succeeded' ORDER BY finished_at DESC LIMIT 1;

-- name: prune
DELETE FROM runs WHERE kind = $1 AND finished_at < now() - make_interval(days => $2)
AND id NOT IN (SELECT max(id) FROM runs WHERE state = 'succeeded' GROUP BY kind, scope);
