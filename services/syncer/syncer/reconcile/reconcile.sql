-- A backfill that could not make an event of everything has read everything all the same.

-- name: compared_until  (up to when everything was compared or read; null: nothing was read yet)
SELECT max(until) FROM (
    SELECT (report -> 'window' ->> 1)::timestamptz AS until FROM runs
    WHERE kind = 'reconcile' AND scope = 'window' AND state = 'succeeded'
    UNION ALL
    SELECT started_at FROM runs WHERE kind = 'reconcile' AND scope = 'whole' AND state = 'succeeded'
    UNION ALL
    SELECT started_at FROM runs WHERE kind = 'backfill' AND (state = 'succeeded' OR (state = 'failed' AND error LIKE 'NotAllProjected:%'))
) AS compared;

-- What is about to be read for another reason is doubted only where something newer was missed: else its completion would be drift.

-- name: doubt_listed  (unknown, newer there, alive there, or seen before its second was over: later edits in it leave no trace)
INSERT INTO refetches AS r (resource, id, reason, seen_at, asked_at)
SELECT 'doubt', l.id, 'reconcile', coalesce(e.source_version[2], l.at), clock_timestamp()
FROM unnest($1::bigint[], $2::timestamptz[], $3::boolean[]) AS l (id, at, may_be_event)
LEFT JOIN events AS e ON e.id = l.id
WHERE CASE
    WHEN e.id IS NULL OR e.deleted_at IS NOT NULL THEN l.may_be_event
    ELSE e.source_version[1] < l.at
         OR (e.source_version[1] = l.at AND e.source_version[2] < l.at + interval '1 second'
             AND NOT EXISTS (SELECT FROM refetches AS f WHERE f.resource = 'product' AND f.id = e.id))
END
ON CONFLICT (resource, id) DO UPDATE
SET seen_at = greatest(r.seen_at, excluded.seen_at), asked_at = excluded.asked_at, due_at = least(r.due_at, now())
RETURNING id;

-- name: doubt_stocked  (products whose stock at one location is newer there, or another at the same time, or not all known)
INSERT INTO refetches AS r (resource, id, reason, seen_at, asked_at)
SELECT DISTINCT ON (e.id) 'doubt', e.id, 'reconcile', e.source_version[2], clock_timestamp()
FROM unnest($2::bigint[], $3::timestamptz[], $4::integer[], $5::integer[], $6::integer[])
     AS l (item, at, available, committed, on_hand)
JOIN inventory_items AS i ON i.id = l.item
JOIN events AS e ON e.id = i.event_id AND e.deleted_at IS NULL
LEFT JOIN inventory_levels AS v ON v.inventory_item_id = l.item AND v.location_id = $1
WHERE CASE
    WHEN v.source_version IS NULL THEN l.available IS NOT NULL
    ELSE v.source_version[1] < l.at
         OR (v.source_version[1] = l.at
             AND (v.available IS DISTINCT FROM l.available OR v.committed <> l.committed OR v.on_hand <> l.on_hand
                  OR (v.committed IS NULL AND l.committed IS NOT NULL
                      AND NOT EXISTS (SELECT FROM refetches AS f WHERE f.resource = 'product' AND f.id = e.id))))
END
ON CONFLICT (resource, id) DO UPDATE
SET seen_at = greatest(r.seen_at, excluded.seen_at), asked_at = excluded.asked_at, due_at = least(r.due_at, now())
RETURNING id;

-- name: doubt_living  (of these, what lives in our tables)
INSERT INTO refetches AS r (resource, id, reason, seen_at, asked_at)
SELECT 'doubt', e.id, 'reconcile', e.source_version[2], clock_timestamp()
FROM events AS e WHERE e.id = ANY ($1::bigint[]) AND e.deleted_at IS NULL
ON CONFLICT (resource, id) DO UPDATE
SET seen_at = greatest(r.seen_at, excluded.seen_at), asked_at = excluded.asked_at, due_at = least(r.due_at, now())
RETURNING id;

-- name: doubt_incomplete  (what nobody is going to complete any more)
INSERT INTO refetches AS r (resource, id, reason, seen_at, asked_at)
SELECT 'doubt', e.id, 'reconcile', e.source_version[2], clock_timestamp()
FROM events AS e
WHERE NOT e.data_complete AND e.deleted_at IS NULL AND e.synced_at < now() - make_interval(secs => $1)
  AND NOT EXISTS (SELECT FROM refetches AS f WHERE f.resource = 'product' AND f.id = e.id)
ON CONFLICT (resource, id) DO NOTHING
RETURNING id;

-- name: doubt_named  (whatever is known of them)
INSERT INTO refetches AS r (resource, id, reason, seen_at, asked_at)
SELECT 'doubt', l.id, 'reconcile', coalesce(e.source_version[2], '-infinity'), clock_timestamp()
FROM unnest($1::bigint[]) AS l (id) LEFT JOIN events AS e ON e.id = l.id
ON CONFLICT (resource, id) DO UPDATE
SET seen_at = greatest(r.seen_at, excluded.seen_at), asked_at = excluded.asked_at, due_at = least(r.due_at, now())
RETURNING id;

-- name: count_doubts  (and what an export found to be edited while it read: that is read like anything else)
SELECT count(*) FROM refetches
WHERE (resource = 'doubt' OR reason = 'reconcile') AND NOT (error IS NOT NULL AND attempts - (taken_until IS NOT NULL)::int >= $1);

-- name: unread  (what failed again and again: nobody waits for it, but it goes on being tried)
SELECT id FROM refetches WHERE (resource = 'doubt' OR reason = 'reconcile') AND error IS NOT NULL AND attempts - (taken_until IS NOT NULL)::int >= $1
ORDER BY id LIMIT $2;

-- name: hasten  (what Shopify refuses for good is tried rarely; while somebody waits for it, soon, until that is over)
UPDATE refetches SET due_at = now() + make_interval(secs => $2)
WHERE (resource = 'doubt' OR reason = 'reconcile') AND error IS NOT NULL AND attempts < $1 AND taken_until IS NULL
  AND due_at > now() + interval '1 minute';

-- name: drop_doubts  (everything is going to be read instead; but who reads everything has doubts, too)
DELETE FROM refetches WHERE resource = 'doubt' AND NOT EXISTS (
    SELECT FROM runs WHERE kind = 'reconcile' AND scope = 'whole' AND state IN ('asked', 'running')
);

-- name: say_since  (when a product went; Shopify says that in its list of deletes only)
UPDATE drift AS d SET since = gone.at
FROM unnest($1::bigint[], $2::timestamptz[]) AS gone (id, at)
WHERE d.event_id = gone.id AND d.field = 'event' AND d.theirs IS NULL AND d.found_at >= $3;

-- name: count_drift  (of one run)
SELECT count(DISTINCT event_id) AS events,
       count(*) FILTER (WHERE cause = 'missed') AS missed, count(*) FILTER (WHERE cause = 'late') AS late,
       count(*) FILTER (WHERE cause = 'truncated') AS truncated, count(*) FILTER (WHERE cause = 'tie') AS tie,
       count(*) FILTER (WHERE field = 'event' AND theirs IS NULL) AS deleted
FROM drift WHERE run_id = $1 AND found_at >= $2;

-- name: prune_drift  (by age, and by number: a shop that drifts all the time must not fill the disk)
DELETE FROM drift WHERE found_at < now() - make_interval(days => $1) OR id <= (SELECT max(id) - $2::bigint FROM drift);

-- name: lock_schedule
SELECT pg_advisory_xact_lock(hashtext('reconcile schedule'));

-- name: due  (nothing before everything was read once; no window while everything is compared anyway)
WITH ended AS (
    SELECT scope, max(finished_at) AS finished_at, max(started_at) AS started_at FROM runs
    WHERE kind = 'reconcile' AND state IN ('succeeded', 'failed', 'cancelled') GROUP BY scope
), open AS (
    SELECT count(*) > 0 AS any FROM runs WHERE kind = 'reconcile' AND state IN ('asked', 'running')
), backfilled AS (
    SELECT min(finished_at) AS first, max(started_at) AS last FROM runs
    WHERE kind = 'backfill' AND (state = 'succeeded' OR (state = 'failed' AND error LIKE 'NotAllProjected:%'))
)
SELECT b.first IS NOT NULL AND NOT o.any
           AND now() >= make_interval(secs => $1) + greatest(b.first, (SELECT finished_at FROM ended WHERE scope = 'window'))
           AS window_is_due,
       b.first IS NOT NULL AND NOT o.any
           AND now() >= make_interval(secs => $2) + greatest(b.last, (SELECT started_at FROM ended WHERE scope = 'whole'))
           AS whole_is_due
FROM backfilled AS b, open AS o;

-- name: last_ends
SELECT scope, extract(epoch FROM finished_at - started_at)::float8 AS seconds,
       extract(epoch FROM now() - CASE WHEN scope = 'window' THEN (report -> 'window' ->> 1)::timestamptz ELSE started_at END)::float8
           AS age
FROM runs WHERE id IN (SELECT max(id) FROM runs WHERE kind = 'reconcile' AND state = 'succeeded' GROUP BY scope);
