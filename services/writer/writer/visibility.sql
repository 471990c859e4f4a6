-- name: show
-- Jobs that succeeded, and those whose fields they carried, with the revision in which their effect stands. An effect that is
-- older than the job's end is that of an earlier attempt. Rows that somebody is at wait for the next look.
UPDATE jobs SET visible_revision = found.revision
FROM (
    SELECT j.id, e.revision
    FROM jobs AS j CROSS JOIN LATERAL (
        SELECT revision FROM effects
        WHERE job_id = COALESCE(j.superseded_by, j.id) AND at > j.finished_at
          AND (NOT made OR job_id = ANY ($1::uuid[]) OR at < clock_timestamp() - make_interval(secs => $2::float8))
        LIMIT 1  -- one look for each job that is not visible: the planner would rather read through all effects of a week
    ) AS e
    WHERE j.state IN ('succeeded', 'superseded') AND j.visible_revision IS NULL
    ORDER BY j.event_id LIMIT 100  -- as the index of what is invisible has them, and few enough to be looked up by their ids
    FOR UPDATE OF j SKIP LOCKED
) AS found
WHERE jobs.id = found.id
RETURNING jobs.id, jobs.event_id, jobs.visible_revision,
          extract(epoch FROM clock_timestamp() - jobs.finished_at)::float8 AS seconds;
