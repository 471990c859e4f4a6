-- Commands and what became of them. This is the truth; the bus only announces.
--
--   queued -> dispatching -> succeeded | failed | in_doubt
--   queued -> cancelled;  queued | dispatching -> superseded (by whose call its fields were carried)
--
-- Commands of one lane are carried out one after the other, in the order of `seq`. Every transition of a dispatcher's carries
-- its epoch; that it still holds the lease is looked up under a lock that the next holder has to wait for.

CREATE TABLE jobs (
    id               uuid PRIMARY KEY,             -- version 7: it begins with its time
    seq              bigint GENERATED ALWAYS AS IDENTITY,  -- the order of acceptance, within a lane that of the answers
    kind             text NOT NULL CHECK (kind IN (
                         'event.create', 'event.edit', 'event.publish', 'event.unpublish', 'event.archive', 'event.delete',
                         'ticket.create', 'ticket.edit', 'ticket.delete')),
    event_id         bigint CHECK (event_id > 0),  -- of a create: once Shopify has named it
    ticket_id        bigint CHECK (ticket_id > 0),
    lane             bigint NOT NULL GENERATED ALWAYS AS (CASE WHEN kind = 'event.create' THEN -seq ELSE event_id END) STORED,
    command          jsonb NOT NULL,               -- what was asked, validated
    merged           jsonb,                        -- what is carried out instead: it and all that it supersedes
    owner            text NOT NULL,                -- the subject of the token
    idempotency_key  text,
    request_hash     bytea,                        -- of kind, target and command: the same key may not ask for something else
    state            text NOT NULL DEFAULT 'queued' CHECK (state IN (
                         'queued', 'dispatching', 'succeeded', 'failed', 'in_doubt', 'cancelled', 'superseded')),
    alone            boolean NOT NULL DEFAULT false,  -- never to be merged (again)
    superseded_by    uuid,                         -- while that one is dispatching, this one may still come back
    attempts         integer NOT NULL DEFAULT 0,   -- requests that left, or may have left
    retried_from     integer NOT NULL DEFAULT 0,   -- the number of its first call since an operator had it retried
    due_at           timestamptz NOT NULL DEFAULT now(),  -- not before: its event is parked until then
    waits_for        text CHECK (waits_for IN ('unknown_outcome', 'shopify')),  -- what its event is parked for
    waits_because    text,                         -- for operators
    epoch            bigint,                       -- of the dispatcher that has it, or had it last
    error            jsonb,
    note             text,                         -- an operator's words
    cost             real,                         -- points that Shopify charged for it, so far
    observation      jsonb,                        -- what has to be said on CHANGES about its effect; null: nothing
    observed_at      timestamptz,                  -- since when that is said
    visible_revision bigint,                       -- of the event: readers can see its effect from there on
    version          integer NOT NULL DEFAULT 1,   -- counts what its public document showed
    announced        integer NOT NULL DEFAULT 0,   -- the last version that was said on JOBS
    created_at       timestamptz NOT NULL DEFAULT now(),
    dispatched_at    timestamptz,
    finished_at      timestamptz,
    CHECK ((kind = 'event.create') OR (event_id IS NOT NULL))
);

CREATE UNIQUE INDEX jobs_by_key ON jobs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- One job at a time for each event, whatever a dispatcher believes.
CREATE UNIQUE INDEX jobs_one_at_a_time ON jobs (lane) WHERE state = 'dispatching' AND superseded_by IS NULL;
CREATE INDEX jobs_open         ON jobs (seq) WHERE state IN ('queued', 'dispatching');
CREATE INDEX jobs_waiting      ON jobs (seq) WHERE state = 'queued' AND superseded_by IS NULL;
CREATE INDEX jobs_in_doubt     ON jobs (ticket_id) WHERE state = 'in_doubt';
CREATE INDEX jobs_open_by_lane ON jobs (lane, seq) WHERE state IN ('queued', 'dispatching');
CREATE INDEX jobs_open_by_owner ON jobs (owner) WHERE state IN ('queued', 'dispatching');
CREATE INDEX jobs_by_event     ON jobs (event_id, seq);
CREATE INDEX jobs_by_state     ON jobs (state, seq);
CREATE INDEX jobs_by_seq       ON jobs (seq);
CREATE INDEX jobs_by_owner     ON jobs (owner, seq);
-- What makes and unmakes events and tickets: commands for what isn't projected yet, or not deleted yet.
CREATE INDEX jobs_that_name    ON jobs (event_id, ticket_id)
    WHERE kind IN ('event.create', 'event.delete', 'ticket.create', 'ticket.delete');
CREATE INDEX jobs_by_leader    ON jobs (superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX jobs_unannounced  ON jobs (seq) WHERE version > announced;
CREATE INDEX jobs_unobserved   ON jobs (seq) WHERE observation IS NOT NULL AND observed_at IS NULL;
CREATE INDEX jobs_invisible    ON jobs (event_id) WHERE state IN ('succeeded', 'superseded') AND visible_revision IS NULL;
CREATE INDEX jobs_finished     ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Whatever the public document of a job shows makes a new version of it, whoever changed it: the herald says it on JOBS.
CREATE FUNCTION job_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.event_id, NEW.ticket_id, NEW.state, NEW.attempts, NEW.cost, NEW.error, NEW.note, NEW.superseded_by,
        NEW.waits_for, NEW.visible_revision, NEW.dispatched_at, NEW.finished_at)
       IS DISTINCT FROM
       (OLD.event_id, OLD.ticket_id, OLD.state, OLD.attempts, OLD.cost, OLD.error, OLD.note, OLD.superseded_by,
        OLD.waits_for, OLD.visible_revision, OLD.dispatched_at, OLD.finished_at)
    THEN
        NEW.version := OLD.version + 1;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER job_changed BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION job_changed();

-- One row is one intent: committed before the request leaves, answered after. `outcome` null: nobody knows (yet).
CREATE TABLE calls (
    job_id      uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number      integer NOT NULL,                  -- 0, 1, 2 … of its job
    document    text NOT NULL,
    variables   jsonb NOT NULL,
    request_hash bytea NOT NULL,                   -- of both
    retry       text NOT NULL CHECK (retry IN ('keyed', 'natural', 'compare_and_set', 'unsafe')),
    epoch       bigint NOT NULL,                   -- of the dispatcher that sent it
    sent_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    within      real NOT NULL,                     -- seconds; its sender gives up after that
    outcome     text CHECK (outcome IN ('done', 'refused', 'not_sent')),
    answer      jsonb,                             -- data of a mutation that was done, userErrors of one that was refused
    cost        real,
    answered_at timestamptz,
    gave_up_at  timestamptz,                       -- its sender waits no more; a dead one did so after `within`
    late        boolean NOT NULL DEFAULT false,    -- answered when its sender had lost the lease
    discarded   boolean NOT NULL DEFAULT false,    -- refused for several commands at once; each is tried alone
    PRIMARY KEY (job_id, number)
);

-- Who may dispatch. Expiry is judged by the clock of this database.
CREATE TABLE dispatcher (
    singleton      boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    owner          text,
    epoch          bigint NOT NULL DEFAULT 0,
    expires_at     timestamptz NOT NULL DEFAULT '-infinity',
    breaker_until  timestamptz NOT NULL DEFAULT '-infinity',  -- nothing is sent to Shopify before
    breaker_reason text,
    latency        real                            -- seconds that a mutation took lately, to estimate with
);
INSERT INTO dispatcher DEFAULT VALUES;

-- What clients and operators may do to a job: each answers with the state that it found, null for a job that isn't there.
-- Only `done` says that it was done.

CREATE FUNCTION job_cancel(wanted uuid, OUT found text, OUT done boolean) LANGUAGE plpgsql AS $$
DECLARE
    was ALIAS FOR $2;  -- `found` is a variable of PL/pgSQL's own
BEGIN
    done := false;
    SELECT state INTO was FROM jobs WHERE id = wanted FOR UPDATE;
    IF was = 'queued' THEN
        UPDATE jobs SET state = 'cancelled', finished_at = clock_timestamp() WHERE id = wanted;
        done := true;
    END IF;
END $$;

-- Failed or in doubt: once more, behind everything that was accepted since. What is known of its calls is kept, so a
-- procedure whose outcome was unknown reads back first; what was refused may be accepted now.
CREATE FUNCTION job_retry(wanted uuid, words text, OUT found text, OUT done boolean) LANGUAGE plpgsql AS $$
DECLARE
    was ALIAS FOR $3;  -- `found` is a variable of PL/pgSQL's own
BEGIN
    done := false;
    PERFORM pg_advisory_xact_lock(lane) FROM jobs WHERE id = wanted;  -- as whoever accepts a command of this event
    SELECT state INTO was FROM jobs WHERE id = wanted FOR UPDATE;
    IF was IN ('failed', 'in_doubt') THEN
        UPDATE calls SET discarded = true WHERE job_id = wanted AND outcome = 'refused';
        UPDATE jobs SET state = 'queued', seq = DEFAULT, alone = true, error = NULL, finished_at = NULL, due_at = now(),
                        retried_from = (SELECT count(*) FROM calls WHERE job_id = wanted), note = words,
                        observation = NULL, observed_at = NULL, superseded_by = NULL, merged = NULL,
                        waits_for = NULL, waits_because = NULL
        WHERE id = wanted;
        -- What it had taken in ended with it; from now on each stands for itself.
        UPDATE jobs SET superseded_by = NULL WHERE superseded_by = wanted AND state IN ('failed', 'in_doubt');
        done := true;
    END IF;
END $$;

-- In doubt: an operator has looked at Shopify, and says what happened. `event` names what a create has made.
CREATE FUNCTION job_resolve(wanted uuid, became text, words text, event bigint, OUT found text, OUT done boolean)
LANGUAGE plpgsql AS $$
DECLARE
    was ALIAS FOR $5;  -- `found` is a variable of PL/pgSQL's own
BEGIN
    done := false;
    IF became NOT IN ('succeeded', 'failed') THEN
        RAISE EXCEPTION 'a job in doubt has succeeded or failed, not %', became USING ERRCODE = 'check_violation';
    END IF;
    SELECT state INTO was FROM jobs WHERE id = wanted FOR UPDATE;
    IF was = 'in_doubt' THEN
        UPDATE jobs SET state = became, note = words, event_id = COALESCE(event_id, event), superseded_by = NULL,
                        observation = CASE WHEN became = 'succeeded' AND COALESCE(event_id, event) IS NOT NULL
                            THEN jsonb_build_object('what', 'whole', 'product_id', COALESCE(event_id, event)) END,
                        observed_at = NULL, finished_at = clock_timestamp(),
                        error = CASE WHEN became = 'failed' THEN error END
        WHERE id = wanted;
        UPDATE jobs SET state = CASE became WHEN 'succeeded' THEN 'superseded' ELSE 'failed' END, note = words,
                        error = CASE WHEN became = 'failed' THEN error END
        WHERE superseded_by = wanted AND state = 'in_doubt';
        done := true;
    END IF;
END $$;
