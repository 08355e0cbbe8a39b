-- Long work in steps: the row is all that is known of it, so that a controller that is started again goes on with it.

CREATE TABLE job (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Its kind and the object it is about
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    kind TEXT NOT NULL, -- What kind of work: deploy_host_switch | remove_host_switch | migrate | drain | replace | ...
    object_kind TEXT NOT NULL, -- Kind of the object it is about
    object_id BLOB CHECK (length(object_id) = 16), -- Object it is about; it may be gone
    host_id BLOB CHECK (length(host_id) = 16), -- Host it is about; it may be gone
    parent_id BLOB CHECK (length(parent_id) = 16), -- Job that started it; it may be gone
    state TEXT NOT NULL, -- pending | running | cancelling | succeeded | failed | cancelled
    percent INTEGER NOT NULL, -- How much of it is done, 0 to 100
    message TEXT NOT NULL, -- What it waits for, did, or failed at
    started_at INTEGER, -- When it began; ms since the epoch
    ended_at INTEGER, -- When it ended; ms since the epoch
    deadline INTEGER, -- When it gives up what it waits for; ms since the epoch
    cancellable INTEGER NOT NULL, -- Whether :cancel is taken now
    requested_by TEXT NOT NULL, -- Who asked for it
    input TEXT NOT NULL, -- What was asked for, by the kind; JSON
    progress TEXT NOT NULL -- What its steps remember, by the kind; JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX job_by_tenant_id ON job (tenant_id, id);
CREATE INDEX job_by_name ON job (name, id);
CREATE INDEX job_by_kind ON job (kind, id);
CREATE INDEX job_by_object_id ON job (object_id, id);
CREATE INDEX job_by_host_id ON job (host_id, id);
CREATE INDEX job_by_parent_id ON job (parent_id, id);
CREATE INDEX job_by_state ON job (state, id);
-- What is to be done: read at start and when another job asks for the same object.
CREATE INDEX job_open ON job (object_id) WHERE ended_at IS NULL;

-- job.steps: Its steps, in order.
CREATE TABLE job_steps (
    owner_id BLOB NOT NULL REFERENCES job (id) ON DELETE CASCADE, -- The job
    position INTEGER NOT NULL, -- Order in the list, from 0
    name TEXT NOT NULL, -- What the step does, a stable word
    state TEXT NOT NULL, -- pending | running | succeeded | failed | undone | skipped
    percent INTEGER NOT NULL, -- How much of it is done, 0 to 100
    started_at INTEGER, -- When it began; ms since the epoch
    ended_at INTEGER, -- When it ended; ms since the epoch
    message TEXT NOT NULL, -- What it waits for, did, or failed at
    PRIMARY KEY (owner_id, position)
) STRICT, WITHOUT ROWID;

-- A moving adapter's host to be: set, its port stands armed there; cleared, nothing has happened.
ALTER TABLE network_adapter
    ADD COLUMN target_host_id BLOB REFERENCES host (id) ON DELETE RESTRICT; -- Host it is moving to
CREATE INDEX network_adapter_by_target_host_id ON network_adapter (target_host_id, id);
