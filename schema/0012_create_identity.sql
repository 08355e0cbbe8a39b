-- Who may do what: users, the grants they have, and who is logged in. A grant is a role and what it reaches: everything,
-- a host group's subtree (host_group_id), or a tenant (tenant_id).

-- A token carries one grant, fixed when it is made; those that exist are administrators', who reach everything.
ALTER TABLE token ADD COLUMN host_group_id BLOB -- Host group that a fabric-operator is limited to; null: everything
    REFERENCES host_group (id) ON DELETE RESTRICT;
CREATE INDEX token_by_host_group_id ON token (host_group_id, id);
-- Names of tokens are unique in a tenant, so that nobody learns from a refusal how others call theirs.
DROP INDEX token_by_name;
CREATE INDEX token_by_name ON token (name, id);
CREATE UNIQUE INDEX token_by_scoped_name ON token (tenant_id, name);

-- Somebody who logs in with a password.
CREATE TABLE user (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant whose administrators may see and bind it; null: none
    name TEXT NOT NULL, -- Name, unique: what one logs in with
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    password_hash TEXT NOT NULL -- Argon2id of the password, encoded; empty: nobody can log in
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX user_by_name ON user (name);
CREATE INDEX user_by_tenant_id ON user (tenant_id, id);

-- Gives a user a grant.
CREATE TABLE role_binding (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant of a tenant's role; null for the others
    name TEXT NOT NULL, -- Name, unique in its scope
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    user_id BLOB NOT NULL REFERENCES user (id) ON DELETE RESTRICT, -- User who gets the role
    role TEXT NOT NULL, -- admin | fabric-operator | auditor | tenant-admin | tenant-viewer
    -- Host group that a fabric-operator is limited to; null: everything
    host_group_id BLOB REFERENCES host_group (id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE INDEX role_binding_by_name ON role_binding (name, id);
CREATE UNIQUE INDEX role_binding_by_scoped_name ON role_binding (tenant_id, name);
CREATE INDEX role_binding_by_tenant_id ON role_binding (tenant_id, id);
CREATE INDEX role_binding_by_user_id ON role_binding (user_id, id);
CREATE INDEX role_binding_by_host_group_id ON role_binding (host_group_id, id);

-- A user who is logged in.
CREATE TABLE session (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID, assigned
    tenant_id BLOB REFERENCES tenant (id) ON DELETE RESTRICT, -- Tenant of the grant; null for roles that are no tenant's
    name TEXT NOT NULL, -- The user's
    description TEXT NOT NULL, -- Free text
    labels TEXT NOT NULL, -- Map of text to text; JSON
    created_at INTEGER NOT NULL, -- When it was created; ms since the epoch
    updated_at INTEGER NOT NULL, -- When a written field last changed; ms since the epoch
    etag INTEGER NOT NULL, -- Version of the written fields, for If-Match; revision of their last change
    user_id BLOB NOT NULL REFERENCES user (id) ON DELETE RESTRICT, -- User who is logged in
    role_binding_id BLOB NOT NULL REFERENCES role_binding (id) ON DELETE RESTRICT, -- Grant it acts under
    role TEXT NOT NULL, -- Role of that grant
    host_group_id BLOB REFERENCES host_group (id) ON DELETE RESTRICT, -- Host group that grant is limited to
    expires_at INTEGER NOT NULL, -- When it ends at the latest; ms since the epoch
    last_used_at INTEGER NOT NULL, -- When it was last used, to a minute; ms since the epoch
    address TEXT NOT NULL, -- Where the login came from
    secret_hash TEXT NOT NULL -- SHA-256 of the cookie's secret in hex
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_tenant_id ON session (tenant_id, id);
CREATE INDEX session_by_name ON session (name, id);
CREATE INDEX session_by_user_id ON session (user_id, id);
CREATE INDEX session_by_role_binding_id ON session (role_binding_id, id);
CREATE INDEX session_by_host_group_id ON session (host_group_id, id);
-- Those that are over are swept, the oldest first.
CREATE INDEX session_by_expires_at ON session (expires_at);
CREATE UNIQUE INDEX session_by_secret_hash ON session (secret_hash);
