-- name: put_drift  (one statement for all fields of a batch; the run is the one that is under way, or the last)
INSERT INTO drift (run_id, event_id, ticket_id, field, ours, theirs, since, cause, ours_at, theirs_at, is_stock)
SELECT (SELECT id FROM runs WHERE kind = 'reconcile' ORDER BY state = 'running' DESC, id DESC LIMIT 1),
       event_id, ticket_id, field, ours::jsonb, theirs::jsonb, since, cause, ours_at, theirs_at, is_stock
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
            $8::timestamptz[], $9::timestamptz[], $10::boolean[])
     AS found (event_id, ticket_id, field, ours, theirs, since, cause, ours_at, theirs_at, is_stock);

-- name: turn_late  (Shopify delivers up to a day late; a batch of thousands of arrivals looks into a small partial index)
UPDATE drift AS d SET cause = 'late'
FROM unnest($1::bigint[], $2::timestamptz[], $3::boolean[]) AS a (event_id, updated_at, is_stock)
WHERE d.event_id = a.event_id AND d.cause = 'missed' AND d.is_stock = a.is_stock
  AND d.found_at > now() - interval '1 day'
  AND a.updated_at > coalesce(d.ours_at, '-infinity') AND a.updated_at <= d.theirs_at
RETURNING d.event_id;
