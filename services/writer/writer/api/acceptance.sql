-- Every statement of the command API. `{…}` is filled with the pieces below, never with input.

-- name: job  (what a document shows, and what its place in the queue is found by)
id, kind, event_id, ticket_id, state, owner, attempts, cost, error, note, superseded_by, visible_revision, waits_for,
created_at, dispatched_at, finished_at, seq, lane

-- name: place
-- Where a queued job stands. Exact for the first 1,000 (one more says: further back); deeper, the census estimates.
-- `calls`: by kind, what is carried out on its own; queued edits of one thing become one call.
SELECT
    (SELECT COALESCE(sum(jobs), 0)::int FROM counted) AS jobs,
    (SELECT COALESCE(jsonb_object_agg(kind, calls), '{}') FROM counted) AS calls,
    (SELECT count(*) FILTER (WHERE kind NOT IN ('event.edit', 'ticket.edit') OR fresh)::int FROM own) AS in_lane,
    (SELECT COALESCE(GREATEST(0, max(extract(epoch FROM due_at - clock_timestamp()))), 0)::float8 FROM own) AS parked,
    GREATEST(0, extract(epoch FROM dispatcher.breaker_until - clock_timestamp()))::float8 AS breaker,
    dispatcher.latency::float8 AS latency
FROM dispatcher

-- name: queue
counted AS (
    SELECT kind, count(*) AS jobs,
           CASE WHEN kind IN ('event.edit', 'ticket.edit') THEN count(DISTINCT COALESCE(ticket_id, lane)) ELSE count(*) END AS calls
    FROM (
        SELECT jobs.kind, jobs.ticket_id, jobs.lane FROM jobs
        WHERE (SELECT state FROM placed) = 'queued'
          AND jobs.state IN ('queued', 'dispatching') AND jobs.seq < (SELECT seq FROM placed)
        ORDER BY jobs.seq LIMIT 1001
    ) AS ahead
    GROUP BY kind
), own AS (
    SELECT jobs.kind, jobs.due_at,
           (jobs.kind, COALESCE(jobs.ticket_id, 0)) IS DISTINCT FROM
               (lag(jobs.kind) OVER line, lag(COALESCE(jobs.ticket_id, 0)) OVER line) AS fresh
    FROM jobs
    WHERE (SELECT state FROM placed) = 'queued'
      AND jobs.state IN ('queued', 'dispatching') AND jobs.lane = (SELECT lane FROM placed)
      AND jobs.seq < (SELECT seq FROM placed) AND jobs.superseded_by IS NULL
    WINDOW line AS (ORDER BY jobs.seq)
    ORDER BY jobs.seq LIMIT 1001
)

-- name: lock_key
-- Who sends one key at the same time, through whichever replica, goes one after the other.
SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2));

-- name: lock_event
-- Until the commit: within an event, the order of `seq` is the order of the answers.
SELECT pg_advisory_xact_lock($1);

-- name: get_by_key
SELECT {job}, request_hash FROM jobs WHERE owner = $1 AND idempotency_key = $2;

-- name: get_known
-- What is known of the event $1 and the ticket $2, and whether the handle $3 is another living event's for certain.
SELECT
    events.id IS NOT NULL AND events.deleted_at IS NULL AS living,
    events.deleted_at IS NOT NULL AS deleted,
    events.revision, events.starts_at, events.ends_at, COALESCE(events.data_complete, false) AS complete,
    EXISTS (SELECT FROM jobs WHERE jobs.event_id = $1 AND kind = 'event.create' AND state = 'succeeded') AS created,
    EXISTS (
        SELECT FROM jobs WHERE jobs.event_id = $1 AND kind = 'event.delete'
        AND state IN ('queued', 'dispatching', 'succeeded')
    ) AS deleting,
    tickets.id IS NOT NULL OR EXISTS (
        SELECT FROM jobs
        WHERE jobs.event_id = $1 AND kind = 'ticket.create' AND jobs.ticket_id = $2 AND state = 'succeeded'
    ) AS ticket_known,
    EXISTS (
        SELECT FROM jobs WHERE jobs.event_id = $1 AND kind = 'ticket.delete' AND jobs.ticket_id = $2
        AND state IN ('queued', 'dispatching', 'succeeded')
    ) AS ticket_deleting,
    CASE WHEN tickets.capacity_source = 'observed' THEN tickets.capacity END AS known_capacity,
    EXISTS (
        SELECT FROM events AS other
        WHERE other.handle = $3::text AND other.deleted_at IS NULL AND other.id IS DISTINCT FROM $1
          AND NOT EXISTS (
              SELECT FROM jobs WHERE jobs.lane = other.id AND state IN ('queued', 'dispatching')
              AND kind IN ('event.edit', 'event.delete'))
    ) AS handle_taken,
    (SELECT currency FROM shop ORDER BY read_at DESC LIMIT 1) AS currency
FROM (VALUES (1)) AS one
LEFT JOIN events ON events.id = $1
LEFT JOIN tickets ON tickets.id = $2 AND tickets.event_id = $1;

-- name: get_tickets
SELECT id, name FROM tickets WHERE event_id = $1;

-- name: on_its_way
-- Took effect, and readers are about to see it. P5 needs 1 s for that; but of an observation that was given up, or that ended
-- among the dead letters, no revision is ever called the job's, and nobody would wait for ever. 60 s after it was said it stands
-- in a revision, or its event's webhook has brought it. One that is not said yet is tried again within 5 min (LONGEST_PAUSE of
-- the observer): two such pauses, in which an If-Match must not pass over an effect that nobody could see.
visible_revision IS NULL
AND COALESCE(observed_at + interval '60 s', finished_at + interval '10 min') > clock_timestamp()

-- name: get_pending
-- Accepted, and not visible yet: what the event $1 will be. The earliest come first.
SELECT id, kind, ticket_id, command FROM (
    SELECT id, seq, kind, ticket_id, command FROM jobs
    WHERE lane = $1 AND state IN ('queued', 'dispatching')
    UNION ALL
    SELECT id, seq, kind, ticket_id, command FROM jobs
    WHERE event_id = $1 AND state IN ('succeeded', 'superseded') AND {on_its_way}
      AND (state = 'superseded' OR observation IS NOT NULL)
) AS pending
WHERE kind = ANY ($2::text[])
ORDER BY seq DESC LIMIT 2000;

-- name: get_unseen
-- What the event $1 has been told, and readers can't see yet.
SELECT id FROM (
    SELECT id, seq FROM jobs WHERE lane = $1 AND state IN ('queued', 'dispatching')
    UNION ALL
    SELECT id, seq FROM jobs
    WHERE event_id = $1 AND state = 'succeeded' AND observation IS NOT NULL AND {on_its_way}
) AS unseen
ORDER BY seq LIMIT 10;

-- name: get_stock_in_doubt
-- Capacity edits of the ticket $2 that may have moved its stock, or may not.
SELECT id FROM jobs
WHERE event_id = $1 AND ticket_id = $2 AND kind = 'ticket.edit' AND state = 'in_doubt' AND superseded_by IS NULL
  AND (command ? 'capacity' OR merged ? 'capacity')
ORDER BY seq LIMIT 10;

-- name: insert_job
WITH placed AS (
    INSERT INTO jobs (id, kind, event_id, ticket_id, command, owner, idempotency_key, request_hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING {job}
), {queue}
SELECT placed.*, place.* FROM placed, ({place}) AS place;

-- name: get_job
WITH placed AS (SELECT {job} FROM jobs WHERE id = $1), {queue}
SELECT placed.*, place.* FROM placed, ({place}) AS place;

-- name: cancel
SELECT found, done FROM job_cancel($1);

-- name: list_jobs
-- The newest first. Only what is asked for stands in the statement, so that an index serves each question.
SELECT {job} FROM jobs WHERE {conditions} ORDER BY seq DESC LIMIT $1;

-- name: of_owner
owner = {parameter}

-- name: of_event
event_id = {parameter}

-- name: in_state
state = {parameter}

-- name: before
seq < {parameter}

-- name: count_by_owner
SELECT owner, count(*) AS jobs FROM jobs WHERE state IN ('queued', 'dispatching') GROUP BY owner;

-- name: count_by_stretch
-- How many open jobs stand where in the queue.
SELECT seq / $1::bigint AS stretch, kind, count(*) AS jobs,
       CASE WHEN kind IN ('event.edit', 'ticket.edit') THEN count(DISTINCT COALESCE(ticket_id, lane)) ELSE count(*) END AS calls
FROM jobs WHERE state IN ('queued', 'dispatching')
GROUP BY 1, 2 ORDER BY 1;

-- name: average_costs
SELECT kind, avg(cost)::float8 AS cost
FROM (SELECT kind, cost FROM jobs WHERE state = 'succeeded' ORDER BY seq DESC LIMIT 500) AS latest
WHERE cost > 0 GROUP BY kind;
