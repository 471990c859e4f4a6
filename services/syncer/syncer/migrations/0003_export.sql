-- Reading everything by bulk operations: how far each part has come, and the lines of their results.

-- One bulk operation's worth of products. Who goes on after a crash reads here where.
CREATE TABLE export_parts (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id     bigint NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    low        bigint,                            -- product ids from low to high; null: no bound on that side
    high       bigint,
    asks       text NOT NULL,                     -- a digest of what is asked for: other rules, another export
    expected   bigint NOT NULL,                   -- products of all parts, as Shopify counted them before it began
    state      text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'starting', 'running', 'staged', 'whole', 'handed')),
    name       text,                              -- of the operation, and in its query; known here before Shopify knows it
    operation  text,                              -- its gid
    began_at   timestamptz,                       -- before the operation was started: nothing in it is older
    operations integer NOT NULL DEFAULT 0,        -- started so far
    downloads  integer NOT NULL DEFAULT 0,        -- of this operation, from the first byte
    bytes      bigint NOT NULL DEFAULT 0,         -- of the result that are staged
    lines      bigint NOT NULL DEFAULT 0,         -- and the lines in them
    opened_at  timestamptz,                       -- when Shopify began, by its clock
    roots      bigint,                            -- products, as Shopify counted them
    products   bigint NOT NULL DEFAULT 0,         -- counted when it was found to be whole
    tickets    bigint NOT NULL DEFAULT 0,
    levels     bigint NOT NULL DEFAULT 0,
    handed_to  bigint NOT NULL DEFAULT 0,         -- products up to this id were passed on
    handed     bigint NOT NULL DEFAULT 0,
    refetched  bigint NOT NULL DEFAULT 0,         -- of those, asked for one by one: their children did not add up
    too_large  bigint[] NOT NULL DEFAULT '{}'     -- and those, by id, that are larger than a message may be
);
CREATE INDEX export_parts_by_run ON export_parts (run_id);

-- The name of every operation that we may have started: one that runs and that nobody waits for is cancelled.
CREATE TABLE export_names (
    name text PRIMARY KEY DEFAULT replace(gen_random_uuid()::text, '-', ''),
    at   timestamptz NOT NULL DEFAULT now()
);

-- Children may be far from their parents, and all of it larger than memory. It can be downloaded again: so no log is written
-- for it, and a crash of PostgreSQL empties it, which whoever goes on notices.
CREATE UNLOGGED TABLE export_lines (
    part     bigint NOT NULL,
    kind     "char" NOT NULL,                     -- p: product, v: variant, m: medium, l: stock level
    id       bigint NOT NULL,
    parent   bigint NOT NULL,                     -- 0: none
    place    bigint NOT NULL,                     -- of the line in the result, in bytes: children keep their order
    children integer,                             -- how many must come: variants of a product, levels of a variant
    media    integer,
    line     bytea NOT NULL,
    updated_at timestamptz                        -- of a product
);
ALTER TABLE export_lines ALTER COLUMN line SET STORAGE EXTERNAL;  -- to compress what lives for minutes costs more than it saves
CREATE INDEX export_lines_by_parent ON export_lines (part, kind, parent, id);
