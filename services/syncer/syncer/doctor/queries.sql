-- name: get_watch
SELECT well_at, gap, renewed_for, clock_timestamp() AS now FROM webhook_watch;

-- name: open_gap  (before anything is mended: who dies in between must not leave it forgotten)
UPDATE webhook_watch SET gap = true, renewed_for = coalesce($1, renewed_for);

-- name: close_gap
UPDATE webhook_watch SET gap = false, well_at = $1;

-- name: widen  (a run that has not begun can still be told to look at more, and to wait until its window reaches now)
UPDATE runs SET due_at = greatest(due_at, now() + make_interval(secs => $3)), options = options - 'until' || jsonb_build_object(
    'since', to_jsonb(least($2::timestamptz, (options->>'since')::timestamptz))
)
WHERE id = $1 AND state = 'asked'
RETURNING true;

-- name: stuck_refetches
SELECT count(*) AS refetches, min(asked_at) AS oldest, (array_agg(error ORDER BY attempts DESC))[1] AS error
FROM refetches WHERE attempts >= $1 AND error IS NOT NULL;

-- name: incomplete
SELECT count(*) FROM events WHERE NOT data_complete AND deleted_at IS NULL AND synced_at < now() - make_interval(secs => $1);

-- name: open_run
SELECT state, stage, done, expected, error, started_at FROM runs
WHERE kind = $1 AND scope = $2 AND state IN ('asked', 'running');

-- name: newest_failed  (no row: the newest is open, or succeeded; one that was cancelled proves nothing)
SELECT finished_at, error FROM (
    SELECT state, finished_at, error FROM runs
    WHERE kind = $1 AND scope = $2 AND state <> 'cancelled' ORDER BY id DESC LIMIT 1
) newest WHERE state = 'failed';

-- name: drift_of_a_day
SELECT cause, count(*) AS fields, count(DISTINCT event_id) AS events
FROM drift WHERE found_at > now() - interval '1 day' GROUP BY cause ORDER BY cause;

-- name: count_events
SELECT count(*) FROM events WHERE deleted_at IS NULL;

-- name: canary  (as it was projected last)
SELECT title, deleted_at IS NOT NULL AS deleted FROM events WHERE id = $1;
