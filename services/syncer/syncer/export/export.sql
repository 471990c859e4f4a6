-- name: parts
SELECT id, low, high, asks, expected, state, name, operation, began_at, operations, downloads, bytes, lines, opened_at, roots, products, tickets, levels,
       handed_to, handed, refetched, too_large
FROM export_parts WHERE run_id = $1 ORDER BY coalesce(low, 0);

-- name: plan_part
INSERT INTO export_parts (run_id, low, high, asks, expected) VALUES ($1, $2, $3, $4, $5);

-- name: name_operation  (before Shopify is asked: whatever happens then, what was started can be found again)
WITH named AS (INSERT INTO export_names DEFAULT VALUES RETURNING name)
UPDATE export_parts
SET state = 'starting', name = named.name, began_at = $2, operation = NULL, operations = operations + 1, downloads = 1
FROM named WHERE id = $1
RETURNING named.name;

-- name: started
UPDATE export_parts SET state = 'running', operation = $2 WHERE id = $1;

-- name: unstarted  (Shopify said no: it was none)
WITH unused AS (DELETE FROM export_names WHERE name = (SELECT name FROM export_parts WHERE id = $1))
UPDATE export_parts SET state = 'planned', name = NULL, operations = operations - 1 WHERE id = $1;

-- name: download_anew
UPDATE export_parts SET state = 'running', bytes = 0, lines = 0, downloads = downloads + $2 WHERE id = $1;

-- name: start_anew
UPDATE export_parts
SET state = 'planned', name = NULL, operation = NULL, bytes = 0, lines = 0, downloads = 0, roots = NULL, opened_at = NULL,
    handed_to = 0, handed = 0, refetched = 0, too_large = '{}'
WHERE id = $1;

-- name: staged_on  (in the transaction of the lines: where a download goes on)
UPDATE export_parts SET bytes = $2, lines = $3 WHERE id = $1;

-- name: all_staged
WITH ended AS (DELETE FROM export_names WHERE name = (SELECT name FROM export_parts WHERE id = $1))
UPDATE export_parts SET state = 'staged', opened_at = $2, roots = $3 WHERE id = $1;

-- name: found_whole
UPDATE export_parts SET state = 'whole', products = $2, tickets = $3, levels = $4 WHERE id = $1;

-- name: handed_on
UPDATE export_parts SET handed_to = $2, handed = handed + $3, refetched = refetched + $4, too_large = too_large || $5::bigint[]
WHERE id = $1;

-- name: got_further
UPDATE runs SET attempts = 0 WHERE id = $1 AND attempts > 0;

-- name: all_handed
UPDATE export_parts SET state = 'handed' WHERE id = $1;

-- name: any_line
SELECT EXISTS (SELECT FROM export_lines WHERE part = $1);

-- name: count_lines
SELECT count(*) FROM export_lines WHERE part = $1;

-- name: count_products  (of a run)
SELECT count(*) FROM export_parts p JOIN export_lines l ON l.part = p.id AND l.kind = 'p' WHERE p.run_id = $1;

-- name: look_at_lines  (a table that was empty a moment ago is planned for as if it were so still)
ANALYZE export_lines (part, kind, parent, id);

-- name: add_up  (the next so many products: how many lines they have, and which of them have too few or too many)
WITH products AS MATERIALIZED (
    SELECT id, children, media FROM export_lines
    WHERE part = $1 AND kind = 'p' AND parent = 0 AND id > $2 ORDER BY id LIMIT $3
), variants AS MATERIALIZED (
    SELECT l.parent AS product, l.children,
           (SELECT count(*) FROM export_lines c WHERE c.part = $1 AND c.kind = 'l' AND c.parent = l.id) AS levels
    FROM products p JOIN export_lines l ON l.part = $1 AND l.kind = 'v' AND l.parent = p.id
), by_product AS (
    SELECT product, count(*) AS variants, sum(levels) AS levels, bool_or(children <> levels) AS differs
    FROM variants GROUP BY product
), added AS (
    SELECT p.id, coalesce(v.variants, 0) AS variants, coalesce(v.levels, 0) AS levels, m.media,
           coalesce(v.differs OR p.children <> coalesce(v.variants, 0) OR p.media <> m.media, false) AS differs
    FROM products p
    LEFT JOIN by_product v ON v.product = p.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS media FROM export_lines c WHERE c.part = $1 AND c.kind = 'm' AND c.parent = p.id
    ) m
)
SELECT count(*) AS products, coalesce(sum(variants), 0)::bigint AS tickets, coalesce(sum(levels), 0)::bigint AS levels,
       coalesce(sum(media), 0)::bigint AS media, coalesce(max(id), 0) AS last, count(*) FILTER (WHERE differs) AS differing,
       (array_agg(id ORDER BY id) FILTER (WHERE differs))[1:5] AS examples
FROM added;

-- name: next_lines  (of the next products: so many, or as many as have so many variants; at least one)
WITH nearest AS MATERIALIZED (
    SELECT id, children, line FROM export_lines
    WHERE part = $1 AND kind = 'p' AND parent = 0 AND id > $2 ORDER BY id LIMIT $3
), products AS MATERIALIZED (
    SELECT id, line FROM (
        SELECT id, line, sum(coalesce(children, 1)) OVER (ORDER BY id) - coalesce(children, 1) AS before FROM nearest
    ) AS counted WHERE before < $4
), variants AS MATERIALIZED (
    SELECT l.id, l.parent, l.place, l.line FROM products p
    JOIN export_lines l ON l.part = $1 AND l.kind = 'v' AND l.parent = p.id
), found AS (
    SELECT 1 AS turn, 'product' AS kind, id, 0::bigint AS parent, id AS place, line FROM products
    UNION ALL SELECT 2, 'variant', id, parent, place, line FROM variants
    UNION ALL SELECT 3, 'medium', c.id, c.parent, c.place, c.line
    FROM products p JOIN export_lines c ON c.part = $1 AND c.kind = 'm' AND c.parent = p.id
    UNION ALL SELECT 4, 'level', c.id, c.parent, c.place, c.line
    FROM variants v JOIN export_lines c ON c.part = $1 AND c.kind = 'l' AND c.parent = v.id
)
SELECT kind, id, parent, line FROM found ORDER BY turn, place;

-- name: drop_lines  (a piece at a time: none of it may take longer than a statement may)
DELETE FROM export_lines WHERE ctid = ANY (ARRAY(SELECT ctid FROM export_lines WHERE part = $1 LIMIT $2));

-- name: other_parts
SELECT EXISTS (SELECT FROM export_parts WHERE run_id <> $1);

-- name: empty_lines
TRUNCATE export_lines;

-- name: forget_parts
DELETE FROM export_parts WHERE run_id = $1;

-- name: ended_runs  (whose parts nobody needs any more)
SELECT DISTINCT p.run_id FROM export_parts p JOIN runs r ON r.id = p.run_id
WHERE r.state IN ('failed', 'cancelled') OR r.finished_at < now() - interval '1 hour';

-- name: strays  (names that nobody waits for)
SELECT name FROM export_names WHERE name NOT IN (
    SELECT p.name FROM export_parts p JOIN runs r ON r.id = p.run_id
    WHERE p.name IS NOT NULL AND r.state IN ('asked', 'running') AND p.state IN ('starting', 'running')
);

-- name: drop_names  (of what does not run; a request that was under way when it was given up may still start one)
DELETE FROM export_names WHERE name = ANY ($1) AND at < now() - interval '10 minutes';

-- name: quantiles  (of the products that we know, where to cut them into so many ranges)
SELECT percentile_disc($1::float8[]) WITHIN GROUP (ORDER BY id) FROM events WHERE deleted_at IS NULL;

-- name: unseen  (living events that an export did not see)
SELECT e.id FROM events e
WHERE e.deleted_at IS NULL AND e.id > $2 AND NOT EXISTS (
    SELECT FROM export_parts p JOIN export_lines l ON l.part = p.id AND l.kind = 'p' AND l.parent = 0 AND l.id = e.id
    WHERE p.run_id = $1
)
ORDER BY e.id LIMIT $3;

-- name: unprojected  (products that an export saw, and that have no row, or an older one; what has no living one may be no event)
SELECT l.id, e.id IS NOT NULL AND e.deleted_at IS NULL AS lives,
       CASE WHEN e.id IS NULL OR e.deleted_at IS NOT NULL THEN (convert_from(l.line, 'UTF8')::json -> 'productType')::text END AS product_type,
       CASE WHEN e.id IS NULL OR e.deleted_at IS NOT NULL THEN (convert_from(l.line, 'UTF8')::json -> 'tags')::text END AS tags
FROM export_parts p JOIN export_lines l ON l.part = p.id AND l.kind = 'p' AND l.parent = 0
LEFT JOIN events e ON e.id = l.id
WHERE p.run_id = $1 AND l.id > $2 AND (e.id IS NULL OR e.source_version[1] < l.updated_at)
ORDER BY l.id LIMIT $3;

-- name: still_wanted  (what an export asked for one by one; but what fails again and again is not waited for)
SELECT count(*) FROM refetches
WHERE reason = $1 AND NOT (error IS NOT NULL AND attempts - (taken_until IS NOT NULL)::int >= $2);

-- name: unread  (what failed again and again; it goes on being tried)
SELECT id FROM refetches
WHERE reason = $1 AND error IS NOT NULL AND attempts - (taken_until IS NOT NULL)::int >= $2 ORDER BY id LIMIT $3;

-- name: was_read_whole  (once, though not all of it may have become events: reconciles find what is missing)
SELECT EXISTS (
    SELECT FROM runs WHERE kind = 'backfill' AND (state = 'succeeded' OR (state = 'failed' AND error LIKE 'NotAllProjected:%'))
);
