-- name: get_begun
-- Jobs that have begun, of lanes other than $1; those that are parked, too.
SELECT id, seq, lane, kind, event_id, ticket_id, command, merged, state, alone, epoch, retried_from,
       due_at <= clock_timestamp() AS due
FROM jobs WHERE state = 'dispatching' AND superseded_by IS NULL AND lane <> ALL ($1::bigint[])
ORDER BY seq;

-- name: get_waiting
-- Queued jobs of lanes other than $1, in the order of acceptance.
SELECT id, seq, lane, kind, event_id, ticket_id, command, merged, state, alone, epoch, retried_from,
       due_at <= clock_timestamp() AS due
FROM jobs WHERE state = 'queued' AND superseded_by IS NULL AND lane <> ALL ($1::bigint[])
ORDER BY seq LIMIT $2;

-- name: get_queue
-- What is queued of one event.
SELECT id, seq, lane, kind, event_id, ticket_id, command, merged, state, alone, epoch, retried_from
FROM jobs WHERE lane = $1 AND state = 'queued' ORDER BY seq LIMIT $2;

-- name: get_calls
-- What was sent for a job, and what came of it; `ready`: nothing of it can take effect any more.
SELECT number, document, variables, retry, outcome, answer, sent_at,
       outcome IS NOT NULL OR COALESCE(gave_up_at, sent_at + make_interval(secs => within)) + make_interval(secs => $2::float8)
           <= clock_timestamp() AS ready,
       GREATEST(0, extract(epoch FROM COALESCE(gave_up_at, sent_at + make_interval(secs => within))
           + make_interval(secs => $2::float8) - clock_timestamp()))::float8 AS ready_in,
       clock_timestamp() AS now
FROM calls WHERE job_id = $1 AND NOT discarded AND outcome IS DISTINCT FROM 'not_sent'
ORDER BY number;

-- name: find_stock_in_doubt
SELECT id FROM jobs
WHERE ticket_id = $1 AND id <> $2 AND state = 'in_doubt' AND kind = 'ticket.edit'
  AND COALESCE(merged, command) ? 'capacity'
LIMIT 1;

-- name: begin
-- All of a group, or (fewer rows than members) one of them was cancelled.
UPDATE jobs SET state = 'dispatching', epoch = $1, waits_for = NULL, waits_because = NULL, dispatched_at = COALESCE(dispatched_at, clock_timestamp()),
    superseded_by = CASE WHEN id = $2 THEN NULL ELSE $2 END,
    merged = CASE WHEN id = $2 THEN $4::jsonb END
WHERE id = ANY ($3::uuid[]) AND state = 'queued'
RETURNING id;

-- name: adopt
-- A job that another epoch has left, or one of our own that was parked; with what it supersedes.
UPDATE jobs SET epoch = $1
WHERE (id = $2 OR superseded_by = $2) AND state = 'dispatching' AND epoch <= $1
RETURNING id;

-- name: intend
-- The number of the call; none when the job is not this epoch's (any more).
WITH job AS (
    UPDATE jobs SET attempts = attempts + 1 WHERE id = $1 AND state = 'dispatching' AND epoch = $2 RETURNING id
)
INSERT INTO calls (job_id, number, document, variables, request_hash, retry, epoch, within)
SELECT id, (SELECT count(*) FROM calls WHERE job_id = $1), $3, $4, $5, $6, $2, $7 FROM job
RETURNING number;

-- name: record
-- What came of a call. It is a fact, whoever holds the lease: who takes over reads it before anything is decided.
UPDATE calls SET outcome = $3, answer = $4, cost = $5, answered_at = clock_timestamp(), late = $6
WHERE job_id = $1 AND number = $2 AND outcome IS NULL
RETURNING job_id;

-- name: charge
UPDATE jobs SET cost = COALESCE(cost, 0) + $2 WHERE id = $1;

-- name: note_late
UPDATE jobs SET note = COALESCE(note, 'answered when its dispatcher had lost the lease') WHERE id = $1;

-- name: give_up
UPDATE calls SET gave_up_at = clock_timestamp() WHERE job_id = $1 AND number = $2 AND outcome IS NULL;

-- name: park
UPDATE jobs SET due_at = clock_timestamp() + make_interval(secs => $3::float8), waits_for = 'unknown_outcome',
    waits_because = COALESCE($4, waits_because)
WHERE id = $1 AND state = 'dispatching' AND epoch = $2;

-- name: put_off
-- It is not held up by this: who looks at it learns why it doesn't go on.
UPDATE jobs SET waits_for = COALESCE(waits_for, 'shopify'), waits_because = $2
WHERE id = $1 AND state IN ('queued', 'dispatching');

-- name: finish
UPDATE jobs SET state = $3, event_id = COALESCE($4, event_id), ticket_id = COALESCE($5, ticket_id), error = $6,
    observation = $7, observed_at = NULL, waits_for = NULL, waits_because = NULL, finished_at = clock_timestamp()
WHERE id = $1 AND epoch = $2 AND state = 'dispatching'
RETURNING created_at;

-- name: finish_superseded
-- What the leader's call has carried, with it.
UPDATE jobs SET state = $3, error = $4, waits_for = NULL, waits_because = NULL, finished_at = clock_timestamp()
WHERE superseded_by = $1 AND epoch = $2 AND state = 'dispatching'
RETURNING kind;

-- name: split
-- What was refused for several at once is tried one by one.
UPDATE jobs SET state = 'queued', superseded_by = NULL, merged = NULL, alone = true
WHERE (id = $1 OR superseded_by = $1) AND epoch = $2 AND state = 'dispatching';

-- name: part
UPDATE jobs SET alone = true WHERE id = ANY ($1::uuid[]) AND state = 'queued';

-- name: discard_calls
UPDATE calls SET discarded = true WHERE job_id = $1;

-- name: tell_breaker
UPDATE dispatcher SET breaker_until = clock_timestamp() + make_interval(secs => $2::float8), breaker_reason = $3
WHERE epoch = $1;

-- name: forget
-- What ended long ago and has been said.
DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs
    WHERE finished_at < now() - make_interval(days => $1) AND state NOT IN ('queued', 'dispatching', 'in_doubt')
      AND announced >= version AND (observation IS NULL OR observed_at IS NOT NULL)
    ORDER BY finished_at LIMIT $2)
RETURNING id;
