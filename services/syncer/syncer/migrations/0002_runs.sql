-- Every long work that somebody asks for: a backfill, a reconcile, a doctor's visit, a rebuild. Operators and schedules
-- ask by INSERT; the syncer carries it out, and writes here how far it has come.
CREATE TABLE runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('backfill', 'reconcile', 'doctor', 'rebuild')),
    scope       text NOT NULL DEFAULT '',         -- reconcile: window, whole; doctor: check, canary
    options     jsonb NOT NULL DEFAULT '{}',
    asked_by    text NOT NULL CHECK (asked_by IN ('start', 'schedule', 'operator', 'doctor')),
    state       text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'running', 'succeeded', 'failed', 'cancelled')),
    stage       text,                             -- what is being done now, in a word or two
    done        bigint NOT NULL DEFAULT 0,        -- of this stage
    expected    bigint,                           -- null: not known
    cursor      jsonb,                            -- where a successor goes on
    report      jsonb,                            -- what came out
    error       text,                             -- of the last attempt that failed, also while it goes on
    attempts    integer NOT NULL DEFAULT 0,       -- since it last got further
    due_at      timestamptz NOT NULL DEFAULT now(),
    asked_at    timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    advanced_at timestamptz,                      -- when it was last heard of
    finished_at timestamptz,
    CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
);
-- Asking for what is asked for already is no second run.
CREATE UNIQUE INDEX runs_open ON runs (kind, scope) WHERE state IN ('asked', 'running');
CREATE INDEX runs_by_end ON runs (kind, scope, finished_at DESC) WHERE finished_at IS NOT NULL;

-- What was read before there were runs. `backfills` goes with a later migration, when no process of the release before is left.
INSERT INTO runs (kind, asked_by, state, stage, done, expected, error, asked_at, started_at, advanced_at, finished_at)
SELECT 'backfill', 'start', 'succeeded', 'done', products, expected, error, started_at, started_at, finished_at, finished_at
FROM backfills WHERE finished_at IS NOT NULL;

GRANT SELECT ON runs TO understudy_reader;
