-- One thing that a host holds and this database does not have, while the database is older than what hosts received.
CREATE TABLE orphan (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, of the host and the object: assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name of the object, as the host knows it
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    host_id BLOB NOT NULL REFERENCES host (id) ON DELETE RESTRICT, -- Host that holds it
    object_kind TEXT NOT NULL, -- Resource that the object was of
    object_id BLOB NOT NULL CHECK (length(object_id) = 16), -- Its id
    vm_network_id BLOB CHECK (length(vm_network_id) = 16), -- VM network it belongs to, which may be gone too
    reason TEXT NOT NULL, -- What this database says of it
    since INTEGER NOT NULL -- When the host first told of it; ms since the epoch
) STRICT, WITHOUT ROWID;
CREATE INDEX orphan_by_tenant_id ON orphan (tenant_id, id);
CREATE INDEX orphan_by_host_id ON orphan (host_id, id);
CREATE INDEX orphan_by_object_kind ON orphan (object_kind, id);
CREATE INDEX orphan_by_object_id ON orphan (object_id, id);
