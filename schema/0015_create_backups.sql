-- Copies of this database that were made by POST /v1/backups.
CREATE TABLE backup (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Always NULL: of the fabric
    name TEXT NOT NULL, -- Name, unique
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    file TEXT NOT NULL, -- Name of the file in the controller's backups
    bytes INTEGER, -- Size of the file; null: not there yet
    revision INTEGER, -- Last revision of the database in it
    database_id BLOB NOT NULL CHECK (length(database_id) = 16), -- Database that it is a copy of
    encrypted INTEGER NOT NULL, -- The certificate authority's key in it is encrypted by the passphrase
    completed_at INTEGER, -- When it was complete and checked; ms since the epoch
    authority_key TEXT -- The key as the copy will hold it, until it does
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX backup_by_name ON backup (name);
CREATE INDEX backup_by_tenant_id ON backup (tenant_id, id);
