-- What happened: the audit log, and events that outlive their tenants.

-- A write through the API or by a job, done or refused. It outlives what it names: no foreign keys.
CREATE TABLE audit_record (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, in the order of time
    tenant_id BLOB CHECK (length(tenant_id) = 16), -- Tenant of the object
    name TEXT NOT NULL, -- Name of the object
    description TEXT NOT NULL, -- Empty
    labels TEXT NOT NULL, -- Empty map; JSON
    created_at INTEGER NOT NULL, -- When it was written; ms since the epoch
    updated_at INTEGER NOT NULL, -- The same
    etag INTEGER NOT NULL, -- Revision of the database then
    principal_id BLOB CHECK (length(principal_id) = 16), -- User, or token that is no user's
    principal TEXT NOT NULL, -- Its name then
    role TEXT NOT NULL, -- Role it wrote with
    token_id BLOB CHECK (length(token_id) = 16), -- Token it showed
    address TEXT NOT NULL, -- Where the request came from
    request_id TEXT NOT NULL, -- Id of the request
    method TEXT NOT NULL, -- POST, PUT, PATCH, DELETE or JOB
    path TEXT NOT NULL, -- Address that was written to
    object_kind TEXT NOT NULL, -- Kind of the object
    object_id BLOB CHECK (length(object_id) = 16), -- The object
    result TEXT NOT NULL, -- ok, or the type of the error
    detail TEXT NOT NULL, -- Why it was refused
    before TEXT, -- The object before, without secrets; JSON
    after TEXT, -- The object after, without secrets; JSON
    size INTEGER NOT NULL -- Bytes of the row, about
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_record_by_tenant_id ON audit_record (tenant_id, id);
CREATE INDEX audit_record_by_principal_id ON audit_record (principal_id, id);
CREATE INDEX audit_record_by_object_id ON audit_record (object_id, id);

-- Bytes of all audit records, for their bound.
CREATE TABLE audit_total (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), -- The only row
    size INTEGER NOT NULL -- Sum of audit_record.size
) STRICT, WITHOUT ROWID;
INSERT INTO audit_total VALUES (1, 0);
CREATE TRIGGER audit_total_more AFTER INSERT ON audit_record BEGIN
    UPDATE audit_total SET size = size + new.size WHERE id = 1;
END;
CREATE TRIGGER audit_total_less AFTER DELETE ON audit_record BEGIN
    UPDATE audit_total SET size = size - old.size WHERE id = 1;
END;

-- Something that happened. It outlives its tenant: no foreign key.
CREATE TABLE event_new (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB CHECK (length(tenant_id) = 16), -- Tenant that may see it
    name TEXT NOT NULL, -- The reason
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    reason TEXT NOT NULL, -- What happened, a stable word
    message TEXT NOT NULL, -- What happened, a sentence; of a tenant's event without hosts and interfaces
    object_kind TEXT NOT NULL, -- Kind of the object it is about
    object_id BLOB CHECK (length(object_id) = 16), -- Object it is about
    host_id BLOB CHECK (length(host_id) = 16), -- Host it is about
    detail TEXT -- The message with hosts and interfaces
) STRICT, WITHOUT ROWID;
-- Events from before this were written for administrators: no tenant sees them.
INSERT INTO event_new
SELECT
    id, NULL, name, description, labels, created_at, updated_at, etag, reason, message, object_kind, object_id,
    host_id, NULL
FROM event;
DROP TABLE event;
ALTER TABLE event_new RENAME TO event;
CREATE INDEX event_by_tenant_id ON event (tenant_id, id);
CREATE INDEX event_by_reason ON event (reason, id);
CREATE INDEX event_by_object_id ON event (object_id, id);
CREATE INDEX event_by_host_id ON event (host_id, id);
