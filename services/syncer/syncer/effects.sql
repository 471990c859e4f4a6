-- name: put_effects  (of one job the last word counts; what a redelivery says of `made` must not hide that it is not announced yet)
INSERT INTO effects AS e (job_id, event_id, revision, made)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::boolean[]) ORDER BY 1
ON CONFLICT (job_id) DO UPDATE
SET event_id = excluded.event_id, revision = excluded.revision, made = e.made OR excluded.made, at = excluded.at;

-- name: drop_effects
DELETE FROM effects WHERE job_id IN (
    SELECT job_id FROM effects WHERE at < now() - make_interval(secs => $1::float8 * 86400) ORDER BY at LIMIT $2
)
RETURNING job_id;
